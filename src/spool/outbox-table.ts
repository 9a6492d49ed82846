/**
 * Rows that wait to be told to somebody outside, in order, kept in the spool's store beside the mail they are about.
 *
 * Contract: what is appended before a message is stored, deferred or removed is durable with it or before it, never
 * after. A StoreCompanion appends inside the very transaction that makes messages durable. Nothing here waits.
 * Numbers of a name rise in the order of the commits and begin at 1; number 0 holds what the reader wants to remember.
 */
import type { Database } from 'lmdb';
import type { CommitQueue } from './commit-queue.js';
import type { NewMessage } from './spool.js';

export interface OutboxRow {
  readonly number: number;
  readonly value: Buffer;
}

/** Told of messages inside of the transaction that makes them durable. */
export interface StoreCompanion {
  /** May append with `now`; what it gives is called when the transaction is durable, and not when it failed. */
  storing(batch: readonly NewMessage[], now: Pick<OutboxTable, 'putNow'>): (() => void) | null;
}

export interface OutboxTable {
  /** null: nobody listens, and storing costs nothing more. */
  companion: StoreCompanion | null;
  /** To be called inside of a transaction only (StoreCompanion, `append`). */
  putNow(name: string, row: OutboxRow): void;
  /** `rows` is asked when the next transaction begins, which all that is removed or deferred later goes with or follows. */
  append(name: string, rows: () => readonly OutboxRow[], done: () => void): void;
  /** Takes rows out and remembers something in the same commit; '' remembers nothing. */
  remove(name: string, numbers: readonly number[], remembered: string, done: () => void): void;
  /** Durable rows after a number, at most `limit`. */
  read(name: string, after: number, limit: number): OutboxRow[];
  /** The greatest number, 0 where there is none. */
  last(name: string): number;
  remembered(name: string): string;
  /** Names that have rows or something remembered, at most `limit`. */
  names(limit: number): string[];
}

const REMEMBERED = 0;

export class LmdbOutboxTable implements OutboxTable {
  companion: StoreCompanion | null = null;
  private readonly table: Database<Buffer, [string, number]>;
  private readonly queue: Pick<CommitQueue, 'submit'>;
  /** What is to be called when a batch is durable. */
  private readonly storing = new WeakMap<object, () => void>();

  constructor(table: Database<Buffer, [string, number]>, queue: Pick<CommitQueue, 'submit'>) {
    this.table = table;
    this.queue = queue;
  }

  putNow(name: string, { number, value }: OutboxRow): void {
    void this.table.put([name, number], value);
  }

  append(name: string, rows: () => readonly OutboxRow[], done: () => void): void {
    // Where the store was full it is written again, and must be the same.
    let made: readonly OutboxRow[] | null = null;
    this.queue.submit({
      settlement: true,
      id: 0,
      write: () => {
        made ??= rows();
        let written: Promise<boolean> | undefined;
        for (const { number, value } of made) written = this.table.put([name, number], value);
        return written;
      },
      done,
    });
  }

  remove(name: string, numbers: readonly number[], remembered: string, done: () => void): void {
    this.queue.submit({
      settlement: true,
      id: 0,
      write: () => {
        for (const number of numbers) void this.table.remove([name, number]);
        return remembered === ''
          ? this.table.remove([name, REMEMBERED])
          : this.table.put([name, REMEMBERED], Buffer.from(remembered));
      },
      done,
    });
  }

  read(name: string, after: number, limit: number): OutboxRow[] {
    const rows: OutboxRow[] = [];
    const range = { start: [name, after + 1] as [string, number], end: [name, Number.MAX_VALUE] as [string, number] };
    for (const { key, value } of this.table.getRange({ ...range, limit })) rows.push({ number: key[1], value });
    return rows;
  }

  last(name: string): number {
    const range = { start: [name, Number.MAX_VALUE] as [string, number], end: [name, REMEMBERED] as [string, number] };
    for (const key of this.table.getKeys({ ...range, reverse: true, limit: 1 })) return key[1];
    return 0;
  }

  remembered(name: string): string {
    return this.table.getBinary([name, REMEMBERED])?.toString() ?? '';
  }

  names(limit: number): string[] {
    const names: string[] = [];
    for (let after = ''; names.length < limit; after = names.at(-1)!) {
      const start = [after, after === '' ? REMEMBERED : Number.MAX_VALUE] as [string, number];
      const [key] = [...this.table.getKeys({ start, limit: 1 })];
      if (key === undefined) break;
      names.push(key[0]);
    }
    return names;
  }

  /** @internal Inside of the transaction that stores a batch. */
  store(batch: readonly NewMessage[]): void {
    const done = this.companion?.storing(batch, this);
    if (done) this.storing.set(batch, done);
  }

  /** @internal The batch is durable. */
  stored(batch: readonly NewMessage[]): void {
    if (this.companion === null) return;
    this.storing.get(batch)?.();
    this.storing.delete(batch);
  }
}
