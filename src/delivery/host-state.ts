/**
 * What a pool knows of one host of its site: its connections, whether it may be dialled or given mail now, and how well
 * it does against the others.
 *
 * Contract: the pool reports each transaction's begin and end and each connection's success or failure. What comes of it
 * is in `restUntil` (not dialled), `pausedUntil` (neither dialled nor given mail) and `connectionLimit`. Nothing here
 * allocates for a message; estimates that only matter among several hosts are kept where there are several.
 */
import { SlidingCount } from '../core/sliding-count.js';
import type { SessionFault } from '../smtp/client-host.js';
import { Breaker } from './health/breaker.js';
import type { ConnectTimes } from './health/connect-times.js';
import { describeHost, type HostFacts } from './health/describe-host.js';
import { FailureShare } from './health/failure-share.js';
import { Forecast } from './health/forecast.js';
import { PeakLatency } from './health/peak-latency.js';
import { RatePlan } from './health/rate-plan.js';
import { Reach } from './health/reach.js';
import { LastReplies } from './last-replies.js';
import type { SiteHost } from './site.js';
import { Slots } from './slots.js';
import type { Throttling } from './throttling.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** Pauses of a host that asks for fewer messages: the first, the longest, and that of a quota, ms. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
const QUOTA_PAUSE = 600_000;
const DAY = 86_400_000;
/** Failures in a row that put a host out: beside others, and alone (then only such as concern the host itself). */
const FAILURES_AMONG_OTHERS = 5;
const FAILURES_ALONE = 10;
/** Share of failures that does, of so many recent transactions, where the others have less than half of it. */
const FAILURE_SHARE = 0.3;
const FAILURE_SHARE_OF = 20;
/** How long a probe has at most before another is sent, ms. */
const PROBE_TIME = 60_000;
/** A host that comes back gets its full share after this time, ms, and this part of it at once. */
const SLOW_START = 30_000;
const SLOW_START_FROM = 0.1;

/**
 * How a transaction went, by its last reply. `deferred`: a recipient or the message was; `busy`: the host said that it
 * has too much (421, throttling); `lost`: the connection was before the reply; `untried`: says nothing of the host.
 */
export type TransactionResult = 'delivered' | 'deferred' | 'busy' | 'failed' | 'lost' | 'untried';

/** What a transaction changed: the host was put out, or is back and may be given what waits. */
export type HealthChange = 'none' | 'out' | 'back';

/** What put it out of use. */
export type PauseCause = 'breaker' | 'throttled' | 'rate' | 'quota';

/** A measurement as old as this is less to go by than the time of day, ms. */
const STALE = 300_000;
/** A trend that leads this far beyond what is measured counts. */
const SOON = 1.2;

/** Of a host that is not chosen among others. */
export const ALONE: readonly HostState<unknown>[] = [];

export class HostState<Connection = UpstreamConnection> {
  site: SiteHost;
  /** Its connections over all pools of its site. */
  readonly slots = new Slots();
  /** Pools that have it among their hosts. */
  users = 0;
  /** What it said last. */
  readonly replies = new LastReplies();
  /** Made, without a job; the one used last is taken first. */
  readonly idle: Connection[] = [];
  /** Why it rests or is paused. */
  lastFailure = '';
  /** Enhanced code for mail that has to wait for it. */
  lastEnhanced = '';
  /** Neither dialled nor given mail before this: it is out, asked for less, or has had its share, engine clock ms. */
  pausedUntil = Number.NEGATIVE_INFINITY;
  /** For smooth weighted round robin. */
  credit = 0;
  /** Expected completion as last compared, ms. */
  cost = 0;
  /** How often others were chosen since it was. */
  passedOver = 0;
  /** Those it is chosen among, itself included. */
  peers: readonly HostState<unknown>[] = ALONE;
  readonly latency = new PeakLatency();
  readonly failureShare = new FailureShare();
  /** Transactions under way, and when the last one began, engine clock ms. */
  outstanding = 0;
  usedAt = Number.NEGATIVE_INFINITY;
  readonly reach = new Reach();
  readonly breaker = new Breaker();
  /** What only matters among several: null where it is alone. */
  plan: RatePlan | null = null;
  forecast: Forecast | null = null;
  /** Kept where the nearest is chosen. */
  connectTimes: ConnectTimes | null = null;
  /** Messages of the last 24 hours, where there is a quota. In memory: it begins anew with the engine. */
  private lastDay: SlidingCount | null = null;
  /** What `pausedUntil` is for. */
  pauseCause: PauseCause = 'throttled';
  private throttledUntil = Number.NEGATIVE_INFINITY;
  /** Sum of the times at which those under way began, ms after `epoch`. */
  private begunSum = 0;
  private epoch = 0;
  /** When it came or came back, engine clock ms. */
  backAt: number;
  /** Nothing of it works since a connection failed. */
  private wentDown = false;
  private pauses = 0;
  /** Deferrals in a row. */
  private deferred = 0;

  /** `joinedAt`: when it came to a site that was in use, engine clock ms; it gets its share slowly from then on. */
  constructor(site: SiteHost, joinedAt = Number.NEGATIVE_INFINITY) {
    this.site = site;
    this.backAt = joinedAt;
  }

