/**
 * What was counted in the last span of time, kept in up to 60 slots.
 *
 * What was counted at a time counts until the slot it fell into is a whole span in the past: in no span whatever is more
 * counted than `total` says, and nothing counts for more than a slot longer than it must. Exact: times are taken as whole
 * milliseconds and slots are whole milliseconds long, so nothing is rounded the wrong way.
 * Limits: 61 slots at most, kept only where something was counted: about 100 bytes and 16 more for each of those.
 */

const MOST_SLOTS = 60;

export class SlidingCount {
  /** What counts now, as of the last `advance`. */
  total = 0;
  private readonly slotMs: number;
  /** Slots that make up a span. */
  private readonly span: number;
  /** Numbers of the slots in which something was counted, ascending, and how much. */
  private readonly slots: number[] = [];
  private readonly counts: number[] = [];
  private newest = Number.NEGATIVE_INFINITY;

  /** `span`: ms, 1 or more. */
  constructor(span: number) {
    this.slotMs = Math.ceil(span / MOST_SLOTS);
    this.span = Math.ceil(span / this.slotMs);
  }

  /** Forgets what is past. Time that goes back counts as standing still. */
  advance(now: number): void {
    const slot = this.slotOf(now);
    if (slot <= this.newest) return;
    this.newest = slot;
    const { slots, counts } = this;
    while (slots.length > 0 && slots[0]! < slot - this.span) {
      slots.shift();
      this.total -= counts.shift()!;
    }
  }

  /** Counts at the time of the last `advance`. */
  add(count: number): void {
    const { slots, counts } = this;
    const last = slots.length - 1;
    if (last >= 0 && slots[last] === this.newest) counts[last]! += count;
    else {
      slots.push(this.newest);
      counts.push(count);
    }
    this.total += count;
  }

  /** Takes back what was added at `addedAt`, as far as it still counts. */
  remove(count: number, addedAt: number): void {
    const index = this.slots.lastIndexOf(Math.min(this.slotOf(addedAt), this.newest));
    if (index < 0) return;
    const taken = Math.min(count, this.counts[index]!);
    this.counts[index]! -= taken;
    this.total -= taken;
  }

  /** When at most `most` of what counts now will still count, ms; 0: it is so now. */
  freeAt(most: number): number {
    let left = this.total;
    for (let i = 0; i < this.slots.length && left > most; i++) {
      left -= this.counts[i]!;
      if (left <= most) return (this.slots[i]! + this.span + 1) * this.slotMs;
    }
    return 0;
  }

  /** `[slot, count, slot, count, ...]`, to be kept over a restart. */
  kept(): number[] {
    return this.slots.flatMap((slot, i) => (this.counts[i]! > 0 ? [slot, this.counts[i]!] : []));
  }

  /** Takes kept counts over; slots of the future, which a clock that was set back leaves, are now. */
  restore(kept: readonly number[], now: number): void {
    this.advance(now);
    const sums = new Map<number, number>(this.slots.map((slot, i) => [slot, this.counts[i]!]));
    for (let i = 0; i + 1 < kept.length; i += 2) {
      const slot = Math.min(kept[i]!, this.newest);
      if (slot < this.newest - this.span) continue;
      sums.set(slot, (sums.get(slot) ?? 0) + kept[i + 1]!);
      this.total += kept[i + 1]!;
    }
    const sorted = [...sums].sort(([a], [b]) => a - b);
    this.slots.splice(0, Number.POSITIVE_INFINITY, ...sorted.map(([slot]) => slot));
    this.counts.splice(0, Number.POSITIVE_INFINITY, ...sorted.map(([, count]) => count));
  }

  private slotOf(time: number): number {
    return Math.floor(Math.floor(time) / this.slotMs);
  }
}
