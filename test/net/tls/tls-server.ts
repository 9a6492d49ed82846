/**
 * A server that secures every connection with what it is given, as a listener or a session thread does, and echoes.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { SecureContexts } from '../../../src/net/tls/secure-contexts.js';
import type { TlsMaterial } from '../../../src/net/tls/tls-material.js';
import type { TlsFacts } from '../../../src/smtp/server-host.js';

export class TlsServer {
  contexts: SecureContexts;
  /** Of every session that was secured, in order. */
  readonly facts: TlsFacts[] = [];
  readonly sockets: tls.TLSSocket[] = [];
  /** Codes of errors of connections. */
  readonly errors: string[] = [];
  private readonly server = net.createServer((socket) => this.secure(socket));

  constructor(material: TlsMaterial) {
    this.contexts = new SecureContexts(material);
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private secure(raw: net.Socket): void {
    const { contexts } = this;
    raw.on('error', () => {});
    const socket = new tls.TLSSocket(raw, contexts.options());
    this.sockets.push(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => this.errors.push(error.code ?? error.message));
    // Not `on`: it comes again when the client asks for a renegotiation, which is refused.
    socket.once('secure', () => {
      this.facts.push(contexts.factsOf(socket));
      socket.on('data', (chunk) => socket.write(chunk));
    });
  }
}

/** What a client saw of a session. */
export interface Seen {
  readonly socket: tls.TLSSocket;
  readonly subject: string;
  readonly reused: boolean;
  /** A ticket to resume the session with. */
  readonly session: Buffer;
}

/** Connects, has one line echoed (so that TLS 1.3 tickets have come), and leaves the socket open. Rejects when TLS fails. */
export async function connect(port: number, options: tls.ConnectionOptions = {}): Promise<Seen> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  let session = options.session ?? Buffer.alloc(0);
  socket.on('session', (ticket: Buffer) => {
    session = ticket;
  });
  await once(socket, 'secureConnect');
  await echo(socket, 'hello');
  const { CN } = (socket.getPeerCertificate().subject ?? {}) as { CN?: string };
  return { socket, subject: CN ?? '', reused: socket.isSessionReused(), session };
}

/** Sends a text and waits until it has come back. */
export async function echo(socket: tls.TLSSocket, text: string): Promise<void> {
  let back = '';
  const done = new Promise<void>((resolve, reject) => {
    socket.on('data', function take(chunk: Buffer) {
      back += chunk.toString();
      if (back !== text) return;
      socket.removeListener('data', take);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  socket.write(text);
  await done;
}
