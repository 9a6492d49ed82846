/**
 * How long a host takes, quick to see that it got slower and slow to believe that it is well again.
 *
 * An exponentially weighted mean over unevenly spaced times (A. Eckner, "Algorithms for Unevenly Spaced Time Series",
 * EMA_last), sensitive to peaks like the Peak EWMA of Finagle and Linkerd (finagle-core, loadbalancer/PeakEwma.scala).
 * Theirs jumps to every peak; with latencies as scattered as those of mail one long transaction would then send a host
 * away for seconds, so here a rise counts ten times as fast as a fall and does not jump.
 */

/** Time constants for a longer and for a shorter time than the mean, ms. */
const RISE = 1000;
const FALL = 10_000;
/** A sample counts this much at least: where mail comes in bursts at one instant. */
const LEAST_WEIGHT = 0.002;
/** The first samples count alike: the very first one is no better than those after it. */
const FIRST = 10;

export class PeakLatency {
  /** The mean, ms; 0 while nothing was measured. */
  mean = 0;
  /** When it was measured last, engine clock ms; -Infinity: never. */
  measuredAt = Number.NEGATIVE_INFINITY;
  private samples = 0;

  observe(ms: number, now: number): void {
    const elapsed = Math.max(0, now - this.measuredAt);
    const least = this.samples < FIRST ? 1 / ++this.samples : LEAST_WEIGHT;
    const weight = Math.max(least, 1 - Math.exp(-elapsed / (ms > this.mean ? RISE : FALL)));
    this.mean += (ms - this.mean) * weight;
    this.measuredAt = now;
  }
}
