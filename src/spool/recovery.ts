/**
 * What a start reads from the store.
 *
 * Every walk is cut into slices with a turn of the event loop between them, and touches leaf pages only: rows of
 * messages stay on disk. Nothing here grows with the backlog except the chunk counts of large messages.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from 'lmdb';
import type { QueueId } from '../core/queue-id.js';
import type { Work } from './commit-queue.js';
import { unpackPlain } from './envelope-codec.js';
import { removeChunks } from './large-store.js';
import { decodeSchedule } from './record-codec.js';
import { statisticsOf, type Tables } from './tables.js';

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

/**
 * Calls `each` for every message that is not in quarantine, oldest first: those with a schedule row, merged with those
 * from `lowWater` on that have none. The greatest id in use.
 */
export async function recoverMessages(
  tables: Tables,
  lowWater: number,
  quarantined: ReadonlySet<QueueId>,
  each: (id: QueueId, due: number, held: boolean, fresh: boolean) => void,
): Promise<QueueId> {
  const untried = new KeySlices(tables.message, lowWater);
  const give = (id: QueueId, due: number, held: boolean, fresh: boolean): void => {
    if (!quarantined.has(id)) each(id, due, held, fresh);
  };
  let greatest = 0;
  let start = 0;
  for (;;) {
    // Read whole before anything is awaited: a cursor must not stay open over a turn.
    const rows = Array.from(tables.schedule.getRange({ start, limit: SLICE }));
    for (const { key: id, value } of rows) {
      while (untried.first < id) give(untried.take(), 0, false, true);
      if (untried.first === id) untried.take();
      // A damaged row loses when to try again, not that there is a message: it is tried at once.
      const row = decodeSchedule(value);
      give(id, row?.due ?? 1, row?.held ?? false, false);
      greatest = id;
    }
    if (rows.length < SLICE) break;
    start = rows[rows.length - 1]!.key + 1;
    await nextTurn();
  }
  for (let taken = 0; untried.first !== Number.POSITIVE_INFINITY; taken++) {
    greatest = Math.max(greatest, untried.first);
    give(untried.take(), 0, false, true);
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
