/**
 * Egress pools: sources taken in turn by weight, as far as they have room and an address of the right family.
 *
 * A source may be in several pools; what it sent and where it is paused counts for all of them. Counts of warm-up are
 * given out by `snapshot` and taken back by `restore`.
 */
import type { Wait } from '../queue/wait.js';
import { type EgressPool, type EgressSource, reaches } from './egress.js';
import { type SentToday, SourceState, type WarmUp } from './egress-source.js';
import type { SiteHost } from './site.js';

/** A source with what is set about it. */
export interface EgressMember {
  readonly source: EgressSource;
  readonly warmup: WarmUp | null;
  /** The pools it is in, and its share there. */
  readonly pools: readonly { readonly name: string; readonly weight: number }[];
}

interface Turn {
  readonly state: SourceState;
  readonly weight: number;
  credit: number;
}

/** All sources and the pools they make. */
export class EgressPools {
  private readonly booked: () => void;
  private readonly states = new Map<string, SourceState>();
  /** Also those that have no sources any more: connections may know them. */
  private readonly pools = new Map<string, SourcePool>();

  /** `booked`: a count that `snapshot` gives out changed; called once a message, so it must be cheap. */
  constructor(booked: () => void) {
    this.booked = booked;
  }

  /** Takes these sources in place of those before; what is known of a source goes on under its name. */
  configure(members: readonly EgressMember[]): void {
    const before = new Map(this.states);
    const turns = new Map<string, Turn[]>();
    this.states.clear();
    for (const { source, warmup, pools } of members) {
      const state = before.get(source.name) ?? new SourceState(this.booked);
      state.configure(source, warmup);
      this.states.set(source.name, state);
      for (const { name, weight } of pools) {
        const pool = turns.get(name) ?? [];
        pool.push({ state, weight, credit: 0 });
        turns.set(name, pool);
      }
    }
    for (const [name, pool] of this.pools) pool.configure(turns.get(name) ?? []);
    for (const [name, its] of turns)
      if (!this.pools.has(name)) this.pools.set(name, new SourcePool(name, its, this.states));
  }

  /** The pool of that name; null: no source is in it. */
  get(name: string): EgressPool | null {
    const pool = this.pools.get(name);
    return pool === undefined || pool.isEmpty ? null : pool;
  }

  /** This source not to this site ('': to none) for `ms`; one that is not known is passed over. */
  pause(source: string, site: string, ms: number, reason: string, now: number): void {
    this.states.get(source)?.pause(site, ms, reason, now);
  }

  /** Of each pool with sources. */
  describe(now: number): readonly Readonly<Record<string, unknown>>[] {
    return [...this.pools.values()].filter(({ isEmpty }) => !isEmpty).map((pool) => pool.describe(now));
  }

  /** What each source sent today, by name. */
  snapshot(): Readonly<Record<string, SentToday>> {
    const found: Record<string, SentToday> = {};
    for (const [name, { kept }] of this.states) if (kept !== null) found[name] = kept;
    return found;
  }

  /** Takes a snapshot back; what is not one is passed over. */
  restore(snapshot: unknown, now: number): void {
    if (typeof snapshot !== 'object' || snapshot === null) return;
    for (const [name, kept] of Object.entries(snapshot as Readonly<Record<string, unknown>>))
      if (isSentToday(kept)) this.states.get(name)?.restore(kept, now);
  }
}

function isSentToday(value: unknown): value is SentToday {
  const { day, sent } = (value ?? {}) as Partial<SentToday>;
  return Number.isSafeInteger(day) && Number.isSafeInteger(sent) && sent! >= 0;
}

class SourcePool implements EgressPool {
  readonly name: string;
  private turns: readonly Turn[];
  private readonly states: ReadonlyMap<string, SourceState>;

  constructor(name: string, turns: readonly Turn[], states: ReadonlyMap<string, SourceState>) {
    this.name = name;
    this.turns = turns;
    this.states = states;
  }

  configure(turns: readonly Turn[]): void {
    this.turns = turns;
  }

  get isEmpty(): boolean {
    return this.turns.length === 0;
  }

  reaches(address: string): boolean {
    return this.turns.some(({ state }) => reaches(state.source, address));
  }

  /** By smooth weighted round robin (the algorithm of nginx), as pickBalanced in host-state.ts. */
  pick(host: SiteHost, site: string, now: number): EgressSource | Wait {
    let best: Turn | null = null;
    let total = 0;
    let nearest: Wait | null = null;
    for (const turn of this.turns) {
      if (!reaches(turn.state.source, host.address)) continue;
      const wait = turn.state.obstacle(site, now);
      if (wait !== null) {
        if (nearest === null || wait.until < nearest.until) nearest = wait;
        continue;
      }
      turn.credit += turn.weight;
      total += turn.weight;
      if (best === null || turn.credit > best.credit) best = turn;
    }
    if (best !== null) {
      best.credit -= total;
      return best.state.source;
    }
    if (this.isEmpty) return gone(`egress pool ${this.name} has no sources`, now);
    return nearest === null ? this.unreachable(host.address) : this.wordsOf(nearest);
  }

  admit(source: EgressSource, site: string, now: number): Wait | null {
    const state = this.states.get(source.name);
    if (state === undefined) return gone(`there is no egress source ${source.name}`, now);
    const wait = state.obstacle(site, now);
    if (wait === null) state.book(now);
    return wait;
  }

  /** Of a source of any pool. */
  pause(source: string, site: string, ms: number, reason: string, now: number): void {
    this.states.get(source)?.pause(site, ms, reason, now);
  }

  describe(now: number): Readonly<Record<string, unknown>> {
    return {
      name: this.name,
      sources: this.turns.map(({ state, weight }) => ({ ...state.describe(now), weight })),
    };
  }

  private wordsOf(nearest: Wait): Wait {
    if (this.turns.length === 1) return nearest;
    return { ...nearest, reason: `egress pool ${this.name}: no source has room; first again: ${nearest.reason}` };
  }

  private unreachable(address: string): Wait {
    const family = address.includes(':') ? 'IPv6' : 'IPv4';
    return {
      kind: 'connections',
      reason: `egress pool ${this.name}: no source has an ${family} address for ${address}`,
      until: Number.POSITIVE_INFINITY,
    };
  }
}

/** How soon it is asked again whether what was taken out of the configuration is back, ms. */
const GONE_INTERVAL = 60_000;

function gone(what: string, now: number): Wait {
  return { kind: 'connections', reason: `${what} any more`, until: now + GONE_INTERVAL };
}
