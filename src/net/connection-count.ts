/**
 * The limits on who may be connected: in all and per client address. One count serves all listeners of the engine, and
 * connections on every thread.
 */
import type net from 'node:net';
import { replies } from '../smtp/replies.js';

export interface ConnectionLimits {
  /** Connections in all. Asked anew for each connection, as what there is room for may change. */
  readonly total: number;
  /** Connections of one client address; 0: no limit of its own. */
  readonly perClient: number;
}

/** Refused clients that are given time at once. */
const MAX_REFUSED = 256;
/** How long a refused client may take to read why, ms. */
const LINGER = 5000;

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

  leave(address: string): void {
    this.total--;
    const mine = (this.byClient.get(address) ?? 1) - 1;
    if (mine <= 0) this.byClient.delete(address);
    else this.byClient.set(address, mine);
  }

  /** A refused client may be given time to read why; they take descriptors too, so only few at once are. */
  private get mayLinger(): boolean {
    return this.refused < Math.min(MAX_REFUSED, this.limits.total / 8);
  }

  /** Tells a client that was not counted in, and closes. */
  refuse(socket: net.Socket): void {
    socket.on('error', () => {});
    if (!this.mayLinger) {
      socket.end(replies.tooManyConnections.bytes, () => socket.destroy());
      return;
    }
    this.refused++;
    socket.end(replies.tooManyConnections.bytes);
    socket.resume();
    // Half-open is allowed, so a client that never closes would keep its descriptor, and it is not counted.
    const timer = setTimeout(() => socket.destroy(), LINGER).unref();
    socket.on('close', () => {
      clearTimeout(timer);
      this.refused--;
    });
  }
}
