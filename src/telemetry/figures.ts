/**
 * Figures over time: what the engine did and had, in rings of intervals, for charts.
 *
 * Contract: nothing is done for a message; `sample` is called by a timer with counters as they stand, and what happened
 * in an interval is the difference. Bounded: FIGURE_SPANS say how many intervals of which length are kept (about 100 KiB
 * in all). An interval may be longer than its step where the thread was busy: rates are by the time that it really took.
 * Limits: percentiles are as fine as the ranges of the histogram.
 */
import type { DurationHistogram } from './duration-histogram.js';
import { quantile } from './quantile.js';

/** Intervals kept: how long each is, ms, and how many. */
export const FIGURE_SPANS = {
  '5m': { step: 1000, points: 300 },
  '1h': { step: 10_000, points: 360 },
  '24h': { step: 300_000, points: 288 },
} as const;
export type FigureSpan = keyof typeof FIGURE_SPANS;
export const FIGURE_SPAN_NAMES = Object.keys(FIGURE_SPANS) as readonly FigureSpan[];

/** Counted up since the start; shown as so many a second. */
const COUNTED = ['accepted', 'delivered', 'deferred', 'bounced'] as const;
/** As they stand at the end of an interval. */
const STANDING = [
  'serverConnections',
  'upstreamConnections',
  'queuedImmediate',
  'queuedBulk',
  'queuedDeferred',
] as const;
/** Worked out of the interval; null where nothing happened in it. Times are ms, the share is of recipients. */
const DERIVED = ['latencyP50', 'latencyP95', 'latencyP99', 'bounceShare'] as const;
export const FIGURES = [...COUNTED, ...STANDING, ...DERIVED, 'lag'] as const;
export type Figure = (typeof FIGURES)[number];

/** What the engine shows at a moment. */
export interface Reading extends Readonly<Record<(typeof COUNTED)[number] | (typeof STANDING)[number], number>> {
  readonly latency: Pick<DurationHistogram, 'bounds' | 'counts'>;
  /** Longest delay of the event loop since the last reading, ms. */
  readonly lag: number;
}

/** JSON-safe; all lists have an entry for each interval, oldest first. */
export interface FigureSeries {
  /** Length of an interval, ms. */
  readonly step: number;
  /** Intervals kept at most. */
  readonly points: number;
  /** Ends of the intervals, wall clock, ms. */
  readonly at: readonly number[];
  readonly series: Readonly<Record<Figure, readonly (number | null)[]>>;
}

const WIDTH = FIGURES.length;
const LAG = FIGURES.indexOf('lag');
const FIRST_STANDING = COUNTED.length;
const FIRST_DERIVED = FIRST_STANDING + STANDING.length;
const MS = 1000;

export class Figures {
  private readonly rings: ReadonlyMap<FigureSpan, Ring>;

  /** `now`: engine clock ms. */
  constructor(first: Reading, now: number) {
    this.rings = new Map(
      FIGURE_SPAN_NAMES.map((name) => [name, new Ring(FIGURE_SPANS[name].step, FIGURE_SPANS[name].points, first, now)]),
    );
  }

  /** To be called about once a second. `now`: engine clock ms; `wall`: wall clock ms. */
  sample(reading: Reading, now: number, wall: number): void {
    for (const ring of this.rings.values()) ring.sample(reading, now, wall);
  }

  /** The intervals of a span that ended after `after`, wall clock ms. */
  report(span: FigureSpan, after = 0): FigureSeries {
    return this.rings.get(span)!.report(after);
  }
}

class Ring {
  private readonly step: number;
  private readonly points: number;
  private readonly values: Float64Array;
  private readonly ends: Float64Array;
  /** Intervals so far. */
  private taken = 0;
  private since: number;
  private readonly counted = new Float64Array(COUNTED.length);
  private readonly latency: Float64Array;
  private lag = 0;

  constructor(step: number, points: number, first: Reading, now: number) {
    this.step = step;
    this.points = points;
    this.values = new Float64Array(points * WIDTH);
    this.ends = new Float64Array(points);
    this.since = now;
    this.latency = new Float64Array(first.latency.counts.length);
    this.remember(first);
  }

  sample(reading: Reading, now: number, wall: number): void {
    this.lag = Math.max(this.lag, reading.lag);
    const took = now - this.since;
    // A timer that fires a little early makes no interval of two steps.
    if (took < this.step - MS / 4) return;
    const place = this.taken % this.points;
    const at = place * WIDTH;
    for (let i = 0; i < COUNTED.length; i++)
      this.values[at + i] = ((reading[COUNTED[i]!] - this.counted[i]!) * MS) / took;
    for (let i = 0; i < STANDING.length; i++) this.values[at + FIRST_STANDING + i] = reading[STANDING[i]!];
    this.derive(reading, at + FIRST_DERIVED);
    this.values[at + LAG] = this.lag;
    this.ends[place] = wall;
    this.taken++;
    this.since = now;
    this.lag = 0;
    this.remember(reading);
  }

  report(after: number): FigureSeries {
    const first = Math.max(0, this.taken - this.points);
    const places: number[] = [];
    for (let n = first; n < this.taken; n++) {
      const place = n % this.points;
      if (this.ends[place]! > after) places.push(place);
    }
    const of = (figure: number): (number | null)[] =>
      places.map((place) => shown(this.values[place * WIDTH + figure]!));
    return {
      step: this.step,
      points: this.points,
      at: places.map((place) => Math.round(this.ends[place]!)),
      series: Object.fromEntries(FIGURES.map((name, i) => [name, of(i)])) as Record<Figure, (number | null)[]>,
    };
  }

  private derive({ latency, delivered, bounced }: Reading, at: number): void {
    // From here on the differences stand where the last counts stood; `remember` writes the new ones.
    for (let i = 0; i < this.latency.length; i++) this.latency[i] = latency.counts[i]! - this.latency[i]!;
    [0.5, 0.95, 0.99].forEach((share, i) => {
      const seconds = quantile(latency.bounds, this.latency, share);
      this.values[at + i] = seconds === null ? Number.NaN : seconds * MS;
    });
    const lost = bounced - this.counted[COUNTED.indexOf('bounced')]!;
    const ended = delivered - this.counted[COUNTED.indexOf('delivered')]! + lost;
    this.values[at + 3] = ended === 0 ? Number.NaN : lost / ended;
  }

  private remember(reading: Reading): void {
    for (let i = 0; i < COUNTED.length; i++) this.counted[i] = reading[COUNTED[i]!];
    this.latency.set(reading.latency.counts);
  }
}

/** Without digits that say nothing; JSON has no NaN. */
function shown(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value * 1e4) / 1e4;
}
