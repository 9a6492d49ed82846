/**
 * TLS in front of a server of this process that speaks none and listens on a Unix socket: certificates can be changed
 * while it runs, and a client certificate can be demanded.
 *
 * Contract: a connection has its handshake as the material of that moment says; later ones use the newest, those under
 * way go on. The server behind is told the client by a header of the PROXY protocol, version 2. With `demand` a client
 * whose certificate is missing or is not of the authorities gets `refusal` for its first bytes and is closed; nothing of
 * it reaches the server behind.
 * Limits: `maxConnections` at once, further ones are closed; a handshake, and what is written last, take 10 s at most.
 */
import net from 'node:net';
import type tls from 'node:tls';
import { proxyHeader } from '../egress/proxied-dial.js';
import { SecureContexts } from './secure-contexts.js';
import { beginServerTls } from './server-tls.js';
import type { TlsMaterial } from './tls-material.js';

export interface TlsFrontOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Path of the Unix socket behind. */
  readonly behind: string;
  readonly material: TlsMaterial;
  /** A client certificate that is verified; its authorities are in the material. */
  readonly demand: boolean;
  /** What a client without one is sent. */
  readonly refusal: string;
  readonly maxConnections: number;
  /** A client was refused for its certificate. */
  refused(client: string): void;
}

const PATIENCE = 10_000;
/** Longer heads are refused behind, bytes. */
const MAX_HEAD = 4096;

export class TlsFront {
  private readonly options: TlsFrontOptions;
  private readonly server: net.Server;
  private readonly open = new Set<net.Socket>();
  private contexts: SecureContexts;

  private constructor(options: TlsFrontOptions) {
    this.options = options;
    this.contexts = new SecureContexts(options.material);
    this.server = net.createServer((raw) => this.meet(raw));
    this.server.maxConnections = options.maxConnections;
  }

  /** @throws the system's error where it cannot listen. */
  static async open(options: TlsFrontOptions): Promise<TlsFront> {
    const front = new TlsFront(options);
    await new Promise<void>((resolve, reject) => {
      front.server.once('error', reject);
      front.server.listen(options.port, options.host, () => {
        front.server.removeListener('error', reject);
        // Running out of open files: clients are not taken for a while, nothing ends.
        front.server.on('error', () => undefined);
        resolve();
      });
    });
    return front;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** For connections from now on. */
  renew(material: TlsMaterial): void {
    this.contexts = new SecureContexts(material);
  }

  /** Stops listening and ends all connections. */
  close(): void {
    this.server.close();
    for (const socket of this.open) socket.destroy();
  }

  private meet(raw: net.Socket): void {
    const client = raw.remoteAddress;
    const own = raw.localAddress;
    this.open.add(raw);
    raw.on('close', () => this.open.delete(raw));
    raw.setNoDelay(true);
    const patience = setTimeout(() => raw.destroy(), PATIENCE);
    raw.on('close', () => clearTimeout(patience));
    const { contexts } = this;
    const how = {
      // HTTP/2 is not spoken behind (RFC 7301).
      options: () => ({ ...contexts.options(), ALPNProtocols: ['http/1.1'] }),
      factsOf: (secured: tls.TLSSocket) => contexts.factsOf(secured),
    };
    const socket = beginServerTls(raw, how, null, (_, facts) => {
      clearTimeout(patience);
      if (client === undefined || own === undefined) socket.destroy();
      else if (this.options.demand && facts.clientCertificate === null) this.refuse(socket, client);
      else this.pass(socket, proxyHeader(client, { host: own, port: this.port }));
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => raw.destroy());
  }

  /** After the first bytes: a client that has sent no request takes no answer. */
  private refuse(socket: tls.TLSSocket, client: string): void {
    this.options.refused(client);
    const patience = setTimeout(() => socket.destroy(), PATIENCE);
    socket.on('close', () => clearTimeout(patience));
    socket.once('data', () => socket.end(this.options.refusal));
  }

  /**
   * uWebSockets.js misreads a request whose head breaks off within some 25 bytes of the PROXY header ("505"): the first
   * head is gathered, and goes out in one piece.
   */
  private pass(socket: tls.TLSSocket, head: Buffer): void {
    const patience = setTimeout(() => socket.destroy(), PATIENCE);
    socket.on('close', () => clearTimeout(patience));
    let first: Buffer = head;
    const gather = (chunk: Buffer): void => {
      first = Buffer.concat([first, chunk]);
      if (first.length < MAX_HEAD && first.indexOf('\r\n\r\n', head.length) < 0) return;
      clearTimeout(patience);
      socket.removeListener('data', gather);
      this.join(socket, first);
    };
    socket.on('data', gather);
  }

  private join(socket: tls.TLSSocket, first: Buffer): void {
    const inner = net.connect({ path: this.options.behind });
    inner.on('error', () => socket.destroy());
    inner.write(first);
    socket.pipe(inner);
    inner.pipe(socket);
    socket.on('close', () => inner.destroy());
    inner.on('close', () => {
      const patience = setTimeout(() => socket.destroy(), PATIENCE);
      socket.on('close', () => clearTimeout(patience));
    });
  }
}
