/**
 * Addresses that get no mail, for each tenant: because they are dead, because somebody complained, or because the
 * operator says so.
 *
 * Contract: `suppressed` answers at once, and without looking while the list is empty. What is put on the list counts
 * from that moment and survives a restart as mail does. An entry ends by itself; what has ended is cleared away bit by
 * bit (`sweep`). An operator's entry is never overwritten by a bounce; one of tenant '' holds for every tenant.
 * Limits: `most` entries, beyond which bounces and complaints put nobody on the list (`full` tells, once); an operator
 * still can. Memory does not grow with the list.
 */

import type { Clock } from '../core/clock.js';
import { SluiceError } from '../core/errors.js';
import type { KeyTable } from '../spool/key-table.js';
import type { BounceCategory } from './bounce-category.js';
import { canonicalAddress } from './canonical-address.js';
import { decodeEntry, encodeEntry, type SuppressionEntry, type SuppressionSource } from './suppression-entry.js';

/** How long each reason keeps an address on the list, ms: 0 without an end, null: it puts none on it. */
export interface SuppressionTimes {
  readonly 'bad-mailbox': number | null;
  readonly 'bad-domain': number | null;
  readonly 'inactive-mailbox': number | null;
  readonly complaint: number | null;
}

export interface SuppressionOptions {
  readonly table: KeyTable;
  readonly clock: Clock;
  readonly times: SuppressionTimes;
  /** Most entries. */
  readonly most: number;
  /** Resolves when what was asked for so far is durable. */
  flush(): Promise<void>;
  /** An address was put on the list by what happened to its mail. */
  added?(entry: SuppressionEntry): void;
  /** The list is full. Told once. */
  full?(): void;
  /** The list was empty and is not any more. */
  begun?(): void;
}

/** An entry that has more than this before its end is not written anew for another bounce, ms. */
const FRESH = 86_400_000;
const MAX_ADDRESS = 320;
const MAX_TENANT = 256;
/** Rows that one sweep looks at. */
const SWEEP_ROWS = 500;
const CONTROL = /[\u0000-\u001f\u007f]/;

export class SuppressionList {
  private readonly options: SuppressionOptions;
  private sweptTo: readonly [string, string] = ['', ''];
  private toldFull = false;

  constructor(options: SuppressionOptions) {
    this.options = options;
  }

  /** Entries, ended ones among them until they are swept. */
  get size(): number {
    return this.options.table.size;
  }

  /** Why an address gets no mail of a tenant; null: it does. */
  suppressed(tenant: string, address: string): SuppressionEntry | null {
    if (this.options.table.size === 0) return null;
    const canonical = canonicalAddress(address);
    const own = this.live(tenant, canonical);
    if (own !== null || tenant === '') return own;
    const general = this.live('', canonical);
    return general?.source === 'operator' ? general : null;
  }

  /** A recipient was refused for good and for its own sake. */
  bounced(tenant: string, address: string, category: BounceCategory, reply: string): void {
    const time = this.options.times[category as keyof SuppressionTimes] as number | null | undefined;
    if (time !== null && time !== undefined) this.learn(tenant, address, category, reply, 'bounce', time);
  }

  /** A recipient complained about mail of a tenant. `kind`: as RFC 5965 names it. */
  complained(tenant: string, address: string, kind: string): void {
    const time = this.options.times.complaint;
    if (time !== null) this.learn(tenant, address, kind, '', 'complaint', time);
  }

  /**
   * Puts an address on the list by hand; resolves to 1 when that is durable. `forMs`: how long, 0 without an end.
   * @throws SluiceError `bad-address`.
   */
  async add(tenant: string, address: string, reason: string, forMs: number): Promise<number> {
    return this.addAll([{ tenant, address, reason, forMs }]);
  }

  /** The same for many, with one wait; nothing is added when one of them is wrong. */
  async addAll(
    items: readonly {
      readonly tenant: string;
      readonly address: string;
      readonly reason: string;
      readonly forMs: number;
    }[],
  ): Promise<number> {
    const now = this.options.clock.wall();
    const entries = items.map(({ tenant, address, reason, forMs }): SuppressionEntry => {
      const canonical = checked(tenant, address);
      const until = forMs > 0 ? now + forMs : 0;
      return { tenant, address: canonical, reason, reply: '', source: 'operator', since: now, until };
    });
    for (const entry of entries) this.put(entry);
    await this.options.flush();
    return entries.length;
  }

