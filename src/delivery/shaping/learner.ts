/**
 * What is learnt of a site as one source sees it: how many connections it takes, and how many messages a second.
 *
 * Additive increase, multiplicative decrease (Chiu and Jain 1989; TCP's congestion avoidance, RFC 5681): a sign of too much
 * takes a third off, every ten seconds without one give a thirtieth of what was had before back, until all of it is there
 * again and the limit is forgotten. Signs are replies that ask for less, and latency: where even the fastest transactions
 * of a second take several times the least time ever seen, they wait in line at the site (the base round trip of TCP
 * Vegas, Brakmo and Peterson 1994).
 * Nothing is limited before the first sign. Signs within five seconds are one: they are about what was under way
 * together. Never below one connection and one message a minute. No timers: what time gives back is reckoned when asked.
 */
import type { Wait } from '../../queue/wait.js';
import { Meter } from './meter.js';
import { connectionsInWords } from './rule.js';

const DECREASE = 0.7;
/** Latency says less surely that there is too much than a reply does. */
const GENTLE_DECREASE = 0.9;
/** Between two increases, ms. */
const STEP_TIME = 10_000;
/** Part of what was had before that an increase gives back. */
const STEP_PART = 1 / 30;
/** Signs within this are one, ms. */
const ONE_SIGN = 5000;
/** Least rate, messages a ms. */
const LEAST_RATE = 1 / 60_000;
/** What a site that has taken nothing yet is reckoned to take, messages a ms. */
const UNKNOWN_RATE = 1 / 1000;
/** How far behind its pace the flow may catch up, ms. */
const SLACK = 100;
/** Transactions that a look at latency needs, and the time between two looks, ms. */
const ROUND = 8;
const ROUND_TIME = 1000;
/** The least latency is that of the last one to two of these, ms: a route may have become longer for good. */
const BASE_TIME = 600_000;
/** Latency is a sign from this many times the least, and this much more, ms. */
const LONG = 3;
const LONG_MORE = 250;

/** A limit that was learnt, or was taken back. */
export interface Lesson {
  readonly what: 'connections' | 'rate';
  /** Connections, or messages a second; Infinity: no longer limited. */
  readonly limit: number;
  readonly reason: string;
}

/** One quantity under AIMD. */
class Limit {
  reason = '';
  private readonly least: number;
  private base = Number.POSITIVE_INFINITY;
  private ceiling = Number.POSITIVE_INFINITY;
  private since = 0;
  private signAt = Number.NEGATIVE_INFINITY;

  constructor(least: number) {
    this.least = least;
  }

  get isSet(): boolean {
    return this.base !== Number.POSITIVE_INFINITY;
  }

  /** Now; Infinity when nothing limits. Forgets a limit that has grown to what was had before. */
  value(now: number): number {
    if (!this.isSet) return this.base;
    const steps = Math.max(0, Math.floor((now - this.since) / STEP_TIME));
    const value = this.base + steps * this.step;
    if (value >= this.ceiling && steps > 0) {
      this.base = Number.POSITIVE_INFINITY;
      this.ceiling = Number.POSITIVE_INFINITY;
    }
    return this.isSet ? value : this.base;
  }

  /** A sign of too much while `had` was used. True: less from now on; grows again after `hold` ms. */
  decrease(had: number, factor: number, reason: string, now: number, hold: number): boolean {
    const value = this.value(now);
    this.since = Math.max(this.since, now + hold);
    if (now - this.signAt < ONE_SIGN) return false;
    this.signAt = now;
    // Not below half of what there was: how much was had of late may be little for other reasons.
    if (this.isSet) this.base = Math.max(this.least, value / 2, Math.min(value, had) * factor);
    else {
      this.ceiling = Math.max(had, this.least);
      this.base = Math.max(this.least, had * factor);
    }
    this.since = now + hold;
    this.reason = reason;
    return true;
  }

  private get step(): number {
    return Math.max(this.ceiling * STEP_PART, this.least);
  }
}

export class Learner {
  private readonly connections = new Limit(1);
  private readonly rate = new Limit(LEAST_RATE);
  private readonly accepted = new Meter();
  private readonly onLesson: (lesson: Lesson) => void;
  private readonly heedsLatency: boolean;
  /** When the next message may go, at the learnt rate. */
  private nextAt = 0;
  private roundBest = Number.POSITIVE_INFINITY;
  private roundCount = 0;
  private roundAt = 0;
  private best = Number.POSITIVE_INFINITY;
  private formerBest = Number.POSITIVE_INFINITY;
  private bestAt = Number.NEGATIVE_INFINITY;
  private wait: Wait | null = null;

  constructor(heedsLatency: boolean, onLesson: (lesson: Lesson) => void) {
    this.heedsLatency = heedsLatency;
    this.onLesson = onLesson;
  }

