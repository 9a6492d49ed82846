/**
 * The durable store on LMDB.
 *
 * Contract: that of Spool. This class decides what is written and when it counts as done; the bytes are made by
 * record-codec.ts, transactions by commit-queue.ts, start-up by open-spool.ts and recovery.ts.
 *
 * A message that was never tried has a `message` row only and its id in memory (fresh-messages.ts); one that a start must
 * know more of (lane immediate, a time before which it does not go) has a `schedule` row as well. One that was tried has
 * a `schedule` and a `state` row and costs no memory here. `large` knows how many chunks to remove.
 */
import type { Clock } from '../core/clock.js';
import { SluiceError } from '../core/errors.js';
import type { QueueId } from '../core/queue-id.js';
import { type Lane, PLAIN_HANDLING } from '../message/envelope.js';
import { CommitQueue } from './commit-queue.js';
import { packPlain } from './envelope-codec.js';
import { FreshMessages } from './fresh-messages.js';
import { type KeyTable, LmdbKeyTable } from './key-table.js';
import { type PreparedLarge, prepareWhole, putWholeChunks, storeWindows, WHOLE_IN_MEMORY } from './large-store.js';
import { LmdbOutboxTable } from './outbox-table.js';
import { Prefetcher } from './prefetcher.js';
import {
  CHUNK_BYTES,
  DamagedRecord,
  decodeMessageRow,
  encodeInline,
  encodeSchedule,
  encodeState,
  type InlineRow,
} from './record-codec.js';
import { NO_SCHEDULE, type OpeningFacts, readOpeningFacts, recoverMessages, type ScheduleRows } from './recovery.js';
import { Removal, type RemovalOwner } from './removal.js';
import { RowMemory } from './row-memory.js';
import { Space } from './space.js';
import type {
  DeliveryState,
  NewMessage,
  RecoveryReport,
  Spool,
  SpoolUsage,
  StoredContent,
  StoredLane,
  StoredMessage,
} from './spool.js';
import { ChunkedContent, type ChunkReader, InlineContent } from './stored-content.js';
import { loadState } from './stored-state.js';
import type { Tables } from './tables.js';
import { allSettledOrThrow, withDeadline } from './waiting.js';

/** How long close waits for outstanding writes, ms. */
const CLOSE_DEADLINE = 10_000;

export interface LmdbSpoolOptions {
  readonly tables: Tables;
  readonly file: string;
  readonly mapSize: number;
  /** The `schedule` table as it was before the environment was opened, for `recover`. */
  readonly schedule: ScheduleRows;
  readonly minFreeBytes: number;
  readonly clock: Clock;
  readonly onFailure: (error: SluiceError) => void;
  readonly onDamage: (id: QueueId, reason: string) => void;
  /** Gives up the locks; called when the environment is closed. */
  readonly release: () => void;
}

export class LmdbSpool implements Spool, ChunkReader, RemovalOwner {
  readonly suppression: KeyTable;
  readonly answered: LmdbKeyTable;
  readonly outbox: LmdbOutboxTable;
  private readonly tables: Tables;
  private readonly options: LmdbSpoolOptions;
  private readonly queue: CommitQueue;
  private readonly space: Space;
  private readonly memory = new RowMemory();
  private readonly prefetcher: Prefetcher;
  private readonly fresh: FreshMessages;
  /** Removed, but the commit is not done. */
  private readonly removing = new Set<QueueId>();
  private readonly large: Map<QueueId, number>;
  private readonly quarantined: Set<QueueId>;
  private messages: number;
  private schedule: ScheduleRows;
  private closed = false;

  /** For openSpool: `facts` and a first look at the disk come before. */
  private constructor(options: LmdbSpoolOptions, facts: OpeningFacts, space: Space) {
    this.options = options;
    this.tables = options.tables;
    this.prefetcher = new Prefetcher(options.tables);
    this.space = space;
    this.large = facts.large;
    this.quarantined = facts.quarantined;
    this.messages = facts.messages;
    this.schedule = options.schedule;
    this.fresh = new FreshMessages(options.tables, facts.lowWater, facts.greatestId);
    this.queue = new CommitQueue(options.tables, {
      isFull: (error) => space.isFull(error),
      onFatal: options.onFailure,
    });
    this.suppression = new LmdbKeyTable(options.tables.suppression, this.queue);
    this.answered = new LmdbKeyTable(options.tables.answered, this.queue);
    this.outbox = new LmdbOutboxTable(options.tables.outbox, this.queue);
    for (const orphans of facts.orphans) this.queue.submit(orphans);
  }

