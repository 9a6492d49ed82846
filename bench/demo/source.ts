/**
 * The load source of the demo, on a thread of its own: connections that stay open, one message after the other on each,
 * every command waiting for its reply (no pipelining), until all messages are sent or it is told to stop.
 *
 * A refused message is counted and not sent again; a lost connection or one closed by the engine is replaced while there
 * are messages left, a bounded number of times. Messages to the parent: the first reason of each kind of trouble, and
 * `done`.
 */
import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Ledger } from './ledger.js';
import { type DemoMessage, DemoMessages } from './messages.js';

export interface SourceData {
  readonly shared: SharedArrayBuffer;
  readonly messages: number;
  readonly connections: number;
  readonly size: number;
  readonly port: number;
  readonly run: string;
}

export type SourceReport = { readonly trouble: string } | { readonly done: true };

const data = workerData as SourceData;
const ledger = new Ledger(data.messages, data.shared);
const messages = new DemoMessages(data.size, data.run);
/** Connections that may break before the source gives up. */
const MAX_BROKEN = 200;
const told = new Set<string>();
let next = 0;
let open = 0;
let broken = 0;

function tell(trouble: string): void {
  if (told.has(trouble) || told.size >= 10) return;
  told.add(trouble);
  parentPort!.postMessage({ trouble } satisfies SourceReport);
}

type Step = 'greeting' | 'hello' | 'mail' | 'rcpt' | 'data' | 'content' | 'reset' | 'quit';

/** One connection: a step, and what the next reply means. */
class Submitter {
  private readonly socket: Socket;
  private step: Step = 'greeting';
  private number = -1;
  private message: DemoMessage | null = null;
  private recipient = 0;
  private reply = '';
  private over = false;

  constructor() {
    open++;
    this.socket = connect({ host: '127.0.0.1', port: data.port, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.receive(chunk));
    this.socket.on('error', (error) => tell(`connection to the engine: ${error.message}`));
    this.socket.on('close', () => this.closed());
  }

  private receive(chunk: Buffer): void {
    this.reply += chunk.toString('latin1');
    if (!this.reply.endsWith('\n')) return;
    // Without pipelining there is one reply at a time; its last line has a blank after the code.
    const last = this.reply.lastIndexOf('\n', this.reply.length - 2) + 1;
    if (this.reply[last + 3] === '-') return;
    const text = this.reply.slice(last).trimEnd();
    this.reply = '';
    this.answered(text);
  }

  private answered(text: string): void {
    const { step, socket } = this;
    const kind = text[0];
    if (kind !== (step === 'data' ? '3' : '2')) this.refused(text);
    else if (step === 'greeting') this.command('hello', 'EHLO source.example\r\n');
    else if (step === 'mail') this.nextRecipient();
    else if (step === 'rcpt') this.nextRecipient();
    else if (step === 'data') {
      const { header, body } = this.message!;
      this.step = 'content';
      socket.cork();
      socket.write(header, 'latin1');
      socket.write(body);
      socket.uncork();
    } else if (step === 'quit') socket.end();
    else {
      if (step === 'content') ledger.acknowledge(this.number);
      this.nextMessage();
    }
  }

  private nextMessage(): void {
    this.number = -1;
    if (next >= data.messages || ledger.stopped) {
      this.over = true;
      this.command('quit', 'QUIT\r\n');
      return;
    }
    this.number = next++;
    this.message = messages.make(this.number);
    this.recipient = 0;
    ledger.submit(this.number);
    this.command('mail', this.message.mail);
  }

  private nextRecipient(): void {
    const line = this.message!.recipients[this.recipient++];
    if (line === undefined) this.command('data', 'DATA\r\n');
    else this.command('rcpt', line);
  }

  private refused(text: string): void {
    tell(`${this.step} was answered with: ${text}`);
    if (this.number >= 0) ledger.refuse();
    this.number = -1;
    if (text.startsWith('421') || this.step === 'greeting' || this.step === 'hello' || this.step === 'quit')
      this.socket.end();
    else if (this.step === 'reset') this.socket.destroy();
    else this.command('reset', 'RSET\r\n');
  }

  private command(step: Step, line: string): void {
    this.step = step;
    this.socket.write(line, 'latin1');
  }

  private closed(): void {
    open--;
    if (this.number >= 0) ledger.refuse();
    if (!this.over && ++broken <= MAX_BROKEN && next < data.messages && !ledger.stopped)
      setTimeout(() => new Submitter(), 100);
    else if (open === 0) parentPort!.postMessage({ done: true } satisfies SourceReport);
  }
}

for (let i = 0; i < Math.min(data.connections, data.messages); i++) new Submitter();
