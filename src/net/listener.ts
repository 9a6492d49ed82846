/**
 * A listening socket and the limits on who may connect: connections in all and per client address. Beyond them a client
 * gets 421 and is closed. One count serves all listeners of the engine.
 */
import net from 'node:net';
import { SluiceError } from '../core/errors.js';
import { replies } from '../smtp/replies.js';
import { plainAddress } from './address-set.js';
import { type Accepted, acceptFrom } from './adopt-socket.js';

export interface ConnectionLimits {
  /** Connections in all. Asked anew for each connection, as what there is room for may change. */
  readonly total: number;
  /** Connections of one client address; 0: no limit of its own. */
  readonly perClient: number;
}

/** Counts the connections of all listeners. */
export class ConnectionCount {
  total = 0;
  /** Clients that were refused and may still read why. */
  refused = 0;
  private readonly byClient = new Map<string, number>();
  private readonly limits: ConnectionLimits;

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
  }

  /** Counts a connection in; false, and nothing counted, when it is one too many. */
  enter(address: string): boolean {
    const mine = this.byClient.get(address) ?? 0;
    if (this.total >= this.limits.total || (this.limits.perClient > 0 && mine >= this.limits.perClient)) return false;
    this.total++;
    this.byClient.set(address, mine + 1);
    return true;
  }

  /** A refused client may be given time to read why; they take descriptors too, so only few at once are. */
  get mayLinger(): boolean {
    return this.refused < Math.min(MAX_REFUSED, this.limits.total / 8);
  }

  leave(address: string): void {
    this.total--;
    const mine = (this.byClient.get(address) ?? 1) - 1;
    if (mine <= 0) this.byClient.delete(address);
    else this.byClient.set(address, mine);
  }
}

/** Refused clients that are given time at once. */
const MAX_REFUSED = 256;
/** How long a refused client may take to read why, ms. */
const LINGER = 5000;
/** Connections waiting to be accepted; the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 4096;

export class Listener {
  private readonly server: net.Server;

  private constructor(server: net.Server) {
    this.server = server;
  }

  /**
   * Listens and resolves once bound. `accept` gets connections that are counted in, with the client's address; whoever has them counts them out.
   * @throws SluiceError `cannot-listen`, naming the address and what to do.
   */
  static async open(
    address: { readonly host: string; readonly port: number },
    count: ConnectionCount,
    accept: (connection: Accepted, address: string) => void,
  ): Promise<Listener> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const at = `${address.host}:${address.port}`;
        const why = WORDS[error.code ?? ''] ?? error.message;
        reject(new SluiceError('cannot-listen', `cannot listen on ${at}: ${why}`, { temporary: false, cause: error }));
      });
      server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, resolve);
    });
    server.removeAllListeners('error');
    // Running out of descriptors while accepting: the kernel keeps the client waiting, the others go on.
    server.on('error', () => {});
    acceptFrom(server, (connection) => {
      const client = plainAddress(connection.address);
      if (client === '') connection.open(() => true).destroy();
      else if (count.enter(client)) accept(connection, client);
      else
        refuse(
          connection.open(() => true),
          count,
        );
    });
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

  /** Accepts no more; connections made go on. */
  close(): void {
    this.server.close();
  }
}

function refuse(socket: net.Socket, count: ConnectionCount): void {
  socket.on('error', () => {});
  if (!count.mayLinger) {
    socket.end(replies.tooManyConnections.bytes, () => socket.destroy());
    return;
  }
  count.refused++;
  socket.end(replies.tooManyConnections.bytes);
  socket.resume();
  // Half-open is allowed, so a client that never closes would keep its descriptor, and it is not counted.
  const timer = setTimeout(() => socket.destroy(), LINGER).unref();
  socket.on('close', () => {
    clearTimeout(timer);
    count.refused--;
  });
}

const WORDS: Record<string, string> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port in SLUICE_LISTEN',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this host has no such address',
};
