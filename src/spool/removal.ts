/**
 * The removal of a message as a piece of work for the commit queue. A class, because there is one for every message.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Work } from './commit-queue.js';
import type { Tables } from './tables.js';

/** The spool, as its removals see it. */
export interface RemovalOwner {
  /** Inside the commit of a settlement. */
  settling(): void;
  /** The removal is durable. */
  removed(id: QueueId): void;
}

/** Removes the rows and chunks of one message. */
export class Removal implements Work {
  readonly settlement = true;
  readonly id: QueueId;
  private readonly spool: RemovalOwner;
  private readonly tables: Tables;
  private readonly fresh: boolean;
  private readonly chunks: number;

  constructor(spool: RemovalOwner, tables: Tables, id: QueueId, fresh: boolean, chunks: number) {
    this.spool = spool;
    this.tables = tables;
    this.id = id;
    this.fresh = fresh;
    this.chunks = chunks;
  }

  write(): Promise<boolean> {
    const { tables, id } = this;
    const committed = tables.message.remove(id);
    if (!this.fresh) {
      void tables.schedule.remove(id);
      void tables.state.remove(id);
    }
    for (let n = 0; n < this.chunks; n++) void tables.chunk.remove([id, n]);
    this.spool.settling();
    return committed;
  }

  done(): void {
    this.spool.removed(this.id);
  }
}
