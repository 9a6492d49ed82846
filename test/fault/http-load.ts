/**
 * Load over HTTP: lanes that hand in one request after another and enter each of its messages into the ledger.
 *
 * Every request has an idempotency key. One that is not answered, for the engine was killed, is sent again as it was
 * until it is: what the first try left behind must be neither lost nor taken twice. Half of the messages are composed,
 * half are handed in as they are.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { between, pause } from './fault-case.js';
import type { Ledger } from './ledger.js';

export interface HttpLoadOptions {
  readonly port: number;
  readonly ledger: Ledger;
  /** Requests at once. */
  readonly lanes: number;
  /** Most messages of a request. */
  readonly batch: number;
}

interface Item {
  readonly status: number;
  readonly repeated?: boolean;
}

/** How long an answer may take, ms. */
const PATIENCE = 75_000;

export class HttpLoad {
  /** Requests that the engine, though it lived, did not answer. */
  readonly unanswered: string[] = [];
  /** Messages that an earlier try had handed in already, as the engine says. */
  repeated = 0;
  /** Requests that were sent again. */
  again = 0;
  private readonly options: HttpLoadOptions;
  private readonly agent = new Agent({ keepAlive: true });
  private readonly lanes: Promise<void>[];
  private running = true;

  /** Begins at once. */
  constructor(options: HttpLoadOptions) {
    this.options = options;
    this.lanes = Array.from({ length: options.lanes }, () => this.lane());
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.lanes);
    this.agent.destroy();
  }

  private async lane(): Promise<void> {
    const { batch, ledger } = this.options;
    while (this.running) {
      const ids = Array.from({ length: Math.ceil(between(0.001, batch)) }, () => `h${randomBytes(8).toString('hex')}`);
      const body = JSON.stringify(ids.map((id, n) => (n % 2 === 0 ? composed(id) : raw(id))));
      const key = randomBytes(8).toString('hex');
      for (const id of ids) ledger.tried(id, [`${id}@accept.example`]);
      const items = await this.untilAnswered(body, key);
      for (const [n, id] of ids.entries()) {
        const { status = 0, repeated = false } = items?.[n] ?? {};
        if (status !== 0) ledger.answered(id, status);
        if (repeated) this.repeated++;
      }
      if (items?.some(({ status }) => status !== 202) === true) await pause(50);
    }
  }

  /** null: the load ended first. */
  private async untilAnswered(body: string, key: string): Promise<readonly Item[] | null> {
    for (let tries = 0; tries < 1000; tries++) {
      if (tries > 0) this.again++;
      const items = await this.post(body, key);
      if (items !== null) return items;
      await pause(100);
    }
    this.unanswered.push(`no answer to ${key}`);
    return null;
  }

  /** null: no answer, or one that says that the engine is not there now. */
  private post(body: string, key: string): Promise<readonly Item[] | null> {
    return new Promise((resolve) => {
      const sent = request(
        {
          ...{ host: '127.0.0.1', port: this.options.port, path: '/v1/messages', method: 'POST', agent: this.agent },
          headers: {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(body),
            'Idempotency-Key': key,
          },
          timeout: PATIENCE,
        },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          answer.on('error', () => resolve(null));
          answer.on('end', () => {
            try {
              resolve((JSON.parse(text) as { items?: readonly Item[] }).items ?? null);
            } catch {
              resolve(null);
            }
          });
        },
      );
      sent.on('timeout', () => {
        this.unanswered.push(`no answer within ${PATIENCE} ms`);
        sent.destroy();
      });
      sent.on('error', () => resolve(null));
      sent.end(body);
    });
  }
}

function bodyOf(): { readonly text: string; readonly hash: string } {
  const hex = randomBytes(Math.ceil(between(50, 2000))).toString('hex');
  const lines = ['.a line that begins with a dot'];
  for (let from = 0; from < hex.length; from += 76) lines.push(hex.slice(from, from + 76));
  const text = `${lines.join('\r\n')}\r\n`;
  return { text, hash: createHash('sha256').update(text, 'latin1').digest('hex') };
}

function composed(id: string) {
  const { text, hash } = bodyOf();
  const headers = { 'X-Fault-Id': id, 'X-Fault-Sha256': hash };
  return { from: `${id}@client.example`, to: [`${id}@accept.example`], subject: id, text, headers };
}

function raw(id: string) {
  const { text, hash } = bodyOf();
  const message = `From: <${id}@client.example>\r\nSubject: ${id}\r\nX-Fault-Id: ${id}\r\nX-Fault-Sha256: ${hash}\r\n\r\n${text}`;
  return {
    mailFrom: `${id}@client.example`,
    rcptTo: [`${id}@accept.example`],
    raw: Buffer.from(message, 'latin1').toString('base64'),
  };
}
