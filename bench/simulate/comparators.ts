/**
 * What ours is measured against: round robin, least connections, plain EWMA, and Postfix's concurrency rule.
 *
 * Each is the usual algorithm with the usual passive check (a host that cannot be reached rests), and weights as its
 * models have them.
 */
import { type Algorithm, type Chooser, FIRST_REST, LONGEST_REST, type Places, type Result } from './chooser.js';
import type { NextHopModel } from './next-hop.js';

abstract class Usual implements Chooser {
  readonly places: readonly Places[];
  protected readonly models: readonly NextHopModel[];
  private readonly restUntil: number[];
  private readonly failures: number[];
  private readonly failedAt: number[];

  constructor(models: readonly NextHopModel[]) {
    this.models = models;
    this.places = models.map(() => ({ slots: { connections: 0 }, idle: [] }));
    this.restUntil = models.map(() => 0);
    this.failures = models.map(() => 0);
    this.failedAt = models.map(() => Number.NEGATIVE_INFINITY);
  }

  abstract pick(now: number, mayDial: boolean): number;

  began(host: number, now: number): void {
    void host;
    void now;
  }

  ended(host: number, result: Result, ms: number, now: number): void {
    void host;
    void result;
    void ms;
    void now;
  }

  mayTake(host: number, now: number): boolean {
    void host;
    void now;
    return true;
  }

  connected(host: number, ms: number, now: number): void {
    void ms;
    void now;
    this.failures[host] = 0;
    this.restUntil[host] = 0;
  }

  refused(host: number, begunAt: number, now: number): void {
    if (begunAt >= this.failedAt[host]!) this.failures[host]!++;
    this.failedAt[host] = now;
    this.restUntil[host] = now + Math.min(LONGEST_REST, FIRST_REST * 2 ** (this.failures[host]! - 1));
  }

  askAgain(now: number): number {
    return Math.min(...this.restUntil.map((until) => (until > now ? until : Number.POSITIVE_INFINITY)));
  }

  protected isAvailable(host: number, now: number, mayDial: boolean): boolean {
    const { idle, slots } = this.places[host]!;
    return idle.length > 0 || (mayDial && this.restUntil[host]! <= now && slots.connections < this.models[host]!.limit);
  }

  protected busy(host: number): number {
    const { idle, slots } = this.places[host]!;
    return slots.connections - idle.length;
  }

  /** The available host for which a figure is least, those that are equal in turn; -1 for none. */
  protected least(now: number, mayDial: boolean, figure: (host: number) => number): number {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < this.places.length; k++) {
      const i = (this.turn + k) % this.places.length;
      if (!this.isAvailable(i, now, mayDial)) continue;
      const value = figure(i) / (this.models[i]!.weight ?? 1);
      if (value >= least) continue;
      least = value;
      best = i;
    }
    if (best >= 0) this.turn = best + 1;
    return best;
  }

  private turn = 0;
}

/** Smooth weighted round robin, as nginx has it and the engine had. */
class RoundRobin extends Usual {
  private readonly credit = this.places.map(() => 0);

  pick(now: number, mayDial: boolean): number {
    let best = -1;
    let total = 0;
    for (let i = 0; i < this.places.length; i++) {
      if (!this.isAvailable(i, now, mayDial)) continue;
      const weight = this.models[i]!.weight ?? 1;
      this.credit[i]! += weight;
      total += weight;
      if (best < 0 || this.credit[i]! > this.credit[best]!) best = i;
    }
    if (best >= 0) this.credit[best]! -= total;
    return best;
  }
}

/** Fewest messages under way by weight (nginx `least_conn`, HAProxy `leastconn`). */
class LeastConnections extends Usual {
  pick(now: number, mayDial: boolean): number {
    return this.least(now, mayDial, (i) => this.busy(i) + 1);
  }
}

/** Mean time of replies, good and bad, of the last 10 s, times those under way (nginx `least_time`). */
class PlainEwma extends Usual {
  private readonly mean = this.places.map(() => 0);
  private readonly at = this.places.map(() => 0);