  /** Connections being made and made. */
  get connections(): number {
    return this.slots.connections;
  }

  /** A connection can be had at once or, where one more is allowed, dialled. */
  isAvailable(now: number, mayDial: boolean): boolean {
    if (this.pausedUntil > now) return false;
    return this.idle.length > 0 || (mayDial && this.mayBeDialled(now));
  }

  mayBeDialled(now: number): boolean {
    if (this.pausedUntil > now || this.reach.restUntil > now) return false;
    return this.slots.connections < this.connectionLimit(now);
  }

  /** Its kept connections may be given mail. */
  mayTake(now: number): boolean {
    return this.pausedUntil <= now;
  }

  /** Most connections now: one more while it is not known to answer, fewer than its limit in its slow start. */
  connectionLimit(now: number): number {
    const { limit } = this.site;
    if (this.reach.failures > 0) return Math.min(limit, this.idle.length + this.outstanding + 1);
    // Where no other can take the mail meanwhile, holding back helps nobody.
    if (now - this.backAt >= SLOW_START || !this.hasWellPeer(now)) return limit;
    return Math.ceil(limit * this.share(now));
  }

  /** Part of its weight that it has: 1, or less in its slow start. */
  share(now: number): number {
    const elapsed = now - this.backAt;
    return elapsed >= SLOW_START ? 1 : Math.max(SLOW_START_FROM, elapsed / SLOW_START);
  }

  /** The host with the address to dial now: after a failure the next of its addresses. */
  get target(): SiteHost {
    return this.reach.target(this.site);
  }

  /** Not to be dialled before this, engine clock ms. */
  get restUntil(): number {
    return this.reach.restUntil;
  }

  /** A transaction begins on one of its connections. */
  transactionBegan(now: number): void {
    if (this.outstanding === 0) {
      this.epoch = now;
      this.begunSum = 0;
    }
    this.outstanding++;
    this.usedAt = now;
    this.begunSum += now - this.epoch;
    this.passedOver = 0;
    if (this.breaker.state(now) === 'half-open') this.pauseFor('breaker', now + PROBE_TIME, 'waiting for a probe');
    const later = this.plan === null ? 0 : this.plan.began(now);
    if (later > 0) this.pauseFor('rate', later, `it defers above ${Math.round(this.plan!.limit)} messages a minute`);
    if (this.site.quota) this.countQuota(this.site.quota, now);
  }

  /** One ended `ms` after it began. Each that began ends once. */
  transactionEnded(result: TransactionResult, ms: number, now: number): HealthChange {
    const began = now - ms;
    this.outstanding--;
    this.begunSum -= began - this.epoch;
    if (result === 'untried') return this.untried(began, now);
    const good = result === 'delivered' || result === 'failed';
    if (good || result === 'lost') this.latency.observe(ms, now);
    this.failureShare.observe(!good, now);
    this.forecast?.observe(ms, !good, now);
    if (good) {
      this.deferred = 0;
      this.plan?.took(now);
      if (!this.breaker.succeeded(began, now)) return 'none';
      this.backAt = now;
      this.failureShare.clear();
      if (this.pauseCause === 'breaker') this.pausedUntil = Math.max(this.throttledUntil, now);
      return 'back';
    }
    const probe = this.breaker.failed(began, now);
    this.deferred = result === 'lost' ? 0 : this.deferred + 1;
    if (this.deferred >= FAILURES_AMONG_OTHERS) this.plan?.refused(now);
    if (probe || this.isOutlier(result, now)) return this.putOut(result, !probe, now);
    return 'none';
  }

  /** A connection became usable, `ms` after it was begun. */
  succeeded(ms: number, now: number): void {
    this.connectTimes?.observe(ms);
    this.reach.succeeded();
    if (this.wentDown) this.backAt = now;
    this.wentDown = false;
  }

  /**
   * A connection begun at `begunAt` failed before it became usable. `rest`: ms after the first failure; doubles with each
   * more. Those that were being made together count as one failure.
   */
  failed(reason: string, now: number, rest: number, begunAt: number, fault?: SessionFault): void {
    this.lastFailure = reason;
    this.lastEnhanced = fault?.enhanced ?? '';
    const addresses = 1 + (this.site.alternatives?.length ?? 0);
    if (this.idle.length + this.outstanding === 0) this.wentDown = true;
    this.reach.failed(now, rest, begunAt, addresses, fault?.kind === 'credentials');
  }

  /** A handshake failed where TLS is not required: the next connections are in the clear. */
  handshakeFailed(reason: string, now: number): void {
    this.reach.handshakeFailed(reason, now);
  }

  /** Why the next connection is in the clear although TLS is to be tried; '': it is tried. */
  clearBecause(now: number): string {
    return this.reach.clearBecause(now);
  }

  /** Something is known of it that must not be forgotten yet. */
  isSetBack(now: number): boolean {
    return Math.max(this.restUntil, this.pausedUntil) > now || this.reach.clearBecause(now) !== '';
  }

