/**
 * Messages that were never tried, and the low-water id that lets a start find them.
 *
 * Such messages have no `schedule` row, so a start would have to read every message key to see which they are. `meta`
 * holds an id that is at or below all of them; a start reads from there. The id is raised now and then inside a commit
 * that is made anyway, and lowered in the same commit that stores a message below it: a low-water id that is too low
 * costs time, one too high would lose mail, so it is never raised before `complete` was called.
 */
import type { QueueId } from '../core/queue-id.js';
import { packPlain } from './envelope-codec.js';
import type { Tables } from './tables.js';

/** Pause between raises, ms, and the greatest number of fresh ids that is looked through for one. */
const RAISE_INTERVAL = 1_000;
const LARGEST_LOOK = 50_000;

export class FreshMessages {
  /** Greatest id ever seen. */
  greatest: QueueId;
  private readonly tables: Tables;
  private readonly ids = new Set<QueueId>();
  private lowWater: QueueId;
  private raisedAt = Number.NEGATIVE_INFINITY;
  /** Every fresh message of the store is in `ids`. */
  private isComplete = false;
  /** A commit that may have lowered the id was aborted: the next store writes it anew. */
  private unknown = false;

  constructor(tables: Tables, lowWater: QueueId, greatest: QueueId) {
    this.tables = tables;
    this.lowWater = lowWater;
    this.greatest = greatest;
  }

  /** Where recovery starts to look. */
  get from(): QueueId {
    return this.lowWater;
  }

  /** Adds a message found by recovery, or one that is on its way into the store: from staging on, not from the commit on. */
  add(id: QueueId): void {
    this.ids.add(id);
    this.pass(id);
  }

  /** One that has a `schedule` row from the beginning. */
  pass(id: QueueId): void {
    if (id > this.greatest) this.greatest = id;
  }

  /** Whether it was fresh; it is no longer. */
  delete(id: QueueId): boolean {
    return this.ids.delete(id);
  }

  /** Recovery has added all there are. */
  complete(): void {
    this.isComplete = true;
  }

  /** The commit of a store was aborted. */
  forget(id: QueueId): void {
    this.ids.delete(id);
    this.unknown = true;
  }

  /** Inside a commit that stores messages, all of them added: `lowest` is the least id among them. */
  stored(lowest: QueueId): void {
    if (this.unknown) {
      this.unknown = false;
      void this.put(this.isComplete ? this.lowest() : 0);
    } else if (lowest < this.lowWater) void this.put(lowest);
  }

  /** Inside a commit that settles everything that has left here: raises the id when that is due. */
  raise(now: number): void {
    if (now - this.raisedAt < RAISE_INTERVAL) return;
    this.raisedAt = now;
    void this.raiseNow();
  }

  /** Inside a commit: raises the id if it can be. */
  raiseNow(): Promise<boolean> | undefined {
    if (!this.isComplete || this.unknown || this.ids.size > LARGEST_LOOK) return undefined;
    const lowest = this.lowest();
    return lowest > this.lowWater ? this.put(lowest) : undefined;
  }

  /** One past everything ever stored when nothing is fresh. */
  private lowest(): QueueId {
    let lowest = this.greatest + 1;
    for (const id of this.ids) if (id < lowest) lowest = id;
    return lowest;
  }

  private put(id: QueueId): Promise<boolean> {
    this.lowWater = id;
    return this.tables.meta.put('low-water', packPlain({ id }));
  }
}
