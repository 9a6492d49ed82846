/**
 * A WebSocket client over a raw socket (RFC 6455), for servers that tests listen to: Node 20 has none of its own.
 *
 * Limits: text frames that are not fragmented, as the server sends them; pings are answered unless told otherwise.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export interface WebSocketOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly host?: string;
}

/** Bytes of an upgrade request. */
export function upgradeRequest(path: string, { headers = {}, host = '127.0.0.1' }: WebSocketOptions = {}): string {
  const fields: Record<string, string> = {
    Host: host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export class WebSocketClient {
  /** Head of the server's answer. */
  head = '';
  /** Texts in order, and the events of all of them. */
  readonly messages: string[] = [];
  readonly events: Readonly<Record<string, unknown>>[] = [];
  pings = 0;
  /** Code and reason of the close frame, null before it; 1006 where the connection went without one. */
  closed: { readonly code: number; readonly reason: string } | null = null;
  answersPings = true;
  private readonly socket: net.Socket;
  private held: Buffer = Buffer.alloc(0);
  private readonly waiting = new Set<() => void>();

  private constructor(socket: net.Socket) {
    this.socket = socket;
  }

  /** Resolves when the server has answered, whatever it says. */
  static open(port: number, path: string, options: WebSocketOptions = {}): Promise<WebSocketClient> {
    const socket = net.connect(port, '127.0.0.1');
    const client = new WebSocketClient(socket);
    socket.write(upgradeRequest(path, options));
    socket.on('data', (chunk: Buffer) => client.read(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      client.closed ??= { code: 1006, reason: '' };
      client.tell();
    });
    return client.until(() => client.head !== '' || client.closed !== null).then(() => client);
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.head)?.[1] ?? 0);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  send(text: string): void {
    this.frame(TEXT, Buffer.from(text));
  }

  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Resolves when it holds; rejects after `timeout` ms. */
  until(holds: () => boolean, timeout = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`not within ${timeout} ms; ${this.messages.length} messages, ${JSON.stringify(this.closed)}`));
      }, timeout);
      this.waiting.add(look);
      look();
    });
  }

  private tell(): void {
    for (const look of [...this.waiting]) look();
  }

  private read(chunk: Buffer): void {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    if (this.head === '') {
      const end = this.held.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.held.toString('latin1', 0, end + 4);
      this.held = this.held.subarray(end + 4);
    }
    if (this.status === 101) while (this.next());
    this.tell();
  }

  /** Takes one frame off what is held. */
  private next(): boolean {
    const { held } = this;
    if (held.length < 2) return false;
    const short = held[1]! & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (held.length < start) return false;
    const length = short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
    if (held.length < start + length) return false;
    const payload = held.subarray(start, start + length);
    this.take(held[0]! & 0x0f, payload);
    this.held = held.subarray(start + length);
    return true;
  }

  private take(code: number, payload: Buffer): void {
    if (code === TEXT) {
      const text = payload.toString();
      this.messages.push(text);
      this.events.push(...(JSON.parse(text) as Record<string, unknown>[]));
    } else if (code === CLOSE) {
      this.closed = {
        code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005,
        reason: payload.toString('utf8', 2),
      };
      this.socket.end();
    } else if (code === PING) {
      this.pings++;
      if (this.answersPings) this.frame(PONG, payload);
    }
  }

  /** Clients mask what they send (RFC 6455 section 5.3). */
  private frame(code: number, payload: Buffer): void {
    const mask = randomBytes(4);
    const masked = Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]!));
    this.socket.write(Buffer.concat([Buffer.from([0x80 | code, 0x80 | payload.length]), mask, masked]));
  }
}
