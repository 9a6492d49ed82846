/**
 * Brings message rows into memory on another thread, so that a cold row does not stop this one for a disk read.
 *
 * One trip serves the loads of a turn: a trip for each costs ten times a read from memory.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Tables } from './tables.js';

/** Rows of one trip. */
const GROUP = 64;

export class Prefetcher {
  private readonly tables: Tables;
  private wanted: { readonly ids: QueueId[]; readonly done: Promise<void> } | undefined;
  private closed = false;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  /** Resolves when the row can be read without waiting for the disk, or the store is closed. */
  fetch(id: QueueId): Promise<void> {
    const group = this.wanted;
    if (group !== undefined && group.ids.length < GROUP) {
      group.ids.push(id);
      return group.done;
    }
    const ids = [id];
    const done = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        if (this.wanted?.ids === ids) this.wanted = undefined;
        if (this.closed) resolve();
        else this.tables.message.prefetch(ids).then(resolve, reject);
      });
    });
    this.wanted = { ids, done };
    return done;
  }

  /** The environment is about to be closed: no trip begins any more. */
  close(): void {
    this.closed = true;
  }
}
