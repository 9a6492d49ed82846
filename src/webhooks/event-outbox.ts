/**
 * The events that wait to be told to one webhook, durable in the spool's store.
 *
 * Contract: an event that was added is durable with, or before, whatever is settled after it; the order in which events
 * were added is kept. A batch that was begun is the same after a restart, so that its id tells receivers of doubles.
 * Bounded: rows in bytes, and what waits for a commit; beyond either the oldest, or the newest, are dropped and counted.
 */
import { randomUUID } from 'node:crypto';
import type { OutboxRow, OutboxTable } from '../spool/outbox-table.js';
import { addEvent, bodyOf, encodeRows, noEvents, rowFacts, type WaitingEvents } from './event-rows.js';

export interface OutboxBounds {
  /** Events of a batch. */
  readonly batch: number;
  /** Of rows, bytes. */
  readonly maxBytes: number;
  /** ms. */
  readonly maxAge: number;
}

/** Rows that are sent together. */
export interface EventBatch {
  /** Kept over restarts. */
  readonly id: string;
  readonly numbers: readonly number[];
  readonly events: number;
  readonly bytes: number;
  /** Wall clock of the first event. */
  readonly at: number;
  readonly body: Buffer;
}

/** What is kept beside the rows. */
interface Remembered {
  /** Of the batch that was begun: its id and its last row; '' and 0: none was. */
  readonly id: string;
  readonly last: number;
  /** '': it is not. */
  readonly disabled: string;
}

const NOTHING: Remembered = { id: '', last: 0, disabled: '' };

export interface OutboxHost {
  /** Wall clock, ms. */
  wall(): number;
  /** There is something durable to send, or less room in the way. */
  changed(): void;
  dropped(events: number, why: 'full' | 'old'): void;
}

/** Rows read at once. */
const SLICE = 32;
/** Of a body, unless one row alone is larger. */
const MAX_BODY = 1024 * 1024;
/** Of events that wait for a commit: the store may be full. */
const MAX_WAITING = 32 * 1024 * 1024;

export class EventOutbox {
  /** Durable events, and their bytes. */
  events = 0;
  bytes = 0;
  private readonly name: string;
  private readonly table: OutboxTable;
  private readonly host: OutboxHost;
  private bounds: OutboxBounds;
  private next: number;
  private waiting: WaitingEvents | null = null;
  /** Bytes in commits that are under way. */
  private writing = 0;
  private remembered: Remembered;
  /** Rows up to this one are done with, though they may still be there. */
  private floor = 0;
  private readonly counted: Promise<void>;
  private trimming = false;
  private closed = false;

  constructor(name: string, table: OutboxTable, host: OutboxHost, bounds: OutboxBounds) {
    this.name = name;
    this.table = table;
    this.host = host;
    this.bounds = bounds;
    this.next = table.last(name) + 1;
    this.remembered = parse(table.remembered(name));
    this.counted = new Promise((resolve) => this.count(0, this.next, resolve));
  }

  /** Why nothing is sent, '' when it is. */
  get disabled(): string {
    return this.remembered.disabled;
  }

  /** Nothing waits, on disk or for it. */
  get empty(): boolean {
    return this.events === 0 && this.waiting === null && this.writing === 0;
  }

  configure(bounds: OutboxBounds): void {
    this.bounds = bounds;
  }

  /** Adds an event to the next commit. `text`: as JSON. */
  add(text: string, at: number): void {
    if (this.waiting === null) {
      const waiting = noEvents();
      this.waiting = waiting;
      let counted = 0;
      let size = 0;
      this.table.append(
        this.name,
        () => {
          if (this.waiting === waiting) this.waiting = null;
          const rows = this.number(encodeRows(waiting, this.bounds.batch));
          [counted, size] = [waiting.texts.length, sizeOf(rows)];
          this.writing += size;
          return rows;
        },
        () => {
          this.writing -= size;
          this.written(counted, size);
        },
      );
    }
    if (this.waiting.bytes + this.writing > MAX_WAITING) this.host.dropped(1, 'full');
    else addEvent(this.waiting, text, at);
  }

  /** Adds events inside of a transaction; what it gives is to be called when that is durable. */
  addNow(events: WaitingEvents, now: Pick<OutboxTable, 'putNow'>): () => void {
    const rows = this.number(encodeRows(events, this.bounds.batch));
    for (const row of rows) now.putNow(this.name, row);
    const size = sizeOf(rows);
    return () => this.written(events.texts.length, size);
  }

  /** When the first durable event happened, wall clock ms; 0 when there is none. */
  oldest(): number {
    const [first] = this.table.read(this.name, this.floor, 1);
    return first === undefined ? 0 : rowFacts(first.value).at;
  }

