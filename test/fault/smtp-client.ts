/**
 * A small SMTP client for load and for mischief: it sends what it is told and reads replies, nothing more.
 *
 * Contract: every wait has an end. A lost connection or a reply that does not come rejects, with ConnectionLost or NoReply.
 */
import net from 'node:net';

export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The connection stayed open and no reply came. */
export class NoReply extends Error {
  override readonly name = 'NoReply';
}

export interface ClientReply {
  readonly code: number;
  /** The last line, with its code. */
  readonly text: string;
}

/** How long a reply may take, ms: longer than the engine takes to give a hung worker's message a second try. */
const REPLY_PATIENCE = 75_000;

export class SmtpClient {
  readonly socket: net.Socket;
  private readonly replies: ClientReply[] = [];
  private readonly waiting: { resolve: (reply: ClientReply) => void; reject: (error: Error) => void }[] = [];
  private tail = '';
  private lost = '';
  private last = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.take(chunk.toString('latin1')));
    socket.on('error', (error) => this.fail(error.message));
    socket.on('close', () => this.fail('closed'));
  }

  /** Connects; the greeting is the first reply. */
  static connect(port: number): Promise<SmtpClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1' });
      const failed = (error: Error): void => {
        socket.destroy();
        reject(new ConnectionLost(error.message));
      };
      socket.setTimeout(10_000, () => failed(new Error('no connection within 10 s')));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.off('error', failed);
        resolve(new SmtpClient(socket));
      });
    });
  }

  /** Connects and says EHLO. @throws ConnectionLost also when it is refused. */
  static async open(port: number, helo = 'client.example'): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port);
    try {
      const greeting = await client.reply();
      if (greeting.code !== 220) throw new ConnectionLost(greeting.text);
      const hello = await client.command(`EHLO ${helo}`);
      if (hello.code !== 250) throw new ConnectionLost(hello.text);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  get isOpen(): boolean {
    return this.lost === '';
  }

  command(line: string): Promise<ClientReply> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  write(bytes: string | Uint8Array): void {
    if (!this.isOpen) return;
    this.last = typeof bytes === 'string' ? bytes.slice(0, 60).trim() : `${bytes.length} bytes`;
    this.socket.write(bytes);
  }

  /** The next reply, in order. */
  reply(patience = REPLY_PATIENCE): Promise<ClientReply> {
    const ready = this.replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (!this.isOpen) return Promise.reject(new ConnectionLost(this.lost));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new NoReply(`no reply within ${patience} ms from port ${this.socket.localPort} to: ${this.last}`));
        this.close();
      }, patience);
      this.waiting.push({
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  close(): void {
    this.socket.destroy();
    this.fail('closed by this side');
  }

  private take(text: string): void {
    const lines = (this.tail + text).split('\r\n');
    this.tail = lines.pop()!;
    for (const line of lines) {
      if (line[3] === '-') continue;
      const reply = { code: Number(line.slice(0, 3)), text: line };
      const next = this.waiting.shift();
      if (next === undefined) this.replies.push(reply);
      else next.resolve(reply);
    }
  }

  private fail(why: string): void {
    if (this.lost === '') this.lost = why;
    for (const { reject } of this.waiting.splice(0)) reject(new ConnectionLost(why));
  }
}

/** Below the ports that systems give to outgoing connections: one of those could take it while nobody listens. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** A port that is free now, and that no outgoing connection will take. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await canListen(port)) return port;
    if (attempt >= 50) throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT}`);
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
