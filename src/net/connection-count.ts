/**
 * The limits on who may be connected: in all, per client address and per listener, and how many come anew. One count
 * serves all listeners of the engine, and connections on every thread.
 * Limits: rates are kept for MAX_CLIENTS addresses; past that all are forgotten, so that a client may come up to twice as
 * often for once.
 */
import type net from 'node:net';
import { RateLimit } from '../core/token-bucket.js';
import { type Reply, replies } from '../smtp/replies.js';

export interface ConnectionLimits {
  /** Connections in all. Asked anew for each connection, as what there is room for may change. */
  readonly total: number;
  /** Connections of one client address; 0: no limit of its own. */
  readonly perClient: number;
  /** New connections of one client address in any second; 0: no limit. */
  readonly newPerClient?: number;
  /** Who is not held to `newPerClient`. */
  isExempt?(address: string): boolean;
  /** Of listeners that have limits, by name. */
  readonly listeners?: ReadonlyMap<string, ListenerConnectionLimits>;
}

/** 0: no limit. */
export interface ListenerConnectionLimits {
  /** At once. */
  readonly connections: number;
  /** New ones in any second. */
  readonly connectionsPerSecond: number;
}

const SECOND = 1000;
const MAX_CLIENTS = 50_000;

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
  private readonly rates = new Map<string, RateLimit>();
  private readonly byListener = new Map<
    string,
    { now: number; readonly most: number; readonly rate: RateLimit | null }
  >();

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
    for (const [name, { connections, connectionsPerSecond }] of limits.listeners ?? []) {
      const rate = connectionsPerSecond === 0 ? null : new RateLimit(connectionsPerSecond, SECOND);
      this.byListener.set(name, { now: 0, most: connections, rate });
    }
  }

  /**
   * Counts a connection in; a reply, and nothing counted, when it is one too many. `listener`: by which it came, '' while
   * the client is not known (a balancer). `now`: ms.
   */
  enter(address: string, listener: string, now: number): Reply | null {
    const { limits } = this;
    const mine = this.byClient.get(address) ?? 0;
    if (this.total >= limits.total || (limits.perClient > 0 && mine >= limits.perClient))
      return replies.tooManyConnections;
    const refusal = listener === '' ? null : this.admitNew(address, listener, now);
    if (refusal !== null) return refusal;
    this.total++;
    this.byClient.set(address, mine + 1);
    return null;
  }

  leave(address: string, listener: string): void {
    this.total--;
    const mine = (this.byClient.get(address) ?? 1) - 1;
    if (mine <= 0) this.byClient.delete(address);
    else this.byClient.set(address, mine);
    const listening = this.byListener.get(listener);
    if (listening !== undefined) listening.now--;
  }

  private admitNew(address: string, listener: string, now: number): Reply | null {
    const listening = this.byListener.get(listener);
    if (listening !== undefined && listening.most > 0 && listening.now >= listening.most)
      return replies.tooManyListenerConnections;
    const { newPerClient = 0, isExempt } = this.limits;
    const coming = newPerClient === 0 || isExempt?.(address) === true ? null : this.rateOf(address, newPerClient);
    if (coming !== null && coming.freeAt(1, now) > 0) return replies.tooManyNewConnections;
    if (listening?.rate != null && listening.rate.admit(1, now) > 0) return replies.tooManyNewListenerConnections;
    coming?.book(1, now);
    if (listening !== undefined) listening.now++;
    return null;
  }

  private rateOf(address: string, most: number): RateLimit {
    let rate = this.rates.get(address);
    if (rate === undefined) {
      if (this.rates.size >= MAX_CLIENTS) this.rates.clear();
      rate = new RateLimit(most, SECOND);
      this.rates.set(address, rate);
    }
    return rate;
  }

  /** A refused client may be given time to read why; they take descriptors too, so only few at once are. */
  private get mayLinger(): boolean {
    return this.refused < Math.min(MAX_REFUSED, this.limits.total / 8);
  }

  /** Tells a client that was not counted in, and closes. */
  refuse(socket: net.Socket, reply: Reply): void {
    socket.on('error', () => {});
    if (!this.mayLinger) {
      socket.end(reply.bytes, () => socket.destroy());
      return;
    }
    this.refused++;
    socket.end(reply.bytes);
    socket.resume();
    // Half-open is allowed, so a client that never closes would keep its descriptor, and it is not counted.
    const timer = setTimeout(() => socket.destroy(), LINGER).unref();
    socket.on('close', () => {
      clearTimeout(timer);
      this.refused--;
    });
  }
}
