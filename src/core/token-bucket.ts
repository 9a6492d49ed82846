/**
 * Limits in time: at most so many in any window of so many ms.
 *
 * A bucket of `most` tokens of which each comes back a window after it was taken, and not at a steady rate: a bucket that
 * is filled steadily lets up to twice its limit through around the end of a pause. So the limit holds in every window,
 * wherever it begins; a test proves it over arbitrary traffic. What that means for the flow: after a pause all of `most`
 * may go at once, and then, under constant demand, `most` go in every window and a sixtieth of one (tokens that were
 * taken within a sixtieth of the window come back together; of 1 s that is 17 ms).
 * Cost: constant time; memory of at most 61 small entries, of one where little happens (sliding-count.ts).
 */
import { SlidingCount } from './sliding-count.js';

export class RateLimit {
  readonly most: number;
  readonly windowMs: number;
  private readonly taken: SlidingCount;

  /** `most`: 0 or more, in whatever is counted; `windowMs`: 1 or more. `taken`: what counts already, of such a window. */
  constructor(most: number, windowMs: number, taken = new SlidingCount(windowMs)) {
    this.most = most;
    this.windowMs = windowMs;
    this.taken = taken;
  }

  /** The same bucket with another limit: what was taken counts in both. */
  withMost(most: number): RateLimit {
    return new RateLimit(most, this.windowMs, this.taken);
  }

  /** Books `count` and gives 0, or books nothing and says when to ask again: ms, Infinity when it never fits. */
  admit(count: number, now: number): number {
    const at = this.freeAt(count, now);
    if (at === 0) this.taken.add(count);
    return at;
  }

  /** As `admit`, without booking. */
  freeAt(count: number, now: number): number {
    if (count > this.most) return Number.POSITIVE_INFINITY;
    this.taken.advance(now);
    return this.taken.freeAt(this.most - count);
  }

  /** Books what may not have been asked about: beyond the limit too, which then lets nothing through for longer. */
  book(count: number, now: number): void {
    this.taken.advance(now);
    this.taken.add(count);
  }

  /** What was booked did not happen. `bookedAt`: the `now` it was booked with. */
  refund(count: number, bookedAt: number): void {
    this.taken.remove(count, bookedAt);
  }

  /** What is booked in the window that ends now. */
  used(now: number): number {
    this.taken.advance(now);
    return this.taken.total;
  }

  /** What counts, to be kept over a restart. */
  kept(now: number): number[] {
    this.taken.advance(now);
    return this.taken.kept();
  }

  /** Takes over what `kept` gave. */
  restore(kept: readonly number[], now: number): void {
    this.taken.restore(kept, now);
  }
}
