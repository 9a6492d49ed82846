/**
 * What is known of one egress source: what it sent today, what its warm-up leaves it, and where it may not go for now.
 *
 * Days are those of the engine clock in UTC. A message counts when it is about to be sent: one that fails then has used
 * the allowance all the same, so that never more goes out than the day allows.
 * Limits: MAX_PAUSES sites are remembered; past that the pause that ends first is forgotten.
 */
import type { Wait } from '../queue/wait.js';
import type { EgressSource } from './egress.js';

/** Messages allowed a day from `startDay` (UTC days since 1970) on; none before, no limit after the last. */
export interface WarmUp {
  readonly startDay: number;
  readonly allowances: readonly number[];
}

/** What is kept over restarts. */
export interface SentToday {
  readonly day: number;
  readonly sent: number;
}

interface Pause {
  readonly until: number;
  readonly reason: string;
}

const DAY = 86_400_000;
const MAX_PAUSES = 10_000;
/** Pauses that a listing shows. */
const SHOWN = 20;

export class SourceState {
  source!: EgressSource;
  private warmup: WarmUp | null = null;
  private readonly booked: () => void;
  private readonly pauses = new Map<string, Pause>();
  private day = Number.NEGATIVE_INFINITY;
  private sent = 0;

  /** `booked` is called when a count that must outlive a restart changed. To be configured before it is used. */
  constructor(booked: () => void) {
    this.booked = booked;
  }

  /** What was set about it; what was sent today and where it is paused stays. */
  configure(source: EgressSource, warmup: WarmUp | null): void {
    this.source = source;
    this.warmup = warmup;
  }

  /** Why it cannot carry a message to a site now, null when it can; `now` in engine clock ms. */
  obstacle(site: string, now: number): Wait | null {
    return this.paused('', now) ?? this.paused(site, now) ?? this.exhausted(now);
  }

  /** Counts one message. */
  book(now: number): void {
    this.turnTo(now);
    this.sent++;
    if (this.warmup !== null) this.booked();
  }

  /** Not to this site ('': to none) for `ms`; a pause that lasts longer already stays. */
  pause(site: string, ms: number, reason: string, now: number): void {
    const until = now + ms;
    const known = this.pauses.get(site);
    if (until <= now || (known !== undefined && known.until >= until)) return;
    if (known === undefined && this.pauses.size >= MAX_PAUSES) this.makeRoom(now);
    this.pauses.set(site, { until, reason });
  }

  /** For the state file; null: nothing to be kept. */
  get kept(): SentToday | null {
    return this.warmup === null || this.sent === 0 ? null : { day: this.day, sent: this.sent };
  }

  /** What was sent on this very day before a restart; of another day it means nothing. */
  restore({ day, sent }: SentToday, now: number): void {
    this.turnTo(now);
    if (day === this.day) this.sent += sent;
  }

  /** JSON-safe. */
  describe(now: number): Readonly<Record<string, unknown>> {
    this.turnTo(now);
    const { name, address4, address6, helo, proxy } = this.source;
    const allowance = this.allowance();
    const paused = [...this.pauses].filter(([, { until }]) => until > now);
    return {
      name,
      address: address4,
      address6,
      helo,
      proxy: proxy === null ? '' : `${proxy.kind}://${proxy.host}:${proxy.port}`,
      sentToday: this.sent,
      allowedToday: Number.isFinite(allowance) ? allowance : null,
      paused: paused.length,
      pauses: paused.slice(0, SHOWN).map(([site, { until, reason }]) => ({ site, until, reason })),
    };
  }

  private paused(site: string, now: number): Wait | null {
    if (this.pauses.size === 0) return null;
    const pause = this.pauses.get(site);
    if (pause === undefined) return null;
    if (pause.until <= now) {
      this.pauses.delete(site);
      return null;
    }
    const where = site === '' ? '' : ` to ${site}`;
    return {
      kind: 'throttled',
      reason: `egress source ${this.source.name}: paused${where}: ${pause.reason}`,
      until: pause.until,
    };
  }

  private exhausted(now: number): Wait | null {
    const { warmup } = this;
    if (warmup === null) return null;
    this.turnTo(now);
    if (this.sent < this.allowance()) return null;
    const begun = this.day >= warmup.startDay;
    const next = begun ? this.day + 1 : warmup.startDay;
    const what = begun
      ? `the ${this.allowance()} messages of day ${this.day - warmup.startDay + 1} of its warm-up are sent`
      : `its warm-up begins on ${new Date(next * DAY).toISOString().slice(0, 10)}`;
    return { kind: 'quota', reason: `egress source ${this.source.name}: ${what}`, until: next * DAY };
  }

  private allowance(): number {
    const { warmup } = this;
    if (warmup === null) return Number.POSITIVE_INFINITY;
    if (this.day < warmup.startDay) return 0;
    return warmup.allowances[this.day - warmup.startDay] ?? Number.POSITIVE_INFINITY;
  }

  /** A new day begins with a count of 0; time does not go back to an old one. */
  private turnTo(now: number): void {
    const day = Math.floor(now / DAY);
    if (day <= this.day) return;
    this.day = day;
    this.sent = 0;
  }

  private makeRoom(now: number): void {
    let first = '';
    let earliest = Number.POSITIVE_INFINITY;
    for (const [site, { until }] of this.pauses) {
      if (until <= now) this.pauses.delete(site);
      else if (until < earliest && site !== '') [first, earliest] = [site, until];
    }
    if (this.pauses.size >= MAX_PAUSES) this.pauses.delete(first);
  }
}
