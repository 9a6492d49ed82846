/**
 * Purpose: who looks at a relay while it works: a Prometheus that scrapes every second, a dashboard that asks for what it
 *   shows every two seconds, and a listener of the live events.
 * Contract: attach() resolves when all that exist are attached; detach() ends them and says what they saw, and what
 *   this relay does not have. They run in the process of the benchmark, on the cores of the relay.
 * Limits: plain HTTP on 127.0.0.1. Events are counted and not looked into; pings are answered (RFC 6455 section 5.5.3).
 */
import { Agent, get } from 'node:http';
import type { Socket } from 'node:net';

/** What was seen while they were attached. */
export interface Seen {
  readonly scrapes: number;
  readonly polls: number;
  /** Text messages of the event stream, and their bytes. */
  readonly events: number;
  readonly eventBytes: number;
  /** Endpoints that are not there, or did not answer as wished. */
  readonly absent: readonly string[];
}

const SCRAPE_MS = 1000;
const POLL_MS = 2000;
const POLLED = ['/v1/status', '/v1/destinations', '/v1/queue', '/v1/figures'];
const EVENTS = '/v1/events';
const TEXT = 1;
const PING = 9;
const PONG_EMPTY = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

export async function attachOperators(port: number): Promise<{ detach(): Seen }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const absent = new Set<string>();
  let scrapes = 0;
  let polls = 0;
  const ask = async (path: string): Promise<boolean> => {
    const status = await statusOf(port, path, agent);
    if (status !== 200) absent.add(`${path} (${status === 0 ? 'no answer' : status})`);
    return status === 200;
  };
  const scraper = setInterval(async () => {
    if (await ask('/metrics')) scrapes++;
  }, SCRAPE_MS);
  const poller = setInterval(async () => {
    const answered = await Promise.all(POLLED.map(ask));
    polls += answered.filter(Boolean).length;
  }, POLL_MS);
  const stream = new EventStream();
  const status = await stream.open(port);
  if (status !== 101) absent.add(`${EVENTS} (${status === 0 ? 'no answer' : status})`);
  return {
    detach: () => {
      clearInterval(scraper);
      clearInterval(poller);
      agent.destroy();
      if (status === 101 && stream.ended) absent.add(`${EVENTS} (ended before the load did)`);
      stream.close();
      return { scrapes, polls, events: stream.events, eventBytes: stream.bytes, absent: [...absent].sort() };
    },
  };
}

/** Reads the whole answer; 0 where there is none. */
function statusOf(port: number, path: string, agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path, agent }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    }).on('error', () => resolve(0));
  });
}

/** A WebSocket that counts what it is sent. */
class EventStream {
  events = 0;
  bytes = 0;
  ended = false;
  private socket: Socket | null = null;
  private rest: Buffer = Buffer.alloc(0);

  /** The status of the answer: 101 when it is open, 0 without an answer. */
  open(port: number): Promise<number> {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    return new Promise((resolve) => {
      get({ host: '127.0.0.1', port, path: EVENTS, headers, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on('upgrade', (_, socket: Socket, head: Buffer) => {
          this.socket = socket;
          socket.on('error', () => undefined).on('data', (chunk: Buffer) => this.read(chunk));
          socket.on('close', () => {
            this.ended = true;
          });
          this.read(head);
          resolve(101);
        })
        .on('error', () => resolve(0));
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  /** Frames from a server are not masked (RFC 6455 section 5.2). */
  private read(chunk: Buffer): void {
    const data = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (data.length - at >= 2) {
      const short = data[at + 1]! & 0x7f;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (data.length - at < head) break;
      const length =
        short === 126 ? data.readUInt16BE(at + 2) : short === 127 ? Number(data.readBigUInt64BE(at + 2)) : short;
      if (data.length - at < head + length) break;
      const opcode = data[at]! & 0x0f;
      if (opcode === PING) this.socket?.write(PONG_EMPTY);
      if (opcode === TEXT) {
        this.events++;
        this.bytes += length;
      }
      at += head + length;
    }
    this.rest = data.subarray(at);
  }
}
