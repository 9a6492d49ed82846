/**
 * The simulator: the same seed gives the same figures, and what our way is for holds with few seeds.
 */
import { describe, expect, it } from 'vitest';
import { comparators } from '../../bench/simulate/comparators.js';
import { type Figures, simulate } from '../../bench/simulate/engine.js';
import { exponential, logNormal, randomStream } from '../../bench/simulate/random.js';
import { type Scenario, scenarios } from '../../bench/simulate/scenarios.js';
import { sluice } from '../../bench/simulate/sluice.js';
import { geometricMean, intervalOf, scoreOf } from '../../bench/simulate/statistics.js';

const SEEDS = [1, 2];

function scenario(name: string): Scenario {
  return scenarios.find((each) => each.name === name)!;
}

/** Means over the seeds, of ours and of each other way. */
function measure(name: string): { ours: Figures; others: Record<string, Figures> } {
  const of = (algorithm: typeof sluice): Figures => {
    const figures = SEEDS.map((seed) => simulate(scenario(name), algorithm, seed));
    const mean = (field: keyof Figures) => figures.reduce((sum, one) => sum + one[field], 0) / figures.length;
    return {
      deliveredPerSecond: mean('deliveredPerSecond'),
      p99: mean('p99'),
      deferrals: mean('deferrals'),
      wastedAttempts: mean('wastedAttempts'),
    };
  };
  return { ours: of(sluice), others: Object.fromEntries(comparators.map((each) => [each.name, of(each)])) };
}

describe('a simulation', () => {
  it('gives the same figures for the same seed and others for another', () => {
    for (const algorithm of [sluice, ...comparators]) {
      const figures = simulate(scenario('rate-limit'), algorithm, 7);
      expect(simulate(scenario('rate-limit'), algorithm, 7)).toEqual(figures);
      expect(simulate(scenario('rate-limit'), algorithm, 8)).not.toEqual(figures);
    }
  });

  it('a host that hangs or slows: shorter than by turn and by connections', () => {
    for (const name of ['slow', 'brown-out']) {
      const { ours, others } = measure(name);
      expect(ours.p99).toBeLessThan(others['round-robin']!.p99 / 2);
      expect(ours.p99).toBeLessThan(others['least-connections']!.p99 / 2);
      expect(ours.p99).toBeLessThan(others['postfix']!.p99 / 2);
      expect(ours.p99).toBeLessThan(others['ewma']!.p99 * 1.2);
    }
  });

  it('a host that defers above a rate: learnt, where the others go on running into it', () => {
    const { ours, others } = measure('rate-limit');
    for (const other of Object.values(others)) {
      expect(ours.deferrals).toBeLessThan(other.deferrals / 50);
      expect(ours.p99).toBeLessThan(other.p99 / 50);
    }
  });

  it('a host that comes and goes: fewer attempts wasted, nothing delivered later', () => {
    const { ours, others } = measure('flapping');
    for (const other of Object.values(others)) {
      expect(ours.wastedAttempts).toBeLessThan(other.wastedAttempts);
      expect(ours.p99).toBeLessThan(other.p99 * 1.1);
    }
  });

  it('where all is well nothing is lost by it', () => {
    const { ours, others } = measure('healthy');
    for (const other of Object.values(others)) {
      expect(ours.p99).toBeLessThan(other.p99 * 1.1);
      expect(ours.deliveredPerSecond).toBeGreaterThan(other.deliveredPerSecond * 0.99);
    }
    expect([ours.deferrals, ours.wastedAttempts]).toEqual([0, 0]);
  });
});

describe('random numbers', () => {
  it('are the same everywhere, and have the means they should', () => {
    const stream = randomStream(1, 2);
    const other = randomStream(1, 3);
    expect(stream()).not.toBe(other());
    const sum = (draw: () => number) => Array.from({ length: 20_000 }, draw).reduce((a, b) => a + b, 0) / 20_000;
    expect(sum(stream)).toBeCloseTo(0.5, 1);
    expect(sum(() => exponential(stream, 3))).toBeCloseTo(3, 0);
    expect(sum(() => logNormal(stream, 1, 0.5))).toBeCloseTo(Math.exp(0.125), 1);
  });
});

describe('statistics', () => {
  it('of a mean with its interval, and of a score', () => {
    expect(intervalOf([1, 2, 3])).toEqual({ mean: 2, interval: expect.closeTo(2.484, 3) });
    expect(intervalOf([5])).toEqual({ mean: 5, interval: 0 });
    expect(scoreOf(40, 500, 40, 500)).toBe(1);
    expect(scoreOf(20, 1000, 40, 500)).toBe(0.5);
    expect(geometricMean([1, 4])).toBeCloseTo(2);
  });
});
