/**
 * A small SMTP client for tests: what it sends is what the test says, byte by byte; replies are read whole.
 *
 * Limits: one connection, no TLS, waits for each reply `timeout` ms at most.
 */
import { connect, type Socket } from 'node:net';

export interface ClientReply {
  /** 0 when the server closed the connection instead. */
  readonly code: number;
  /** The lines without code and separator. */
  readonly lines: readonly string[];
  /** All of it as received. */
  readonly text: string;
}

const CLOSED: ClientReply = { code: 0, lines: [], text: '<closed>' };
const CRLF = Buffer.from('\r\n');

export class SmtpTestClient {
  /** What EHLO offered, by keyword in upper case. */
  capabilities = new Map<string, string>();
  private readonly socket: Socket;
  private readonly timeout: number;
  private pending = Buffer.alloc(0);
  private closed = false;
  private wake: () => void = () => {};

  private constructor(socket: Socket, timeout: number) {
    this.socket = socket;
    this.timeout = timeout;
    socket.on('data', (chunk) => {
      this.pending = Buffer.concat([this.pending, chunk]);
      this.wake();
    });
    const end = (): void => {
      this.closed = true;
      this.wake();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  /** Connects and reads the greeting. `opening`: said before it (a PROXY header). */
  static async connect(port: number, host = '127.0.0.1', timeout = 10_000, opening = ''): Promise<SmtpTestClient> {
    const socket = connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const client = new SmtpTestClient(socket, timeout);
    if (opening !== '') client.write(opening);
    const greeting = await client.reply();
    if (greeting.code !== 220) throw new Error(`greeting is ${greeting.text}`);
    return client;
  }

  /** Connects and says EHLO. */
  static async open(port: number, host?: string): Promise<SmtpTestClient> {
    const client = await SmtpTestClient.connect(port, host);
    const reply = await client.command('EHLO client.example');
    for (const line of reply.lines.slice(1)) {
      const [keyword = '', ...rest] = line.split(' ');
      client.capabilities.set(keyword.toUpperCase(), rest.join(' '));
    }
    return client;
  }

  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes);
  }

  /** The next reply, or one with code 0 when the connection was closed. */
  async reply(): Promise<ClientReply> {
    const end = Date.now() + this.timeout;
    for (;;) {
      const reply = this.takeReply();
      if (reply !== undefined) return reply;
      if (this.closed) return CLOSED;
      if (Date.now() >= end) throw new Error(`no reply within ${this.timeout} ms; so far ${this.pending.toString()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - Date.now());
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  command(line: string): Promise<ClientReply> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** A command that must be answered with `code`. */
  async expect(line: string, code: number): Promise<ClientReply> {
    const reply = await this.command(line);
    if (reply.code !== code) throw new Error(`${line}: wanted ${code}, got ${reply.text}`);
    return reply;
  }

  /**
   * A whole transaction with DATA; `content` has CRLF line ends and is dot-stuffed here. `from` and `to` may carry
   * parameters after the path: `<a@b.example> RET=HDRS`. Resolves to the reply to the message.
   */
  async send(from: string, to: readonly string[], content: string | Buffer): Promise<ClientReply> {
    await this.expect(`MAIL FROM:${from}`, 250);
    for (const path of to) await this.expect(`RCPT TO:${path}`, 250);
    await this.expect('DATA', 354);
    this.write(stuffed(Buffer.from(content)));
    return this.reply();
  }

  /** A whole transaction with one BDAT. */
  async sendChunk(from: string, to: readonly string[], content: Buffer): Promise<ClientReply> {
    await this.expect(`MAIL FROM:${from}`, 250);
    for (const path of to) await this.expect(`RCPT TO:${path}`, 250);
    this.write(Buffer.concat([Buffer.from(`BDAT ${content.length} LAST\r\n`), content]));
    return this.reply();
  }

  async quit(): Promise<void> {
    if (!this.closed) await this.command('QUIT');
    this.destroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private takeReply(): ClientReply | undefined {
    const lines: string[] = [];
    for (let start = 0; ; ) {
      const end = this.pending.indexOf(CRLF, start);
      if (end < 0) return undefined;
      const line = this.pending.toString('utf8', start, end);
      start = end + 2;
      lines.push(line.slice(4));
      if (line[3] === '-') continue;
      const text = this.pending.toString('utf8', 0, start);
      this.pending = this.pending.subarray(start);
      return { code: Number(line.slice(0, 3)), lines, text };
    }
  }
}

/** The wire form of DATA: leading dots doubled, the end of data behind it. */
export function stuffed(content: Buffer): Buffer {
  const text = content.toString('latin1').replace(/(^|\r\n)\./g, '$1..');
  const end = text === '' || text.endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n';
  return Buffer.from(text + end, 'latin1');
}
