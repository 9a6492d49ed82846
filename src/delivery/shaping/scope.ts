/**
 * What is counted together: a site, a source at a site, a tenant, and so on, with the limits it has. One object for all
 * whom it concerns, so that what they use adds up.
 */
import { SPAN_MS, type Span } from '../../core/span.js';
import { RateLimit } from '../../core/token-bucket.js';
import type { Wait } from '../../queue/wait.js';
import { type Counted, connectionsInWords, type Rate, wordsOf } from './rule.js';

/** When to ask again for a connection where all are used, ms. */
const ASK_AGAIN = 1000;

/** A limit in time with its words, and the answer while it is reached. */
export class NamedRate {
  readonly counted: Counted;
  readonly span: Span;
  readonly limit: RateLimit;
  /** `site google.com: 100 messages a minute`. */
  readonly words: string;
  private readonly kind: Wait['kind'];
  private readonly ledger: Ledger;
  private wait: Wait | null = null;
  private keptWait: Wait | null = null;

  /** `before`: the same under another limit, whose count it takes over. */
  constructor(scope: string, rate: Rate, ledger: Ledger, before?: NamedRate) {
    this.counted = rate.counted;
    this.span = rate.span;
    this.ledger = ledger;
    this.limit = before?.limit.withMost(rate.most) ?? new RateLimit(rate.most, SPAN_MS[rate.span]);
    this.words = `${scope}: ${wordsOf(rate)}`;
    this.kind = rate.span === 'day' ? 'quota' : 'rate';
  }

  /** Why `count` more cannot be had now, null when they can. `keep`: share of the limit that is to be left. Books nothing. */
  blocks(count: number, now: number, keep = 0): Wait | null {
    const { most } = this.limit;
    const kept = keep === 0 ? 0 : Math.floor(most * keep);
    const until = this.limit.freeAt(Math.min(most, count + kept), now);
    if (until === 0) return null;
    // The same answer as long as it is the same: it is asked for each message that waits.
    const before = kept === 0 ? this.wait : this.keptWait;
    if (before !== null && before.until === until) return before;
    const reason = kept === 0 ? this.words : `${this.words}, of which ${kept} are kept for immediate mail`;
    const wait = { kind: this.kind, reason, until };
    if (kept === 0) this.wait = wait;
    else this.keptWait = wait;
    return wait;
  }

  /** Of what is kept over restarts: shorter spans are past before the engine is back. */
  get isKept(): boolean {
    return this.span === 'hour' || this.span === 'day';
  }

  book(count: number, now: number): void {
    this.limit.book(count, now);
    if (this.isKept) this.ledger.changed = true;
  }
}

/** Told when something was counted that is to be kept. */
export interface Ledger {
  changed: boolean;
}

export class Scope {
  readonly key: string;
  /** `site google.com`, `site google.com, source ip1`, `tenant acme`. */
  readonly name: string;
  /** Most connections; Infinity: no limit. */
  readonly most: number;
  /** Connections being made and made. */
  open = 0;
  /** Asked for each message. */
  readonly rates: readonly NamedRate[];
  /** Asked for each connection. */
  readonly connectionRates: readonly NamedRate[];
  private full: Wait | null = null;

  /** `before`: the same under other limits, which it takes the place of. */
  constructor(key: string, name: string, most: number, rates: readonly Rate[], ledger: Ledger, before?: Scope) {
    this.key = key;
    this.name = name;
    this.most = most;
    this.open = before?.open ?? 0;
    const named = rates.map((rate) => {
      const same = before?.all.find(({ counted, span }) => counted === rate.counted && span === rate.span);
      return new NamedRate(name, rate, ledger, same);
    });
    this.rates = named.filter(({ counted }) => counted !== 'connections');
    this.connectionRates = named.filter(({ counted }) => counted === 'connections');
  }

  get all(): readonly NamedRate[] {
    return [...this.rates, ...this.connectionRates];
  }

  /** These are its limits. */
  has(most: number, rates: readonly Rate[]): boolean {
    const all = this.all;
    if (most !== this.most || rates.length !== all.length) return false;
    return rates.every((rate) =>
      all.some(
        ({ counted, span, limit }) => counted === rate.counted && span === rate.span && limit.most === rate.most,
      ),
    );
  }

  /** Why no connection may be begun now, null when one may. */
  blocksConnection(now: number): Wait | null {
    if (this.open >= this.most) {
      // They may be those of other sites or pools, which do not tell when one is over.
      if (this.full === null || this.full.until - now < ASK_AGAIN / 2)
        this.full = {
          kind: 'connections',
          reason: `${this.name}: ${connectionsInWords(this.most)}`,
          until: now + ASK_AGAIN,
        };
      return this.full;
    }
    for (const rate of this.connectionRates) {
      const wait = rate.blocks(1, now);
      if (wait !== null) return wait;
    }
    return null;
  }

  /** A connection is begun that nothing blocked. */
  connect(now: number): void {
    this.open++;
    for (const rate of this.connectionRates) rate.book(1, now);
  }

  /** A connection is over. */
  disconnect(): void {
    if (this.open > 0) this.open--;
  }

  /** Nothing is remembered in it. */
  isIdle(now: number): boolean {
    if (this.open > 0) return false;
    return this.all.every(({ limit }) => limit.used(now) === 0);
  }

  /** Everything it holds back now. */
  waits(now: number): Wait[] {
    const found = this.rates.map((rate) => rate.blocks(1, now));
    return [this.blocksConnection(now), ...found].filter((wait) => wait !== null);
  }

  /** Its limits and what of them is used, for listings. */
  describe(now: number): Record<string, unknown>[] {
    const rates = this.all.map(({ words, limit }) => ({
      limit: words,
      used: limit.used(now),
    }));
    if (this.most === Number.POSITIVE_INFINITY) return rates;
    return [{ limit: `${this.name}: ${connectionsInWords(this.most)}`, used: this.open }, ...rates];
  }
}
