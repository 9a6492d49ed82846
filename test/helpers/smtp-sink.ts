/**
 * A next hop for tests: writes down what it is sent, offers what the test says and answers what the test says.
 *
 * Contract: content is kept without dot-stuffing. `reply` is asked before every reply; what it gives is sent instead of
 * the usual one, and a message whose last reply is no 2xx is not kept. An empty string closes the connection.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface SinkMessage {
  /** As sent: `MAIL FROM:<a@b> SIZE=3`. */
  readonly mail: string;
  readonly rcpts: readonly string[];
  readonly how: 'DATA' | 'BDAT';
  /** Exactly the bytes of the message, dots unstuffed. */
  readonly content: Buffer;
  /** Which connection, from 1. */
  readonly connection: number;
}

/** What a reply is wanted for; CONTENT is the end of the message. */
export type SinkMoment = 'GREETING' | 'EHLO' | 'MAIL' | 'RCPT' | 'DATA' | 'CONTENT' | 'RSET' | 'OTHER';

export interface SinkOptions {
  /** Keywords after EHLO. */
  readonly capabilities?: readonly string[];
  readonly address?: string;
  /** 0 is any free one. */
  readonly port?: number;
  /** A reply without CRLF, or undefined for the usual one. */
  readonly reply?: (moment: SinkMoment, line: string) => string | undefined | Promise<string | undefined>;
}

export const ALL_CAPABILITIES = [
  'PIPELINING',
  'SIZE 0',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'CHUNKING',
  'BINARYMIME',
  'MT-PRIORITY',
  'DELIVERBY',
];

const USUAL: Readonly<Record<SinkMoment, string>> = {
  GREETING: '220 sink.example ESMTP',
  EHLO: '',
  MAIL: '250 2.1.0 ok',
  RCPT: '250 2.1.5 ok',
  DATA: '354 go',
  CONTENT: '250 2.0.0 stored',
  RSET: '250 2.0.0 ok',
  OTHER: '250 2.0.0 ok',
};

export class SmtpSink {
  readonly messages: SinkMessage[] = [];
  /** Every command line of every connection, in the order of arrival. */
  readonly commands: string[] = [];
  /** Where each connection came from. */
  readonly peers: string[] = [];
  connections = 0;
  port = 0;
  readonly options: SinkOptions;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(options: SinkOptions) {
    this.options = options;
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      this.peers.push(socket.remoteAddress ?? '');
      socket.on('close', () => this.sockets.delete(socket));
      const connection = new SinkConnection(this, socket, ++this.connections);
      socket.on('error', () => undefined);
      void connection.run().catch(() => socket.destroy());
    });
  }

  get url(): string {
    return `smtp://${this.options.address ?? '127.0.0.1'}:${this.port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.port ?? 0, this.options.address ?? '127.0.0.1', resolve);
    });
    const address = this.server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Resolves to the messages that fit once there are `count`; rejects after `timeout` ms. */
  async waitFor(
    count: number,
    wanted: (message: SinkMessage) => boolean = () => true,
    timeout = 10_000,
  ): Promise<SinkMessage[]> {
    for (const end = Date.now() + timeout; ; ) {
      const found = this.messages.filter(wanted);
      if (found.length >= count) return found;
      if (Date.now() >= end)
        throw new Error(
          `${found.length} of ${count} messages within ${timeout} ms; commands: ${this.commands.join('|')}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

class SinkConnection {
  private readonly sink: SmtpSink;
  private readonly socket: Socket;
  private readonly number: number;
  private pending = Buffer.alloc(0);
  private ended = false;
  private wake: () => void = () => {};

  constructor(sink: SmtpSink, socket: Socket, number: number) {
    this.sink = sink;
    this.socket = socket;
    this.number = number;
    socket.on('data', (chunk) => {
      this.pending = Buffer.concat([this.pending, chunk]);
      this.wake();
    });
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  async run(): Promise<void> {
    let mail = '';
    let rcpts: string[] = [];
    let chunks: Buffer[] = [];
    await this.say('GREETING', '');
    for (;;) {
      const line = (await this.until('\r\n')).toString('utf8');
      this.sink.commands.push(line);
      const verb = line.split(' ')[0]!.toUpperCase();
      switch (verb) {
        case 'EHLO':
          await this.say('EHLO', line);
          break;
        case 'MAIL':
          [mail, rcpts, chunks] = [line, [], []];
          await this.say('MAIL', line);
          break;
        case 'RCPT':
          if (await this.say('RCPT', line)) rcpts.push(line);
          break;
        case 'DATA': {
          if (rcpts.length === 0) {
            this.socket.write('554 5.5.1 No valid recipients\r\n');
            break;
          }
          if (!(await this.say('DATA', line))) break;
          const content = await this.readData();
          if (await this.say('CONTENT', mail)) this.keep(mail, rcpts, 'DATA', content);
          break;
        }
        case 'BDAT': {
          const [, size = '0', last] = line.split(' ');
          chunks.push(await this.take(Number(size)));
          if (last === undefined) await this.say('OTHER', line);
          else if (await this.say('CONTENT', mail)) this.keep(mail, rcpts, 'BDAT', Buffer.concat(chunks));
          break;
        }
        case 'RSET':
          await this.say('RSET', line);
          break;
        case 'QUIT':
          this.socket.end('221 2.0.0 bye\r\n');
          return;
        default:
          await this.say('OTHER', line);
      }
    }
  }

  private keep(mail: string, rcpts: readonly string[], how: 'DATA' | 'BDAT', content: Buffer): void {
    this.sink.messages.push({ mail, rcpts, how, content, connection: this.number });
  }

  /** Sends a reply; whether it was a positive one. */
  private async say(moment: SinkMoment, line: string): Promise<boolean> {
    const { options } = this.sink;
    let reply = (await options.reply?.(moment, line)) ?? USUAL[moment];
    if (reply === '' && moment === 'EHLO') {
      const lines = ['sink.example', ...(options.capabilities ?? ALL_CAPABILITIES)];
      reply = lines.map((text, i) => `250${i < lines.length - 1 ? '-' : ' '}${text}`).join('\r\n');
    }
    if (reply === '') {
      this.socket.destroy();
      throw new Error('closed');
    }
    this.socket.write(`${reply}\r\n`);
    return reply[0] === '2' || reply[0] === '3';
  }

  private async readData(): Promise<Buffer> {
    if (this.pending.length < 3) await this.take(0, 3);
    if (this.pending.subarray(0, 3).toString('latin1') === '.\r\n') return (await this.take(3)).subarray(0, 0);
    const raw = Buffer.concat([await this.until('\r\n.\r\n'), Buffer.from('\r\n')]);
    return Buffer.from(raw.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
  }

  /** Bytes up to a delimiter, which is taken too. */
  private async until(delimiter: string): Promise<Buffer> {
    for (;;) {
      const at = this.pending.indexOf(delimiter, 0, 'latin1');
      if (at >= 0) {
        const found = this.pending.subarray(0, at);
        this.pending = this.pending.subarray(at + delimiter.length);
        return found;
      }
      await this.more();
    }
  }

  private async take(count: number, need = count): Promise<Buffer> {
    while (this.pending.length < need) await this.more();
    const taken = this.pending.subarray(0, count);
    this.pending = this.pending.subarray(count);
    return taken;
  }

  private async more(): Promise<void> {
    if (this.ended) throw new Error('ended');
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
  }
}

/** Starts a sink that listens. */
export async function startSink(options: SinkOptions = {}): Promise<SmtpSink> {
  const sink = new SmtpSink(options);
  await sink.listen();
  return sink;
}
