/**
 * A listening socket: one of ours, or one that the service manager opened. What it accepts is somebody else's.
 */
import net from 'node:net';
import { SluiceError } from '../core/errors.js';
import { type Accepted, acceptFrom, descriptorOfServer } from './adopt-socket.js';

/** Connections waiting to be accepted; the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 4096;

/** Where to listen: an address, or a descriptor that is listening already. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly descriptor: number };

export class Listener {
  private readonly server: net.Server;

  private constructor(server: net.Server) {
    this.server = server;
  }

  /**
   * Listens and resolves once bound.
   * @throws SluiceError `cannot-listen`, naming the address and what to do.
   */
  static async open(at: ListenAt, accept: (connection: Accepted) => void): Promise<Listener> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const where = 'descriptor' in at ? `inherited descriptor ${at.descriptor}` : `${at.host}:${at.port}`;
        const why = WORDS[error.code ?? ''] ?? error.message;
        reject(
          new SluiceError('cannot-listen', `cannot listen on ${where}: ${why}`, { temporary: false, cause: error }),
        );
      });
      if ('descriptor' in at) server.listen({ fd: at.descriptor }, resolve);
      else server.listen({ host: at.host, port: at.port, backlog: BACKLOG }, resolve);
    });
    server.removeAllListeners('error');
    // Running out of descriptors while accepting: the kernel keeps the client waiting, the others go on.
    server.on('error', () => {});
    acceptFrom(server, accept);
    return new Listener(server);
  }

  /** The bound address, e.g. `127.0.0.1:2525`. */
  get address(): string {
    const bound = this.server.address() as net.AddressInfo;
    return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  /** File descriptor, -1 when it is not known. */
  get descriptor(): number {
    return descriptorOfServer(this.server);
  }

  /** Accepts no more; connections made go on. */
  close(): void {
    this.server.close();
  }
}

const WORDS: Record<string, string> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port in SLUICE_LISTEN',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this host has no such address',
  EINVAL: 'it is no listening socket; see the unit of the service manager',
  ENOTSOCK: 'it is no socket; see the unit of the service manager',
};