  /** Something is learnt that must not be forgotten. */
  get isSet(): boolean {
    return this.connections.isSet || this.rate.isSet;
  }

  /** Most connections now, 1 or more; Infinity: nothing is learnt. */
  connectionLimit(now: number): number {
    if (!this.connections.isSet) return Number.POSITIVE_INFINITY;
    const limit = this.connections.value(now);
    if (limit === Number.POSITIVE_INFINITY) this.onLesson({ what: 'connections', limit, reason: 'no more complaints' });
    return Math.floor(limit);
  }

  /** Why no connection may be begun while `open` are, null when one may. */
  blocksConnection(name: string, open: number, now: number): Wait | null {
    const limit = this.connectionLimit(now);
    if (open < limit) return null;
    const reason = `${name}: ${connectionsInWords(limit)}, as learnt (${this.connections.reason})`;
    return { kind: 'throttled', reason, until: now + STEP_TIME };
  }

  /** Messages a ms; Infinity: nothing is learnt. */
  messageRate(now: number): number {
    if (!this.rate.isSet) return Number.POSITIVE_INFINITY;
    const limit = this.rate.value(now);
    if (limit === Number.POSITIVE_INFINITY) this.onLesson({ what: 'rate', limit, reason: 'no more complaints' });
    return limit;
  }

  /** Why no message may go now, null when one may. Books nothing. */
  blocks(name: string, now: number): Wait | null {
    if (this.messageRate(now) === Number.POSITIVE_INFINITY || now >= this.nextAt) return null;
    if (this.wait === null || this.wait.until !== this.nextAt) {
      const reason = `${name}: ${perSecond(this.messageRate(now))}, as learnt (${this.rate.reason})`;
      this.wait = { kind: 'throttled', reason, until: this.nextAt };
    }
    return this.wait;
  }

  /** A message goes; -1: it did not after all. */
  book(now: number, count: 1 | -1): void {
    const rate = this.messageRate(now);
    if (rate !== Number.POSITIVE_INFINITY) this.nextAt = Math.max(this.nextAt, now - SLACK) + count / rate;
  }

  /** A transaction was taken `ms` after it began, while `open` connections were. */
  succeeded(ms: number, open: number, now: number): void {
    this.accepted.add(now);
    if (!this.heedsLatency) return;
    if (ms < this.roundBest) this.roundBest = ms;
    if (++this.roundCount < ROUND || now - this.roundAt < ROUND_TIME) return;
    this.lookAtLatency(open, now);
  }

  /** Too many connections at once, while `open` were. Grows again after `hold` ms. */
  crowded(open: number, reason: string, now: number, hold: number): void {
    if (this.connections.decrease(open, DECREASE, reason, now, hold)) this.teachConnections(now);
  }

  /** Too many messages in a time. */
  throttled(reason: string, now: number, hold: number): void {
    // What the site took is what it takes; where it took nothing there is nothing to go by but our own pace.
    const taken = this.accepted.rate(now);
    const had = taken > 0 ? taken : this.rate.isSet ? this.messageRate(now) : UNKNOWN_RATE;
    if (!this.rate.decrease(had, DECREASE, reason, now, hold)) return;
    this.nextAt = now;
    this.onLesson({ what: 'rate', limit: this.messageRate(now) * 1000, reason });
  }

  /** What is learnt, for listings; null: nothing. */
  describe(now: number): Record<string, unknown> | null {
    const limit = this.connectionLimit(now);
    const rate = this.messageRate(now);
    if (!this.isSet) return null;
    return {
      ...(Number.isFinite(limit) ? { connections: limit, why: this.connections.reason } : {}),
      ...(Number.isFinite(rate) ? { messagesPerSecond: round(rate * 1000), whyRate: this.rate.reason } : {}),
    };
  }

  private lookAtLatency(open: number, now: number): void {
    const least = Math.min(this.best, this.formerBest);
    const found = this.roundBest;
    this.roundBest = Number.POSITIVE_INFINITY;
    this.roundCount = 0;
    this.roundAt = now;
    if (now - this.bestAt >= BASE_TIME) {
      this.formerBest = this.best;
      this.best = found;
      this.bestAt = now;
    } else if (found < this.best) this.best = found;
    if (found <= least * LONG + LONG_MORE || open <= 1) return;
    const reason = `transactions take ${Math.round(found)} ms, ${Math.round(least)} ms at their best`;
    if (this.connections.decrease(open, GENTLE_DECREASE, reason, now, 0)) this.teachConnections(now);
  }

  private teachConnections(now: number): void {
    this.onLesson({ what: 'connections', limit: this.connectionLimit(now), reason: this.connections.reason });
  }
}

function perSecond(rate: number): string {
  const a = rate * 1000;
  return a >= 0.1 ? `${round(a)} messages a second` : `${round(a * 60)} messages a minute`;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