  /** The next batch, once it is durable what belongs to it; null: there is none. What is too old is dropped before. */
  async begin(): Promise<EventBatch | null> {
    await this.counted;
    while (!this.closed) {
      const { last: begun, id } = this.remembered;
      const found = this.compose(begun);
      if (found === null) {
        if (begun === 0) return null;
        // Its rows were dropped.
        await this.settle([], { id: '', last: 0 });
        continue;
      }
      const batch = { id: begun === 0 ? randomUUID() : id, ...found };
      if (await this.expire(batch)) continue;
      if (begun === 0) await this.settle([], { id: batch.id, last: batch.numbers.at(-1)! });
      return batch;
    }
    return null;
  }

  /** The batch was told. */
  finish(batch: EventBatch): void {
    void this.takeOut(batch);
  }

  /** True: the batch was not told for too long, and is dropped. */
  async expire(batch: EventBatch): Promise<boolean> {
    if (this.host.wall() - batch.at <= this.bounds.maxAge) return false;
    this.host.dropped(batch.events, 'old');
    await this.takeOut(batch);
    return true;
  }

  /** Nothing is to be sent until it is told otherwise; '': it is. Kept over restarts. */
  disable(reason: string): Promise<void> {
    return this.settle([], { disabled: reason });
  }

  close(): void {
    this.closed = true;
  }

  /** Rows up to `begun`, or where that is 0 as many as make a batch. */
  private compose(begun: number): Omit<EventBatch, 'id'> | null {
    const numbers: number[] = [];
    const values: Buffer[] = [];
    let [events, bytes] = [0, 0];
    for (let after = this.floor; ; after = numbers.at(-1)!) {
      const rows = this.table.read(this.name, after, SLICE);
      for (const { number, value } of rows) {
        const more = rowFacts(value);
        const full = events + more.events > this.bounds.batch || bytes + more.bytes > MAX_BODY;
        if (begun > 0 ? number > begun : full && numbers.length > 0) return batchOf(numbers, values, events, bytes);
        numbers.push(number);
        values.push(value);
        events += more.events;
        bytes += more.bytes;
      }
      if (rows.length < SLICE) return batchOf(numbers, values, events, bytes);
    }
  }

  private takeOut({ numbers, events, bytes }: EventBatch): Promise<void> {
    this.floor = numbers.at(-1)!;
    this.events -= events;
    this.bytes -= bytes;
    return this.settle(numbers, { id: '', last: 0 });
  }

  private settle(numbers: readonly number[], changes: Partial<Remembered>): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.remembered = { ...this.remembered, ...changes };
    const { id, last, disabled } = this.remembered;
    const text = last === 0 && disabled === '' ? '' : JSON.stringify({ id, last, disabled });
    return new Promise((resolve) => this.table.remove(this.name, numbers, text, resolve));
  }

  private number(values: readonly Buffer[]): OutboxRow[] {
    return values.map((value) => ({ number: this.next++, value }));
  }

  private written(events: number, size: number): void {
    this.events += events;
    this.bytes += size;
    if (this.bytes > this.bounds.maxBytes) void this.trim();
    this.host.changed();
  }

  /** Drops the oldest rows that are not under way until there is room. */
  private async trim(): Promise<void> {
    if (this.trimming) return;
    this.trimming = true;
    await this.counted;
    while (this.bytes > this.bounds.maxBytes && !this.closed) {
      const numbers: number[] = [];
      let events = 0;
      for (const { number, value } of this.table.read(this.name, Math.max(this.floor, this.remembered.last), SLICE)) {
        if (this.bytes <= this.bounds.maxBytes) break;
        const facts = rowFacts(value);
        numbers.push(number);
        events += facts.events;
        this.bytes -= facts.bytes;
      }
      if (numbers.length === 0) break;
      this.events -= events;
      this.host.dropped(events, 'full');
      await this.settle(numbers, {});
    }
    this.trimming = false;
  }

  /** Counts the rows of an earlier run, some at a time. */
  private count(after: number, end: number, done: () => void): void {
    const rows = this.closed ? [] : this.table.read(this.name, after, SLICE).filter(({ number }) => number < end);
    for (const { value } of rows) {
      const { events, bytes } = rowFacts(value);
      this.events += events;
      this.bytes += bytes;
    }
    if (rows.length === SLICE) setImmediate(() => this.count(rows.at(-1)!.number, end, done));
    else done();
  }
}

function batchOf(
  numbers: readonly number[],
  values: readonly Buffer[],
  events: number,
  bytes: number,
): Omit<EventBatch, 'id'> | null {
  if (numbers.length === 0) return null;
  const { at } = rowFacts(values[0]!);
  return { numbers, events, bytes, at, body: bodyOf(values) };
}

function sizeOf(rows: readonly OutboxRow[]): number {
  return rows.reduce((sum, { value }) => sum + value.length, 0);
}

function parse(text: string): Remembered {
  return text === '' ? NOTHING : { ...NOTHING, ...(JSON.parse(text) as Partial<Remembered>) };
}