  /** Reads what a start must know and makes the store ready. */
  static async create(options: LmdbSpoolOptions): Promise<LmdbSpool> {
    const space = new Space(options.tables, options.file, options.mapSize, options.minFreeBytes, options.clock);
    await space.look();
    return new LmdbSpool(options, await readOpeningFacts(options.tables), space);
  }

  async store(batch: readonly NewMessage[]): Promise<StoredContent[]> {
    this.refuseWhenDown();
    let bytes = 0;
    for (const message of batch) bytes += message.envelope.content.size;
    if (!this.space.take(bytes))
      throw new SluiceError('spool-full', 'the spool has reached its reserve of free space', { temporary: true });

    const prepared = new Array<InlineRow | PreparedLarge>(batch.length);
    const windowed: Promise<void>[] = [];
    for (const [at, message] of batch.entries()) {
      const row = encodeInline(message, this.memory.allocate);
      if (row !== null) prepared[at] = row;
      else if (message.envelope.content.size <= WHOLE_IN_MEMORY)
        prepared[at] = prepareWhole(message, this.memory.allocate);
      else
        windowed.push(
          storeWindows(this.tables, this.queue, message).then((stored) => {
            prepared[at] = stored;
          }),
        );
    }
    if (windowed.length > 0) await allSettledOrThrow(windowed);
    return new Promise((resolve, reject) => {
      this.queue.submit({
        settlement: false,
        id: 0,
        write: () => this.putMessages(batch, prepared),
        done: () => resolve(this.stored(batch, prepared)),
        failed: (error) => {
          for (const { envelope } of batch) this.fresh.forget(envelope.id);
          reject(error);
        },
      });
    });
  }

  remove(id: QueueId): void {
    const fresh = this.fresh.delete(id);
    let chunks = 0;
    if (this.large.size > 0) {
      chunks = this.large.get(id) ?? 0;
      this.large.delete(id);
    }
    if (!this.removing.has(id) && (fresh || this.tables.message.doesExist(id))) {
      this.messages -= 1;
      this.removing.add(id);
    }
    this.queue.submit(new Removal(this, this.tables, id, fresh, chunks));
  }

  defer(id: QueueId, state: DeliveryState, lane: Lane = 'bulk'): void {
    const schedule = encodeSchedule(id, state.due, state.held, state.attempts > 0 ? 'deferred' : lane);
    const details = encodeState(state);
    this.fresh.delete(id);
    const { tables } = this;
    this.queue.submit({
      settlement: true,
      id,
      write: () => {
        void tables.state.put(id, details);
        return tables.schedule.put(id, schedule);
      },
    });
  }

  async load(id: QueueId): Promise<StoredMessage | undefined> {
    this.refuseWhenDown();
    // Faults the pages in on another thread: a cold row must not stop this one for a disk read.
    await this.prefetcher.fetch(id);
    // What is read is what was settled last; another settlement may come while we wait for one.
    while (this.queue.hasPending(id)) await this.queue.flush();
    if (this.closed || this.quarantined.has(id)) return undefined;
    const row = this.tables.message.getBinary(id);
    if (row === undefined) return undefined;
    try {
      const { envelope, content, checksums, chunkBytes } = decodeMessageRow(row);
      if (envelope.id !== id) throw new DamagedRecord('message row under the id of another message');
      const { size } = envelope.content;
      return {
        envelope,
        content:
          content !== null
            ? new InlineContent(size, content)
            : new ChunkedContent(this, id, size, checksums!, null, chunkBytes),
        state: loadState(this.tables, id, this.options.onDamage),
      };
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.quarantine(id, error.message);
      return undefined;
    }
  }

  async recover(each: (id: QueueId, due: number, held: boolean, lane: StoredLane) => void): Promise<RecoveryReport> {
    this.refuseWhenDown();
    this.messages = 0;
    const greatestId = await recoverMessages(
      this.tables,
      this.schedule,
      this.fresh.from,
      this.quarantined,
      (id, due, held, lane, fresh) => {
        this.messages += 1;
        if (fresh) this.fresh.add(id);
        each(id, due, held, lane);
      },
    );
    this.fresh.greatest = Math.max(this.fresh.greatest, greatestId);
    this.fresh.complete();
    this.schedule = NO_SCHEDULE;
    return { messages: this.messages, quarantined: this.quarantined.size, greatestId: this.fresh.greatest };
  }

  isQuarantined(id: QueueId): boolean {
    return this.quarantined.has(id);
  }

