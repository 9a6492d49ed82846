/**
 * A simulated next hop: so many servers with one queue before them, latencies that scatter, and a temper that may change
 * with time: slower, losing connections, deferring, refusing, or deferring what is more than so many a minute.
 */
import { exponential, logNormal, type Random } from './random.js';

/** How a host is at a time; what is not given is as usual. */
export interface Temper {
  /** Factor of its latency. */
  readonly slower?: number;
  /** Shares of transactions that are deferred after a while, and whose connection is lost. */
  readonly defers?: number;
  readonly loses?: number;
  /** Connections are refused and those that stand are lost. */
  readonly down?: boolean;
}

export interface NextHopModel {
  /** Median time of a transaction on an idle server, ms. */
  readonly latency: number;
  /** Scatter of it, see `logNormal`. */
  readonly sigma: number;
  /** Transactions it works on at the same time; more wait in its queue. */
  readonly servers: number;
  /** Most connections that we make. */
  readonly limit: number;
  readonly weight?: number;
  /** It defers at once what is more than this in a minute of its clock. */
  readonly perMinute?: number;
  temper?(now: number): Temper;
}

export type Reply = 'delivered' | 'deferred' | 'lost';

const MINUTE = 60_000;
/** Time in which a host that has enough says so, ms. */
const QUICK_REPLY = 20;
/** Time until a refusal to connect, ms, and a connection with greeting and EHLO in medians of a quick reply. */
const REFUSAL = 5;
const HANDSHAKES = 3;

export class NextHop {
  readonly model: NextHopModel;
  private readonly random: Random;
  /** When each server is free. */
  private readonly free: Float64Array;
  private minute = -1;
  private taken = 0;

  constructor(model: NextHopModel, random: Random) {
    this.model = model;
    this.random = random;
    this.free = new Float64Array(model.servers);
  }

  isDown(now: number): boolean {
    return this.model.temper?.(now).down === true;
  }

  /** How long a connection takes, ms, and whether it comes to stand. */
  connect(now: number): { readonly ms: number; readonly usable: boolean } {
    if (this.isDown(now)) return { ms: REFUSAL, usable: false };
    return { ms: HANDSHAKES * logNormal(this.random, QUICK_REPLY, 0.3), usable: true };
  }

  /** A transaction begins: how long it takes, ms, and how it ends. */
  transact(now: number): { readonly ms: number; readonly reply: Reply } {
    const { latency, sigma, perMinute } = this.model;
    const temper = this.model.temper?.(now) ?? {};
    if (temper.down === true) return { ms: REFUSAL, reply: 'lost' };
    if (perMinute !== undefined) {
      const minute = Math.floor(now / MINUTE);
      if (minute !== this.minute) this.taken = 0;
      this.minute = minute;
      if (this.taken >= perMinute) return { ms: logNormal(this.random, QUICK_REPLY, 0.3), reply: 'deferred' };
      this.taken++;
    }
    const fate = this.random();
    let server = 0;
    for (let i = 1; i < this.free.length; i++) if (this.free[i]! < this.free[server]!) server = i;
    const begin = Math.max(now, this.free[server]!);
    const end = begin + logNormal(this.random, latency, sigma) * (temper.slower ?? 1);
    this.free[server] = end;
    const loses = temper.loses ?? 0;
    if (fate < loses) return { ms: end - now + exponential(this.random, latency), reply: 'lost' };
    return { ms: end - now, reply: fate < loses + (temper.defers ?? 0) ? 'deferred' : 'delivered' };
  }
}
