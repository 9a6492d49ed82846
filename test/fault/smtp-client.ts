/**
 * A small SMTP client for load and for mischief: it sends what it is told and reads replies, in the clear or under TLS.
 *
 * Contract: every wait has an end. A lost connection or a reply that does not come rejects, with ConnectionLost or NoReply.
 */
import net from 'node:net';
import tls from 'node:tls';

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

/** How a client is secured and who it says it is. The server's certificate is not verified. */
export interface ClientSecurity {
  readonly tls: 'starttls' | 'implicit';
  /** For AUTH PLAIN. */
  readonly account?: { readonly user: string; readonly password: string };
}

/** How long a connection, and how long a handshake, may take, ms. */
const CONNECT_PATIENCE = 10_000;
const HANDSHAKE_PATIENCE = 30_000;
/** How long a reply may take, ms: longer than the engine takes to give a hung worker's message a second try. */
const REPLY_PATIENCE = 75_000;

export class SmtpClient {
  private socket: net.Socket;
  private readonly replies: ClientReply[] = [];
  private readonly waiting: { resolve: (reply: ClientReply) => void; reject: (error: Error) => void }[] = [];
  private tail = '';
  private lost = '';
  private last = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.listen();
  }

  /** Connects; the greeting is the first reply. */
  static connect(port: number): Promise<SmtpClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1' });
      const failed = (error: Error): void => {
        socket.destroy();
        reject(new ConnectionLost(error.message));
      };
      socket.setTimeout(CONNECT_PATIENCE, () => failed(new Error('no connection within 10 s')));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.off('error', failed);
        resolve(new SmtpClient(socket));
      });
    });
  }

  /** Connects, says EHLO, and does what `security` asks for. @throws ConnectionLost also when it is refused. */
  static async open(port: number, helo = 'client.example', security?: ClientSecurity): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port);
    const expect = async (code: number, reply: Promise<ClientReply>): Promise<void> => {
      const { code: found, text } = await reply;
      if (found !== code) throw new ConnectionLost(text);
    };
    try {
      if (security?.tls === 'implicit') await client.secure();
      await expect(220, client.reply());
      await expect(250, client.command(`EHLO ${helo}`));
      if (security?.tls === 'starttls') {
        await expect(220, client.command('STARTTLS'));
        await client.secure();
        await expect(250, client.command(`EHLO ${helo}`));
      }
      if (security?.account !== undefined) {
        const { user, password } = security.account;
        const response = Buffer.from(`\0${user}\0${password}`).toString('base64');
        await expect(235, client.command(`AUTH PLAIN ${response}`));
      }
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** TLS from here on. @throws ConnectionLost, or NoReply when the handshake does not end. */
  secure(): Promise<void> {
    const plain = this.socket;
    plain.removeAllListeners();
    plain.on('error', (error) => this.fail(error.message));
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false });
    this.socket = secured;
    // What came in the clear behind the reply to STARTTLS counts for nothing (CVE-2011-0411).
    this.tail = '';
    this.replies.length = 0;
    this.last = 'a TLS handshake';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new NoReply(`no end of a TLS handshake within ${HANDSHAKE_PATIENCE} ms`));
        this.close();
      }, HANDSHAKE_PATIENCE);
      const failed = (): void => reject(new ConnectionLost(this.lost));
      this.listen();
      secured.once('close', failed);
      secured.once('close', () => clearTimeout(timer));
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.off('close', failed);
        resolve();
      });
    });
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

  private listen(): void {
    this.socket.on('data', (chunk: Buffer) => this.take(chunk.toString('latin1')));
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => this.fail('closed'));
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