  pick(now: number, mayDial: boolean): number {
    return this.least(now, mayDial, (i) => Math.max(1, this.mean[i]!) * (this.busy(i) + 1));
  }

  override ended(host: number, result: Result, ms: number, now: number): void {
    void result;
    const weight = this.at[host] === 0 ? 1 : Math.max(0.002, 1 - Math.exp((this.at[host]! - now) / 10_000));
    this.mean[host]! += (ms - this.mean[host]!) * weight;
    this.at[host] = now;
  }
}

/**
 * Postfix, SCHEDULER_README "Concurrency scheduling" and qmgr_queue.c: each host is a destination with a window that
 * begins with 5, grows to at most 20 by 1/window a delivery that reached it and shrinks by 1/window a connection or
 * handshake that failed; when a cohort (1/window each, summed since the last success) has failed, it is given nothing for
 * minimal_backoff_time (300 s). Mail that is deferred by a reply has reached the host. Hosts of a site in random order.
 */
class PostfixConcurrency extends Usual {
  private readonly window = this.places.map(() => INITIAL);
  private readonly up = this.places.map(() => 0);
  private readonly down = this.places.map(() => 0);
  private readonly cohorts = this.places.map(() => 0);
  private readonly deadUntil = this.places.map(() => 0);
  private readonly random: () => number;

  constructor(models: readonly NextHopModel[], random: () => number) {
    super(models);
    this.random = random;
  }

  pick(now: number, mayDial: boolean): number {
    let chosen = -1;
    let weights = 0;
    for (let i = 0; i < this.places.length; i++) {
      if (!this.mayTake(i, now) || this.busy(i) >= Math.floor(this.window[i]!)) continue;
      if (!this.isAvailable(i, now, mayDial)) continue;
      const weight = this.models[i]!.weight ?? 1;
      weights += weight;
      if (this.random() * weights < weight) chosen = i;
    }
    return chosen;
  }

  override mayTake(host: number, now: number): boolean {
    return this.deadUntil[host]! <= now && this.busy(host) <= Math.floor(this.window[host]!);
  }

  override ended(host: number, result: Result, _ms: number, now: number): void {
    if (result === 'lost') this.throttle(host, now);
    else this.unthrottle(host);
  }

  override refused(host: number, begunAt: number, now: number): void {
    super.refused(host, begunAt, now);
    this.throttle(host, now);
  }

  override askAgain(now: number): number {
    const dead = this.deadUntil.map((until) => (until > now ? until : Number.POSITIVE_INFINITY));
    return Math.min(super.askAgain(now), ...dead);
  }

  private throttle(host: number, now: number): void {
    if (this.deadUntil[host]! > now) return;
    const window = this.window[host]!;
    this.cohorts[host]! += 1 / window;
    if (this.cohorts[host]! >= 1 - 1e-9) {
      this.deadUntil[host] = now + BACKOFF;
      this.window[host] = INITIAL;
      this.cohorts[host] = 0;
      return;
    }
    this.down[host]! += 1 / window;
    if (this.down[host]! < 1) return;
    this.down[host]! -= 1;
    this.up[host] = 0;
    this.window[host] = Math.max(1, window - 1);
  }

  private unthrottle(host: number): void {
    const window = this.window[host]!;
    this.cohorts[host] = 0;
    // Grows only as far as it is used, with a margin of the initial window.
    if (window >= Math.min(LIMIT, this.models[host]!.limit) || window >= this.busy(host) + INITIAL) return;
    this.up[host]! += 1 / window;
    if (this.up[host]! < 1) return;
    this.up[host]! -= 1;
    this.down[host] = 0;
    this.window[host] = window + 1;
  }
}

const INITIAL = 5;
const LIMIT = 20;
const BACKOFF = 300_000;

export const comparators: readonly Algorithm[] = [
  { name: 'round-robin', create: (models) => new RoundRobin(models) },
  { name: 'least-connections', create: (models) => new LeastConnections(models) },
  { name: 'ewma', create: (models) => new PlainEwma(models) },
  { name: 'postfix', create: (models, random) => new PostfixConcurrency(models, random) },
];
