/**
 * What a host will be like soon: the trend of its latency and of its failures, and what this time of day usually is like.
 *
 * The trend is Holt's linear exponential smoothing with a damped trend (C. Holt 1957; E. Gardner and E. McKenzie 1985)
 * over means of 10 s. The time of day is a profile of 24 hours (UTC), each learnt from the same hour of other days and
 * not more than a third a day: an outage of yesterday alone moves little mail today. Bounded: a few numbers and three
 * arrays of 24.
 */

const STEP = 10_000;
/** Smoothing of the level and of the trend, and how much of the trend is left a step later. */
const LEVEL = 0.3;
const TREND = 0.1;
const DAMPED = 0.9;
/** Steps that are looked ahead: about how long it takes to move load. */
const AHEAD = 2;
/** A forecast older than this is none, ms. */
const HOLDS = 3 * STEP;
/** A step or hour with fewer transactions is not one. */
const LEAST_OF_STEP = 5;
const LEAST_OF_HOUR = 50;
const HOUR = 3_600_000;
const HOURS = 24;
/** How much of an hour's profile one day makes. */
const LEARNT = 0.3;

/** Holt's damped trend of one figure. */
class Trend {
  level = Number.NaN;
  private trend = 0;

  update(value: number): void {
    if (Number.isNaN(this.level)) {
      this.level = value;
      return;
    }
    const expected = this.level + DAMPED * this.trend;
    const level = LEVEL * value + (1 - LEVEL) * expected;
    this.trend = TREND * (level - this.level) + (1 - TREND) * DAMPED * this.trend;
    this.level = level;
  }

  ahead(): number {
    let step = this.trend;
    let value = this.level;
    for (let i = 0; i < AHEAD; i++) {
      step *= DAMPED;
      value += step;
    }
    return value;
  }
}

/** Sums over a span of time. */
class Sums {
  count = 0;
  failed = 0;
  ms = 0;
  /** Number of the span. */
  span = Number.NEGATIVE_INFINITY;

  add(ms: number, failed: boolean): void {
    this.count++;
    this.ms += ms;
    if (failed) this.failed++;
  }

  begin(span: number): void {
    this.count = 0;
    this.failed = 0;
    this.ms = 0;
    this.span = span;
  }
}

export class Forecast {
  private latency = Number.NaN;
  private failures = Number.NaN;
  private madeAt = Number.NEGATIVE_INFINITY;
  private readonly latencyTrend = new Trend();
  private readonly failureTrend = new Trend();
  private readonly step = new Sums();
  private readonly hour = new Sums();
  /** Of each hour of the day: share of failures, latency against the long mean, and whether it was ever measured. */
  private readonly usualFailures = new Float64Array(HOURS);
  private readonly usualLatency = new Float64Array(HOURS).fill(1);
  private longMean = Number.NaN;

  /** A transaction ended. */
  observe(ms: number, failed: boolean, now: number): void {
    const step = Math.floor(now / STEP);
    if (step !== this.step.span) this.turn(step, now);
    this.step.add(ms, failed);
    this.hour.add(ms, failed);
  }

  /** Expected latency soon, ms; NaN while not known. */
  latencySoon(now: number): number {
    return now - this.madeAt > HOLDS ? Number.NaN : this.latency;
  }

  /** Expected share of failures soon, 0 to 1; NaN while not known. */
  failuresSoon(now: number): number {
    return now - this.madeAt > HOLDS ? Number.NaN : this.failures;
  }

  /** Share of failures that is usual at this time of day, 0 to 1; 0 while nothing was learnt. */
  usualFailuresAt(now: number): number {
    return this.usualFailures[Math.floor(now / HOUR) % HOURS]!;
  }

  /** Latency that is usual at this time of day, ms; NaN while nothing was learnt. */
  usualLatencyAt(now: number): number {
    return this.longMean * this.usualLatency[Math.floor(now / HOUR) % HOURS]!;
  }

  private turn(step: number, now: number): void {
    if (this.step.count >= LEAST_OF_STEP) {
      this.latencyTrend.update(this.step.ms / this.step.count);
      this.failureTrend.update(this.step.failed / this.step.count);
      this.madeAt = now;
      this.latency = Math.max(0, this.latencyTrend.ahead());
      this.failures = Math.min(1, Math.max(0, this.failureTrend.ahead()));
    }
    this.step.begin(step);
    const hour = Math.floor(now / HOUR);
    if (hour === this.hour.span) return;
    if (this.hour.count >= LEAST_OF_HOUR) this.learn(this.hour.span % HOURS);
    this.hour.begin(hour);
  }

  private learn(hour: number): void {
    const mean = this.hour.ms / this.hour.count;
    this.longMean = Number.isNaN(this.longMean) ? mean : this.longMean + (mean - this.longMean) * (LEARNT / HOURS) * 4;
    this.usualLatency[hour]! += (mean / this.longMean - this.usualLatency[hour]!) * LEARNT;
    this.usualFailures[hour]! += (this.hour.failed / this.hour.count - this.usualFailures[hour]!) * LEARNT;
  }
}
