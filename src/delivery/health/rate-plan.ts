/**
 * The rate at which a host begins to defer, learnt, and a planned rate below it.
 *
 * Whatever its limiter is (fixed minutes, a token bucket), a host that refuses has accepted no less than its rate in the
 * minute before: for a fixed minute all of it lies within the last 60 s, for a bucket the refill does. So what was
 * accepted in the minute before a refusal is an upper bound of the limit, and the least of the bounds found while it
 * refuses comes near to it. The plan stays a little below, as a virtual schedule (GCRA, ITU-T I.371). While it is used
 * up and nothing is refused it is raised, each time by more: what was learnt in a bad hour is soon forgotten. A raise
 * that was refused makes the next one small again and wait twice as long.
 */
import { SlidingCount } from '../../core/sliding-count.js';

const MINUTE = 60_000;
/** Part of the learnt limit that is planned. */
const PLANNED = 0.95;
/** How far a burst may run ahead of the plan, ms. */
const TOLERANCE = 1000;
/** The first raise and the greatest, and the first and the longest time between two, ms. */
const SMALL_RAISE = 0.05;
const GREAT_RAISE = 1;
const FIRST_RAISE = MINUTE;
const LONGEST_RAISE = 60 * MINUTE;
/** Below so many a minute a refusal has other causes than the rate. */
const LEAST = 6;
/** A plan that held nothing back for so long is forgotten, ms. */
const FORGET = 60 * MINUTE;

export class RatePlan {
  /** Messages a minute at which it defers, as far as known; Infinity: it was never seen to. */
  limit = Number.POSITIVE_INFINITY;
  private readonly taken = new SlidingCount(MINUTE);
  private episode = Number.NEGATIVE_INFINITY;
  private episodeFloor = 0;
  /** Most that it took in a minute, halved with each episode since. */
  private best = 0;
  /** The virtual schedule: when the next message is due. */
  private due = 0;
  private heldBackAt = Number.NEGATIVE_INFINITY;
  private raiseBy = SMALL_RAISE;
  private raiseAfter = FIRST_RAISE;
  private quietSince = 0;

  /** Messages a minute that are planned; Infinity: no plan. */
  get planned(): number {
    return this.limit * PLANNED;
  }

  /** The host took a message. */
  took(now: number): void {
    this.taken.advance(now);
    this.taken.add(1);
    if (this.taken.total > this.best) this.best = this.taken.total;
  }

  /** Messages taken in the last minute. */
  lastMinute(now: number): number {
    this.taken.advance(now);
    return this.taken.total;
  }

  /** The host refuses as if it had too much. */
  refused(now: number): void {
    const taken = this.lastMinute(now);
    if (now - this.episode > MINUTE) {
      if (taken < LEAST) return;
      // A plan that was refused although it was raised: the limit is where it was.
      if (this.limit !== Number.POSITIVE_INFINITY) this.raiseAfter = Math.min(LONGEST_RAISE, this.raiseAfter * 2);
      this.raiseBy = SMALL_RAISE;
      this.episode = now;
      this.heldBackAt = now;
      // A host that fails for other reasons takes little for a while: that is not its limit.
      this.best /= 2;
      this.episodeFloor = Math.max(taken / 4, this.best);
    }
    this.limit = Math.min(this.limit, Math.max(taken, this.episodeFloor));
    this.quietSince = now;
  }

  /** A message begins. The time before which the next one should not, 0 when it may at once. */
  began(now: number): number {
    if (this.limit === Number.POSITIVE_INFINITY) return 0;
    if (now - this.quietSince > this.raiseAfter) this.raise(now);
    const interval = MINUTE / this.planned;
    this.due = Math.max(this.due, now - TOLERANCE) + interval;
    if (this.due <= now) return 0;
    this.heldBackAt = now;
    return this.due;
  }

  /** The schedule is full now. */
  isFull(now: number): boolean {
    return this.limit !== Number.POSITIVE_INFINITY && this.due > now;
  }

  private raise(now: number): void {
    this.quietSince = now;
    // Only a plan that was used up says something about more.
    if (now - this.heldBackAt < MINUTE) {
      this.limit *= 1 + this.raiseBy;
      this.raiseBy = Math.min(GREAT_RAISE, this.raiseBy * 2);
    } else if (now - this.heldBackAt > FORGET) {
      this.limit = Number.POSITIVE_INFINITY;
      this.raiseAfter = FIRST_RAISE;
    }
  }
}
