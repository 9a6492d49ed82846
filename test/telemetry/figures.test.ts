/** Figures over time: differences, rings, percentiles. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DurationHistogram } from '../../src/telemetry/duration-histogram.js';
import { FIGURE_SPANS, Figures, type Reading } from '../../src/telemetry/figures.js';
import { quantile } from '../../src/telemetry/quantile.js';

const START = 1_000_000;
/** The wall clock is an hour ahead of the engine's. */
const WALL = 3_600_000;

/** An engine that counts. */
class World {
  readonly latency = new DurationHistogram();
  readonly counts = { accepted: 100, delivered: 50, deferred: 7, bounced: 3 };
  now = START;
  lag = 0;
  readonly figures = new Figures(this.reading(), START);

  reading(): Reading {
    const standing = {
      serverConnections: 4,
      upstreamConnections: 5,
      queuedImmediate: 1,
      queuedBulk: 2,
      queuedDeferred: 3,
    };
    return { ...this.counts, ...standing, latency: this.latency, lag: this.lag };
  }

  after(ms: number): void {
    this.now += ms;
    this.figures.sample(this.reading(), this.now, this.now + WALL);
  }
}

describe('figures', () => {
  it('are what happened in each interval, not since the start', () => {
    const world = new World();
    expect(world.figures.report('5m').at).toEqual([]);
    world.counts.accepted += 10;
    world.counts.delivered += 6;
    world.counts.bounced += 2;
    world.latency.observe(30);
    world.lag = 12.34567;
    world.after(1000);
    world.lag = 0;
    world.after(2000);
    const { at, series, step, points } = world.figures.report('5m');
    expect([step, points]).toEqual([1000, 300]);
    expect(at).toEqual([START + WALL + 1000, START + WALL + 3000]);
    expect(series.accepted).toEqual([10, 0]);
    expect(series.delivered).toEqual([6, 0]);
    expect(series.bounced).toEqual([2, 0]);
    expect(series.bounceShare).toEqual([0.25, null]);
    expect(series.latencyP50[0]).toBeCloseTo(37.5);
    expect(series.latencyP99[1]).toBeNull();
    expect(series.queuedDeferred).toEqual([3, 3]);
    expect(series.lag).toEqual([12.3457, 0]);
  });

  it('reckon rates by the time that an interval really took', () => {
    const world = new World();
    world.counts.accepted += 30;
    world.after(3000);
    expect(world.figures.report('5m').series.accepted).toEqual([10]);
  });

  it('come together to longer intervals with the longest delay of each', () => {
    const world = new World();
    for (let second = 1; second <= 20; second++) {
      world.counts.accepted += second;
      world.lag = second === 3 ? 99 : 1;
      world.after(1000);
    }
    const { series } = world.figures.report('1h');
    expect(series.accepted).toEqual([5.5, 15.5]);
    expect(series.lag).toEqual([99, 1]);
    expect(world.figures.report('24h').at).toEqual([]);
  });

  it('take a timer that fires a little early, and one that fires twice', () => {
    const world = new World();
    for (const ms of [998, 1, 1001, 1000]) world.after(ms);
    expect(world.figures.report('5m').at).toHaveLength(3);
  });

  it('are kept up to their bound, and told after a moment', () => {
    const world = new World();
    const { points, step } = FIGURE_SPANS['5m'];
    for (let i = 0; i < points + 7; i++) world.after(step);
    const { at } = world.figures.report('5m');
    expect(at).toHaveLength(points);
    expect(at.at(-1)).toBe(world.now + WALL);
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(world.figures.report('5m', at.at(-3)!).at).toEqual(at.slice(-2));
    expect(world.figures.report('5m', at.at(-1)!).series.accepted).toEqual([]);
  });

  it('lose and invent nothing, however the timer fires', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 2500 })), { maxLength: 80 }), (steps) => {
        const world = new World();
        let added = 0;
        let covered = 0;
        let since = 0;
        for (const [more, ms] of steps) {
          world.counts.accepted += more;
          since += more;
          world.after(ms);
          if (world.figures.report('5m').at.at(-1) === world.now + WALL) {
            added += since;
            since = 0;
          }
        }
        const { at, series } = world.figures.report('5m');
        at.forEach((end, i) => {
          covered += (series.accepted[i]! * (end - (at[i - 1] ?? START + WALL))) / 1000;
        });
        expect(covered).toBeCloseTo(added, 0);
      }),
    );
  });
});

describe('percentiles', () => {
  const bounds = [1, 2, 4];

  it('lie in the range that holds them', () => {
    expect(quantile(bounds, [0, 0, 0, 0], 0.5)).toBeNull();
    expect(quantile(bounds, [10, 0, 0, 0], 0.5)).toBe(0.5);
    expect(quantile(bounds, [0, 0, 10, 0], 0.5)).toBe(3);
    expect(quantile(bounds, [5, 5, 0, 0], 1)).toBe(2);
    expect(quantile(bounds, [0, 0, 0, 3], 0.5)).toBe(4);
    expect(quantile(bounds, [0, 4, 0, 0], 0)).toBe(1);
  });

  it('rise with the share', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 4, maxLength: 4 }), (counts) => {
        const values = [0, 0.1, 0.5, 0.95, 0.99, 1].map((share) => quantile(bounds, counts, share));
        if (counts.every((count) => count === 0)) expect(values).toEqual(values.map(() => null));
        else expect(values).toEqual(values.toSorted((a, b) => a! - b!));
      }),
    );
  });
});
