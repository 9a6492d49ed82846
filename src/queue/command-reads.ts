/**
 * Reads of messages for commands. A message may be read back, delivered or changed by another command while a command
 * reads it: then what was read may be out of date, and the command is told so instead.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Spool, StoredMessage } from '../spool/spool.js';

export class CommandReads {
  private readonly spool: Spool;
  /** Messages being read; `stale`: something happened to it since. */
  private readonly watched = new Map<QueueId, { stale: boolean; readers: number }>();

  constructor(spool: Spool) {
    this.spool = spool;
  }

  /** As Scheduler.withStored. */
  async withStored<T>(id: QueueId, work: (stored: StoredMessage) => T): Promise<T | undefined | null> {
    const watch = this.watched.get(id) ?? { stale: false, readers: 0 };
    this.watched.set(id, watch);
    watch.readers++;
    try {
      const stored = await this.spool.load(id);
      if (watch.stale) return null;
      return stored && work(stored);
    } finally {
      if (--watch.readers === 0 && this.watched.get(id) === watch) this.watched.delete(id);
    }
  }

  /** Something happens to a message. */
  disturb(id: QueueId): void {
    const watch = this.watched.size === 0 ? undefined : this.watched.get(id);
    if (watch === undefined) return;
    watch.stale = true;
    // Who reads from now on reads what is so now.
    this.watched.delete(id);
  }
}