  /** Takes an address off the list; resolves to how many entries that were, when it is durable. */
  async remove(tenant: string, address: string): Promise<number> {
    const canonical = canonicalAddress(address);
    if (!isKey(tenant, canonical) || this.live(tenant, canonical) === null) return 0;
    this.options.table.remove([tenant, canonical]);
    await this.options.flush();
    return 1;
  }

  /** Entries of one tenant in order of their addresses, behind `after` ('' for the first page). JSON-safe. */
  async list(tenant: string, after: string, limit: number): Promise<SuppressionEntry[]> {
    const now = this.options.clock.wall();
    const found: SuppressionEntry[] = [];
    let from = after;
    while (found.length < limit) {
      const rows = this.options.table.page([tenant, from], limit);
      const own = rows.filter(({ key }) => key[0] === tenant);
      for (const { key, value } of own) {
        const entry = decodeEntry(tenant, key[1], value);
        if (entry !== null && !ended(entry, now) && found.length < limit) found.push(entry);
      }
      if (own.length < rows.length || rows.length < limit) break;
      from = own.at(-1)!.key[1];
      // Ended entries may be many: others want their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found;
  }

  /** Looks at the next rows and clears away what has ended. How many that were. */
  sweep(): number {
    const { table, clock } = this.options;
    if (table.size === 0) return 0;
    const now = clock.wall();
    const rows = table.page(this.sweptTo, SWEEP_ROWS);
    this.sweptTo = rows.length < SWEEP_ROWS ? ['', ''] : rows.at(-1)!.key;
    let gone = 0;
    for (const { key, value } of rows) {
      const entry = decodeEntry(key[0], key[1], value);
      if (entry !== null && !ended(entry, now)) continue;
      table.remove(key);
      gone++;
    }
    return gone;
  }

  private live(tenant: string, canonical: string): SuppressionEntry | null {
    const row = this.options.table.get([tenant, canonical]);
    if (row === undefined) return null;
    const entry = decodeEntry(tenant, canonical, row);
    return entry === null || ended(entry, this.options.clock.wall()) ? null : entry;
  }

  private learn(
    tenant: string,
    address: string,
    reason: string,
    reply: string,
    source: SuppressionSource,
    time: number,
  ): void {
    const { table, clock, most } = this.options;
    const canonical = canonicalAddress(address);
    if (!isKey(tenant, canonical) || !canonical.includes('@')) return;
    const since = clock.wall();
    const until = time === 0 ? 0 : since + time;
    const known = this.live(tenant, canonical);
    if (known !== null) {
      const lasting = known.until === 0 || (until !== 0 && known.until >= until - FRESH);
      // A complaint weighs more than a bounce, the operator's word more than both.
      if (known.source === 'operator' || (lasting && (known.source === source || known.source === 'complaint'))) return;
    } else if (table.size >= most) {
      if (!this.toldFull) this.options.full?.();
      this.toldFull = true;
      return;
    }
    const entry: SuppressionEntry = { tenant, address: canonical, reason, reply, source, since, until };
    this.put(entry);
    this.options.added?.(entry);
  }

  private put(entry: SuppressionEntry): void {
    const first = this.options.table.size === 0;
    this.options.table.put([entry.tenant, entry.address], encodeEntry(entry));
    if (first) this.options.begun?.();
  }
}

function ended({ until }: SuppressionEntry, now: number): boolean {
  return until !== 0 && until <= now;
}

function isKey(tenant: string, address: string): boolean {
  return address.length <= MAX_ADDRESS && tenant.length <= MAX_TENANT && !CONTROL.test(tenant + address);
}

function checked(tenant: string, address: string): string {
  const canonical = canonicalAddress(address);
  if (isKey(tenant, canonical) && /^[^@\s]+.*@[^@\s]+$/.test(canonical)) return canonical;
  throw new SluiceError('bad-address', `<${address}> is not an address of a mailbox (allowed: local-part@domain)`, {
    temporary: false,
  });
}
