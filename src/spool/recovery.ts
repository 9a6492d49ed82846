/**
 * What a start reads from the store.
 *
 * Walks through LMDB are cut into slices with a turn of the event loop between them, and touch leaf pages only: rows of
 * messages stay on disk. Only the chunk counts of large messages, and the schedule until it is handed over, are held.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { bufferToKeyValue, type Database } from 'lmdb';
import type { QueueId } from '../core/queue-id.js';
import type { Work } from './commit-queue.js';
import { readTableRows } from './data-file-check.js';
import { unpackPlain } from './envelope-codec.js';
import { removeChunks } from './large-store.js';
import { isHeld, isSchedule, laneOf, scheduleDue, scheduleFlags, scheduleId } from './record-codec.js';
import type { StoredLane } from './spool.js';
import { statisticsOf, type Tables } from './tables.js';

declare module 'lmdb' {
  /** Decodes a key; exported, but missing in lmdb's declarations. */
  export function bufferToKeyValue(key: Buffer): unknown;
}

const SLICE = 4_096;

export interface OpeningFacts {
  /** Messages that are not in quarantine. */
  readonly messages: number;
  readonly quarantined: Set<QueueId>;
  /** At or below every message without a schedule row. */
  readonly lowWater: number;
  /** Number of chunks of every large message. */
  readonly large: Map<QueueId, number>;
  /** Removals of chunks whose message was never completed. */
  readonly orphans: Work[];
  readonly greatestId: QueueId;
}

/** Reads quarantine, low-water id and chunk counts, and finds chunks without a message. */
export async function readOpeningFacts(tables: Tables): Promise<OpeningFacts> {
  const quarantined = new Set<QueueId>();
  for (const keys = new KeySlices(tables.quarantine, 0); keys.first !== Number.POSITIVE_INFINITY; )
    quarantined.add(keys.take());
  const large = new Map<QueueId, number>();
  const orphans: Work[] = [];
  let greatestId = 0;
  for (const id of tables.message.getKeys({ reverse: true, limit: 1 })) greatestId = id;
  let turn = 0;
  let chunk: [number, number] | undefined = firstChunk(tables, [0, 0]);
  while (chunk !== undefined) {
    const [id] = chunk;
    if (id > greatestId) greatestId = id;
    const after = firstChunkOfNext(tables, id);
    const count = lastChunkOf(tables, id) + 1;
    if (tables.message.doesExist(id)) large.set(id, count);
    else orphans.push(removeChunks(tables, id, count));
    chunk = after;
    if (++turn % 512 === 0) await nextTurn();
  }
  const lowWater = unpackPlain(tables.meta.getBinary('low-water') ?? Buffer.alloc(0))?.['id'];
  return {
    messages: statisticsOf(tables.message).entryCount - quarantined.size,
    quarantined,
    lowWater: typeof lowWater === 'number' ? lowWater : 0,
    large,
    orphans,
    greatestId,
  };
}

/** The `schedule` table as a start needs it: ids ascending, with next attempt, hold and lane. About 17 bytes a message. */
export interface ScheduleRows {
  readonly count: number;
  readonly ids: Float64Array;
  readonly due: Float64Array;
  readonly flags: Uint8Array;
}

export const NO_SCHEDULE: ScheduleRows = {
  count: 0,
  ids: new Float64Array(0),
  due: new Float64Array(0),
  flags: new Uint8Array(0),
};

/** Reads the `schedule` table of a data file that is not open. Blocks for about 0.3 s a million rows. */
export function readSchedule(file: string): ScheduleRows {
  let count = 0;
  let ids = new Float64Array(1024);
  let due = new Float64Array(1024);
  let flags = new Uint8Array(1024);
  readTableRows(file, 'schedule', (page, keyAt, dataAt, dataEnd) => {
    const whole = isSchedule(page, dataAt, dataEnd);
    const id = whole ? scheduleId(page, dataAt) : bufferToKeyValue(Buffer.from(page.subarray(keyAt, dataAt)));
    if (typeof id !== 'number') return;
    if (count === ids.length) {
      ids = grown(ids, new Float64Array(2 * count));
      due = grown(due, new Float64Array(2 * count));
      flags = grown(flags, new Uint8Array(2 * count));
    }
    // A damaged row loses when to try again, not that there is a message: it is tried at once.
    ids[count] = id;
    due[count] = whole ? scheduleDue(page, dataAt) : 1;
    flags[count] = whole ? scheduleFlags(page, dataAt) : 0;
    count += 1;
  });
  return { count, ids, due, flags };
}

function grown<T extends Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * Calls `each` for every message that is not in quarantine, oldest first: those with a schedule row, merged with those
 * from `lowWater` on that have none. The greatest id in use.
 */
export async function recoverMessages(
  tables: Tables,
  schedule: ScheduleRows,
  lowWater: number,
  quarantined: ReadonlySet<QueueId>,
  each: (id: QueueId, due: number, held: boolean, lane: StoredLane, fresh: boolean) => void,
): Promise<QueueId> {
  const untried = new KeySlices(tables.message, lowWater);
  const give = (id: QueueId, due: number, flags: number): void => {
    if (!quarantined.has(id)) each(id, due, isHeld(flags), laneOf(flags), false);
  };
  const giveFresh = (id: QueueId): void => {
    if (!quarantined.has(id)) each(id, 0, false, 'bulk', true);
  };
  let greatest = 0;
  for (let at = 0; at < schedule.count; at++) {
    const id = schedule.ids[at]!;
    while (untried.first < id) giveFresh(untried.take());
    if (untried.first === id) untried.take();
    give(id, schedule.due[at]!, schedule.flags[at]!);
    greatest = id;
    if (at % SLICE === SLICE - 1) await nextTurn();
  }
  for (let taken = 0; untried.first !== Number.POSITIVE_INFINITY; taken++) {
    greatest = Math.max(greatest, untried.first);
    giveFresh(untried.take());
    if (taken % SLICE === SLICE - 1) await nextTurn();
  }
  return greatest;
}

/** The keys of a table from `from` on, read in slices; no cursor stays open in between. */
class KeySlices {
  private readonly table: Database<Buffer, number>;
  private slice: QueueId[] = [];
  private at = 0;
  private start: QueueId;

  constructor(table: Database<Buffer, number>, from: QueueId) {
    this.table = table;
    this.start = from;
    this.fill();
  }

  /** The next key, Infinity when there is none. */
  get first(): QueueId {
    return this.slice[this.at] ?? Number.POSITIVE_INFINITY;
  }

  /** Takes the next key; there must be one. */
  take(): QueueId {
    const id = this.slice[this.at++]!;
    if (this.at === this.slice.length) this.fill();
    return id;
  }

  private fill(): void {
    this.slice = Array.from(this.table.getKeys({ start: this.start, limit: SLICE }));
    this.at = 0;
    const last = this.slice[this.slice.length - 1];
    if (last !== undefined) this.start = last + 1;
  }
}

function firstChunk(tables: Tables, start: [number, number]): [number, number] | undefined {
  for (const key of tables.chunk.getKeys({ start, limit: 1 })) return key;
  return undefined;
}

function firstChunkOfNext(tables: Tables, id: QueueId): [number, number] | undefined {
  return firstChunk(tables, [id, Number.MAX_SAFE_INTEGER]);
}

function lastChunkOf(tables: Tables, id: QueueId): number {
  const range = { start: [id, Number.MAX_SAFE_INTEGER], end: [id, 0], reverse: true, limit: 1, inclusiveEnd: true };
  for (const [, n] of tables.chunk.getKeys(range)) return n;
  return 0;
}