  list(after: QueueId, limit: number): QueueId[] {
    const ids: QueueId[] = [];
    if (this.closed) return ids;
    for (const id of this.tables.message.getKeys({ start: after + 1 })) {
      if (ids.length >= limit) break;
      if (!this.quarantined.has(id)) ids.push(id);
    }
    return ids;
  }

  usage(): SpoolUsage {
    return {
      messages: this.messages,
      fileBytes: this.space.fileBytes,
      availableBytes: this.closed || this.queue.failure !== null ? 0 : this.space.available(),
      flushes: this.queue.commits,
    };
  }

  flush(): Promise<void> {
    return this.queue.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    if (this.queue.failure === null) this.queue.submit({ settlement: true, id: 0, write: () => this.fresh.raiseNow() });
    await withDeadline(this.queue.flush(), CLOSE_DEADLINE);
    this.closed = true;
    this.prefetcher.close();
    await withDeadline(this.tables.environment.close(), CLOSE_DEADLINE);
    this.options.release();
  }

  /** @internal */
  readChunk(id: QueueId, n: number): Buffer | undefined {
    return this.closed ? undefined : this.tables.chunk.getBinary([id, n]);
  }

  /** @internal */
  chunkDamaged(id: QueueId, reason: string): void {
    if (!this.closed) this.quarantine(id, reason);
  }

  /** @internal Inside the commit of a removal. */
  settling(): void {
    // What still waits for a later commit has left `fresh` already: the low-water id must not pass it.
    if (this.queue.waiting === 0) this.fresh.raise(this.options.clock.now());
  }

  /** @internal The removal is durable. */
  removed(id: QueueId): void {
    this.removing.delete(id);
  }

  private putMessages(
    batch: readonly NewMessage[],
    prepared: readonly (InlineRow | PreparedLarge)[],
  ): Promise<boolean> | undefined {
    const { tables } = this;
    let committed: Promise<boolean> | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (let at = 0; at < batch.length; at++) {
      const { envelope, beside } = batch[at]!;
      const { id, content, handling } = envelope;
      const ready = prepared[at]!;
      committed = tables.message.put(id, ready.row);
      if ('checksums' in ready && ready.inline !== null) putWholeChunks(tables, id, content.size, ready.inline);
      if (beside !== undefined) this.answered.write(beside);
      const { lane, holdUntil } = handling;
      if (handling !== PLAIN_HANDLING && (lane === 'immediate' || holdUntil > 0)) {
        void tables.schedule.put(id, encodeSchedule(id, holdUntil, false, lane));
        this.fresh.pass(id);
      } else {
        if (id < lowest) lowest = id;
        this.fresh.add(id);
      }
    }
    this.fresh.stored(lowest);
    this.outbox.store(batch);
    this.settling();
    return committed;
  }

  private stored(batch: readonly NewMessage[], prepared: readonly (InlineRow | PreparedLarge)[]): StoredContent[] {
    const contents = new Array<StoredContent>(batch.length);
    const { release } = this.memory;
    for (let at = 0; at < batch.length; at++) {
      const { envelope, beside } = batch[at]!;
      const { id, content } = envelope;
      if (beside !== undefined) this.answered.written();
      const ready = prepared[at]!;
      if ('content' in ready) contents[at] = new InlineContent(content.size, ready.content, release);
      else {
        this.large.set(id, Math.ceil(content.size / CHUNK_BYTES));
        const { checksums, inline } = ready;
        contents[at] = new ChunkedContent(this, id, content.size, checksums, inline, CHUNK_BYTES, release);
      }
    }
    this.messages += batch.length;
    this.outbox.stored(batch);
    return contents;
  }

  /**
   * Sets a damaged message aside: a row in `quarantine` with the reason, no attempt any more. Its bytes stay where they
   * are for whoever wants to look: freeing pages that cannot be trusted could free pages of other messages.
   */
  private quarantine(id: QueueId, reason: string): void {
    if (this.quarantined.has(id)) return;
    this.quarantined.add(id);
    this.fresh.delete(id);
    this.large.delete(id);
    this.messages -= 1;
    const { tables } = this;
    const row = packPlain({ reason, at: this.options.clock.wall() });
    this.queue.submit({
      settlement: true,
      id,
      write: () => {
        void tables.schedule.remove(id);
        void tables.state.remove(id);
        return tables.quarantine.put(id, row);
      },
    });
    this.options.onDamage(id, reason);
  }

  private refuseWhenDown(): void {
    if (this.queue.failure !== null) throw this.queue.failure;
    if (this.closed) throw new SluiceError('spool-failed', 'the spool is closed', { temporary: true });
  }
}
