/**
 * Which message is due next: a binary heap of (due, id) in two typed arrays, 16 bytes a message, so that a backlog of
 * millions costs tens of megabytes and no objects. Entries are never searched or removed from the middle: whoever pops
 * one checks whether it still stands.
 */
import type { QueueId } from '../core/queue-id.js';

export class DueHeap {
  private due = new Float64Array(1024);
  private ids = new Float64Array(1024);
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** Due time of the first entry, Infinity when empty. */
  get nextDue(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : this.due[0]!;
  }

  push(due: number, id: QueueId): void {
    if (this.count === this.due.length) this.grow();
    let at = this.count++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(due, id, this.due[parent]!, this.ids[parent]!)) break;
      this.due[at] = this.due[parent]!;
      this.ids[at] = this.ids[parent]!;
      at = parent;
    }
    this.due[at] = due;
    this.ids[at] = id;
  }

  /** Takes the first entry off and returns its id. Not to be called when empty. */
  pop(): QueueId {
    const first = this.ids[0]!;
    const last = --this.count;
    const due = this.due[last]!;
    const id = this.ids[last]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (
        child + 1 < last &&
        this.before(this.due[child + 1]!, this.ids[child + 1]!, this.due[child]!, this.ids[child]!)
      )
        child++;
      if (!this.before(this.due[child]!, this.ids[child]!, due, id)) break;
      this.due[at] = this.due[child]!;
      this.ids[at] = this.ids[child]!;
      at = child;
    }
    this.due[at] = due;
    this.ids[at] = id;
    return first;
  }

  /** The earliest time at which an id is in it, undefined when it is not. Looks at every entry: for operators. */
  dueOf(id: QueueId): number | undefined {
    let earliest: number | undefined;
    for (let at = this.ids.indexOf(id); at >= 0 && at < this.count; at = this.ids.indexOf(id, at + 1))
      if (earliest === undefined || this.due[at]! < earliest) earliest = this.due[at]!;
    return earliest;
  }

  /** Earlier first; among equals the older message. */
  private before(dueA: number, idA: QueueId, dueB: number, idB: QueueId): boolean {
    return dueA < dueB || (dueA === dueB && idA < idB);
  }

  private grow(): void {
    const due = new Float64Array(this.due.length * 2);
    const ids = new Float64Array(this.ids.length * 2);
    due.set(this.due);
    ids.set(this.ids);
    this.due = due;
    this.ids = ids;
  }
}
