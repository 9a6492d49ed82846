/**
 * Counts of one subject (a tenant, a destination, all of it) over several spans of time at once: rings of buckets.
 *
 * Contract: an event costs a fixed number of additions and no allocation. A sum over a span of n buckets covers the n
 * last whole buckets and the one under way: at least the span, at most a bucket more. Time that goes back counts as now.
 */

/** What is counted. */
export const DELIVERED = 0;
/** Of DELIVERED, those within the target time. */
export const IN_TIME = 1;
/** Given up or refused for good, at once or by a bounce that came back. */
export const BOUNCED = 2;
/** Of BOUNCED, those that came back after the mail was taken: they stand in DELIVERED too. */
export const CAME_BACK = 3;
export const DEFERRED = 4;
export const COMPLAINED = 5;
export const CONNECTED = 6;
export const NOT_CONNECTED = 7;
const COUNTS = 8;

export interface KpiSpan {
  readonly name: string;
  /** Width of a bucket, ms. */
  readonly bucket: number;
  /** Whole buckets summed up. */
  readonly buckets: number;
}

const MINUTE = 60_000;

export const KPI_SPANS: readonly KpiSpan[] = [
  { name: '5m', bucket: MINUTE / 2, buckets: 10 },
  { name: '1h', bucket: 5 * MINUTE, buckets: 12 },
  { name: '1d', bucket: 60 * MINUTE, buckets: 24 },
];
export const DAY_SPAN = 2;

/** One place more than whole buckets, for the bucket under way. */
const ROOM = KPI_SPANS.map(({ buckets }) => (buckets + 1) * COUNTS);
const STARTS = ROOM.map((_, i) => ROOM.slice(0, i).reduce((sum, size) => sum + size, 0));
const SIZE = ROOM.reduce((sum, size) => sum + size, 0);

export class KpiSeries {
  private readonly counts = new Float64Array(SIZE);
  /** Number of the newest bucket of each span, counted from the epoch. */
  private readonly newest = new Float64Array(KPI_SPANS.length);

  /** Counts one. `now`: engine clock ms. */
  add(what: number, now: number): void {
    for (let span = 0; span < KPI_SPANS.length; span++) {
      const at = this.advance(span, now);
      this.counts[at + what]! += 1;
    }
  }

  /** Sum of a count over a span. */
  sum(span: number, what: number, now: number): number {
    this.advance(span, now);
    const start = STARTS[span]!;
    let total = 0;
    for (let at = start + what; at < start + ROOM[span]!; at += COUNTS) total += this.counts[at]!;
    return total;
  }

  /** Nothing happened within the longest span. */
  isIdle(now: number): boolean {
    this.advance(DAY_SPAN, now);
    const start = STARTS[DAY_SPAN]!;
    for (let at = start; at < start + ROOM[DAY_SPAN]!; at++) if (this.counts[at] !== 0) return false;
    return true;
  }

  /** Events within the longest span. */
  weight(now: number): number {
    return this.sum(DAY_SPAN, DELIVERED, now) + this.sum(DAY_SPAN, BOUNCED, now) + this.sum(DAY_SPAN, DEFERRED, now);
  }

  /** Takes over what another has counted. */
  merge(other: KpiSeries, now: number): void {
    for (let span = 0; span < KPI_SPANS.length; span++) {
      this.advance(span, now);
      other.advance(span, now);
    }
    for (let at = 0; at < SIZE; at++) this.counts[at]! += other.counts[at]!;
  }

  /** Brings a ring up to now; where the bucket under way begins. */
  private advance(span: number, now: number): number {
    const { bucket, buckets } = KPI_SPANS[span]!;
    const room = buckets + 1;
    const start = STARTS[span]!;
    const newest = this.newest[span]!;
    const current = Math.max(newest, Math.floor(now / bucket));
    if (current > newest) {
      if (current - newest >= room) this.counts.fill(0, start, start + ROOM[span]!);
      else
        for (let number = newest + 1; number <= current; number++) {
          const at = start + (number % room) * COUNTS;
          this.counts.fill(0, at, at + COUNTS);
        }
      this.newest[span] = current;
    }
    return start + (current % room) * COUNTS;
  }
}
