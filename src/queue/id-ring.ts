/**
 * Ids of messages that wait in the spool for their destination, first in, first out: 8 bytes each in a typed array that
 * grows and shrinks with what is in it.
 */
import type { QueueId } from '../core/queue-id.js';

/** Small enough to lie within the object: of tens of thousands of rings most hold a few ids. */
const SMALLEST = 8;

export class IdRing {
  private ids = new Float64Array(SMALLEST);
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(id: QueueId): void {
    if (this.count === this.ids.length) this.resize(this.count * 2);
    this.ids[(this.head + this.count++) & (this.ids.length - 1)] = id;
  }

  /** Takes the first. Not to be called when empty. */
  shift(): QueueId {
    const id = this.ids[this.head]!;
    this.head = (this.head + 1) & (this.ids.length - 1);
    this.count--;
    if (this.ids.length > SMALLEST && this.count <= this.ids.length >> 3) this.resize(this.ids.length >> 1);
    return id;
  }

  /** How many are before it, -1 when it is not here. */
  indexOf(id: QueueId): number {
    for (let i = 0; i < this.count; i++) if (this.ids[(this.head + i) & (this.ids.length - 1)] === id) return i;
    return -1;
  }

  private resize(size: number): void {
    const ids = new Float64Array(size);
    for (let i = 0; i < this.count; i++) ids[i] = this.ids[(this.head + i) & (this.ids.length - 1)]!;
    this.ids = ids;
    this.head = 0;
  }
}
