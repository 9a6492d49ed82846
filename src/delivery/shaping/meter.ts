/**
 * How many a second, of late: a count over the present and the former five seconds, the former by the part of it that is
 * not yet past (a sliding window counter). Constant time, three numbers.
 */

const SLOT = 5000;
/** A flow that has just begun is reckoned over at least this, ms. */
const LEAST_TIME = 1000;

export class Meter {
  private slot = Number.NEGATIVE_INFINITY;
  private current = 0;
  private former = 0;
  /** When counting began after a pause, ms. */
  private begun = 0;

  add(now: number): void {
    this.advance(now);
    this.current++;
  }

  /** Per ms. */
  rate(now: number): number {
    this.advance(now);
    const into = now - this.slot * SLOT;
    const sum = this.current + this.former * (1 - into / SLOT);
    return sum / Math.max(LEAST_TIME, Math.min(SLOT, now - this.begun));
  }

  private advance(now: number): void {
    const slot = Math.floor(now / SLOT);
    if (slot === this.slot) return;
    const next = slot === this.slot + 1;
    this.former = next ? this.current : 0;
    if (!next || this.former === 0) this.begun = now;
    this.current = 0;
    this.slot = slot;
  }
}