  /** It asked for less. True: it is left alone from now on; false: it was already. */
  throttled(kind: Throttling, reason: string, now: number): boolean {
    if (this.throttledUntil > now) return false;
    // Pauses grow while one soon follows the other.
    this.pauses = now - this.throttledUntil < LONGEST_PAUSE ? this.pauses + 1 : 0;
    this.throttledUntil =
      now + (kind === 'quota' ? QUOTA_PAUSE : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.pauses, 6)));
    this.pauseFor('throttled', this.throttledUntil, reason);
    this.lastEnhanced = '4.7.0';
    if (kind === 'rate') this.plan?.refused(now);
    return true;
  }

  /** How far it is, ms of a connect time: measured, else the guess, 0 when nothing is known. */
  get distance(): number {
    return this.connectTimes?.median ?? this.site.distance ?? 0;
  }

  /** How long a transaction takes, ms, as far as known: 0 when not. */
  expected(now: number): number {
    let { mean } = this.latency;
    if (this.forecast !== null) {
      const stale = now - this.latency.measuredAt > STALE;
      const ahead = stale ? this.forecast.usualLatencyAt(now) : this.forecast.latencySoon(now);
      if (ahead > mean * SOON) mean = ahead;
    }
    if (this.outstanding === 0) return mean;
    // Those under way that are older than they should be tell of trouble before their replies do.
    const age = now - this.epoch - this.begunSum / this.outstanding;
    return age > 2 * mean ? age : mean;
  }

  /** Share of transactions that fail now or, as far as it can be told, soon: 0 to 1. */
  expectedFailures(now: number): number {
    const { forecast } = this;
    if (forecast === null) return this.failureShare.share(now);
    const share = this.failureShare.share(now, forecast.usualFailuresAt(now));
    if (share === 0) return 0;
    const soon = forecast.failuresSoon(now);
    return soon > share ? soon : share;
  }

  /** Messages that its quota leaves of this day, null without a quota. */
  quotaLeft(now: number): number | null {
    const { quota } = this.site;
    if (!quota) return null;
    this.lastDay?.advance(now);
    return Math.max(0, quota - (this.lastDay?.total ?? 0));
  }

  /** Facts for listings, JSON-safe. */
  describe(now: number): HostFacts {
    return describeHost(this, now);
  }

  /** It is chosen among these, itself included, from now on. */
  compareWith(peers: readonly HostState<unknown>[]): void {
    this.peers = peers;
    if (peers.length < 2) return;
    this.plan ??= new RatePlan();
    this.forecast ??= new Forecast();
  }

  private untried(began: number, now: number): HealthChange {
    this.lastDay?.remove(1, began);
    // A probe that told nothing: the next one may go at once.
    if (this.breaker.state(now) !== 'half-open' || this.pauseCause !== 'breaker') return 'none';
    this.pausedUntil = Math.min(this.pausedUntil, now);
    return 'back';
  }

  private pauseFor(cause: PauseCause, until: number, reason: string): void {
    if (until <= this.pausedUntil) return;
    this.pausedUntil = until;
    this.pauseCause = cause;
    this.lastFailure = reason;
    this.lastEnhanced = '4.4.1';
  }

  private hasWellPeer(now: number): boolean {
    for (const peer of this.peers)
      if (peer !== this && now - peer.backAt >= SLOW_START && peer.mayTake(now) && peer.reach.failures === 0)
        return true;
    return false;
  }

  private isOutlier(result: TransactionResult, now: number): boolean {
    if (this.breaker.state(now) !== 'closed') return false;
    const { consecutive } = this.breaker;
    let others = 0;
    let out = 0;
    let least = 1;
    for (const peer of this.peers) {
      if (peer === this) continue;
      others++;
      if (!peer.mayTake(now) || peer.restUntil > now) out++;
      else least = Math.min(least, peer.failureShare.share(now));
    }
    if (others === 0) return result !== 'deferred' && consecutive >= FAILURES_ALONE;
    // Never more than half of a site: what all do is not this one's fault.
    if (out + 1 > (others + 1) / 2) return false;
    const share = this.failureShare.share(now);
    if (least > share / 2) return false;
    return (
      consecutive >= FAILURES_AMONG_OTHERS ||
      (share >= FAILURE_SHARE && this.failureShare.weight(now) >= FAILURE_SHARE_OF)
    );
  }

  private putOut(result: TransactionResult, first: boolean, now: number): HealthChange {
    if (first) this.breaker.open(now);
    if (this.pauseCause === 'breaker') this.pausedUntil = Math.min(this.pausedUntil, now);
    const kind = result === 'lost' ? 'connections were lost' : 'messages were deferred';
    this.pauseFor('breaker', this.breaker.until, `${this.breaker.consecutive} ${kind} in a row`);
    return 'out';
  }

  private countQuota(quota: number, now: number): void {
    this.lastDay ??= new SlidingCount(DAY);
    this.lastDay.advance(now);
    this.lastDay.add(1);
    const room = this.lastDay.freeAt(quota - 1);
    if (room > 0) this.pauseFor('quota', room, `its quota of ${quota} messages a day is used up`);
  }
}
