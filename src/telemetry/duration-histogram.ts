/**
 * How long something took, counted by ranges. O(ranges) for each observation, without allocation.
 */

/** Seconds: mail that flows takes milliseconds, mail that is put off hours. */
const BOUNDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400,
] as const;

export class DurationHistogram {
  /** Upper bounds, s. */
  readonly bounds: readonly number[] = BOUNDS;
  /** Observations of each range alone; one more than there are bounds. */
  readonly counts = new Float64Array(BOUNDS.length + 1);
  /** Of all observations, s. */
  sum = 0;

  /** Takes one in, ms. Below zero counts as zero. */
  observe(ms: number): void {
    const seconds = ms > 0 ? ms / 1000 : 0;
    let range = 0;
    while (range < BOUNDS.length && seconds > BOUNDS[range]!) range++;
    this.counts[range]!++;
    this.sum += seconds;
  }
}
