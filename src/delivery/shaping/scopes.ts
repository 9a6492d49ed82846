/**
 * All scopes by their key, shared by the sites.
 *
 * What was counted for limits of an hour or a day is kept over restarts, by `kept` and `restore`. When rules change, a
 * scope with other limits takes the place of the one before, with what that counted.
 * Limits: scopes in which nothing is counted are swept when they have become many. Who holds on to scopes asks for them
 * anew when `generation` has changed.
 */
import type { Rate } from './rule.js';
import { type Ledger, Scope } from './scope.js';

/** What counts in one limit of a scope: its key, `messages/day`, and `[slot, count, ...]` of core/sliding-count.ts. */
export type KeptCount = readonly [key: string, limit: string, slots: readonly number[]];

/** Looked for what can go when there are this many, then at twice what is left. */
const SWEEP_FROM = 1024;
const MAX_KEPT = 1_000_000;

export class Scopes implements Ledger {
  generation = 0;
  /** Something was counted since `kept` was last asked. */
  changed = false;
  private readonly scopes = new Map<string, Scope>();
  /** Kept counts of scopes that nobody has asked for yet. */
  private readonly unclaimed = new Map<string, KeptCount[]>();
  private readonly now: () => number;
  private sweepAt = SWEEP_FROM;

  constructor(now: () => number) {
    this.now = now;
  }

  get size(): number {
    return this.scopes.size;
  }

  /** The scope of that key with these limits. */
  readonly of = (key: string, name: string, most: number, rates: readonly Rate[]): Scope => {
    const before = this.scopes.get(key);
    if (before?.has(most, rates)) return before;
    const scope = new Scope(key, name, most, rates, this, before);
    this.scopes.set(key, scope);
    this.claim(key, scope);
    return scope;
  };

  /** Rules have changed: everybody asks anew. */
  renew(): void {
    this.generation++;
  }

  /** Sweeps when it is time to; not while somebody holds on to scopes it has just asked for. */
  tidy(): void {
    if (this.scopes.size < this.sweepAt) return;
    const now = this.now();
    for (const [key, scope] of this.scopes) if (scope.isIdle(now)) this.scopes.delete(key);
    this.sweepAt = Math.max(SWEEP_FROM, this.scopes.size * 2);
    this.generation++;
  }

  /** What counts for an hour or a day, JSON-safe. */
  kept(): KeptCount[] {
    this.changed = false;
    const now = this.now();
    const counts: KeptCount[] = [...this.unclaimed.values()].flat();
    for (const [key, scope] of this.scopes)
      for (const rate of scope.all) {
        const slots = rate.isKept ? rate.limit.kept(now) : [];
        if (slots.length > 0) counts.push([key, `${rate.counted}/${rate.span}`, slots]);
      }
    return counts;
  }

  /** Takes over what `kept` gave before a restart; what is malformed is left out. Before the first scope is asked for. */
  restore(kept: unknown): void {
    if (!Array.isArray(kept)) return;
    for (const one of kept.slice(0, MAX_KEPT)) {
      if (!isKeptCount(one)) continue;
      const [key] = one;
      const others = this.unclaimed.get(key);
      if (others === undefined) this.unclaimed.set(key, [one]);
      else others.push(one);
    }
  }

  private claim(key: string, scope: Scope): void {
    const kept = this.unclaimed.get(key);
    if (kept === undefined) return;
    this.unclaimed.delete(key);
    for (const [, limit, slots] of kept)
      for (const rate of scope.all) if (limit === `${rate.counted}/${rate.span}`) rate.limit.restore(slots, this.now());
  }
}

function isKeptCount(one: unknown): one is KeptCount {
  if (!Array.isArray(one) || one.length !== 3) return false;
  const [key, limit, slots] = one as unknown[];
  return (
    typeof key === 'string' &&
    typeof limit === 'string' &&
    Array.isArray(slots) &&
    slots.length <= 200 &&
    slots.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  );
}
