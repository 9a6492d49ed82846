/**
 * How far a host is: the median of its recent connect times, which neither one lost packet nor one lucky one moves.
 */

const KEPT = 9;
/** So many make a measurement. */
const ENOUGH = 3;

export class ConnectTimes {
  /** The median, ms; undefined until enough were measured. */
  median: number | undefined;
  private readonly recent: number[] = [];
  private next = 0;

  /** A connection took `ms` to be made and greeted. */
  observe(ms: number): void {
    this.recent[this.next] = ms;
    this.next = (this.next + 1) % KEPT;
    if (this.recent.length < ENOUGH) return;
    const sorted = [...this.recent].sort((a, b) => a - b);
    this.median = sorted[Math.floor(sorted.length / 2)];
  }
}
