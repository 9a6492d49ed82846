/**
 * Small rows under names of two parts, kept in the spool's store beside the mail: what has to survive a restart and is
 * asked for one by one.
 *
 * Contract: a change is seen by `get` and `page` at once and is durable with a commit soon after, shared with whatever
 * else is written; none of the methods waits. A read costs microseconds while the pages of its path are in memory.
 * Limits: both parts of a key together below 1,900 bytes, no control characters.
 */
import type { Database } from 'lmdb';
import type { CommitQueue } from './commit-queue.js';

export type RowKey = readonly [string, string];

export interface KeyRow {
  readonly key: RowKey;
  readonly value: Buffer;
}

export interface KeyTable {
  /** Rows in all; what is on its way to the store may count twice for a moment. */
  readonly size: number;
  get(key: RowKey): Buffer | undefined;
  put(key: RowKey, value: Buffer): void;
  remove(key: RowKey): void;
  /** Rows behind `after`, in order of first and second part (by code point), at most `limit`. */
  page(after: RowKey, limit: number): KeyRow[];
}

/** A change that is not in the store yet; null: the row goes. */
interface Pending {
  readonly key: RowKey;
  readonly value: Buffer | null;
}

export class LmdbKeyTable implements KeyTable {
  private readonly table: Database<Buffer, [string, string]>;
  private readonly queue: Pick<CommitQueue, 'submit'>;
  private readonly pending = new Map<string, Pending>();
  private count: number;

  constructor(table: Database<Buffer, [string, string]>, queue: Pick<CommitQueue, 'submit'>) {
    this.table = table;
    this.queue = queue;
    this.count = (table.getStats() as { readonly entryCount: number }).entryCount;
  }

  get size(): number {
    return this.count;
  }

  get(key: RowKey): Buffer | undefined {
    if (this.pending.size > 0) {
      const pending = this.pending.get(textOf(key));
      if (pending !== undefined) return pending.value ?? undefined;
    }
    return this.count === 0 ? undefined : this.table.getBinary(key as [string, string]);
  }

  put(key: RowKey, value: Buffer): void {
    if (this.get(key) === undefined) this.count++;
    this.change(key, value);
  }

  remove(key: RowKey): void {
    if (this.get(key) === undefined) return;
    this.count--;
    this.change(key, null);
  }

  /** Puts a row that is not there yet, within the transaction of other work: `get` has it once that is durable. */
  write({ key, value }: KeyRow): void {
    void this.table.put(key as [string, string], value);
  }

  /** A row of `write` is durable. */
  written(): void {
    this.count++;
  }

  page(after: RowKey, limit: number): KeyRow[] {
    const rows: KeyRow[] = [];
    const changed =
      this.pending.size === 0 ? [] : [...this.pending.values()].filter(({ key }) => compare(key, after) > 0);
    // Where rows are about to go, as many more are read so that a page is full; the first may be `after` itself.
    const range = { start: after as [string, string], limit: limit + changed.length + 1 };
    for (const { key, value } of this.table.getRange(range)) {
      if (rows.length === 0 && key[0] === after[0] && key[1] === after[1]) continue;
      if (changed.length === 0 || !this.pending.has(textOf(key))) rows.push({ key, value });
    }
    if (changed.length > 0) {
      for (const { key, value } of changed) if (value !== null) rows.push({ key, value });
      rows.sort((a, b) => compare(a.key, b.key));
    }
    return rows.length > limit ? rows.slice(0, limit) : rows;
  }

  private change(key: RowKey, value: Buffer | null): void {
    const text = textOf(key);
    const change: Pending = { key, value };
    this.pending.set(text, change);
    this.queue.submit({
      settlement: true,
      id: 0,
      write: () =>
        value === null ? this.table.remove(key as [string, string]) : this.table.put(key as [string, string], value),
      done: () => {
        if (this.pending.get(text) === change) this.pending.delete(text);
      },
    });
  }
}

function textOf([first, second]: RowKey): string {
  return `${first}\n${second}`;
}

/** As the store orders its keys: by bytes of UTF-8, which is by code point. */
function compare([a, b]: RowKey, [c, d]: RowKey): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(c)) || Buffer.compare(Buffer.from(b), Buffer.from(d));
}
