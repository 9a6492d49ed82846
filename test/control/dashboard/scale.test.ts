/** Places on the dashboard's charts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  areaPath,
  greatest,
  linear,
  linePath,
  nearest,
  stacked,
  ticks,
  timeTicks,
} from '../../../src/control/dashboard/scale.js';

const same = (value: number): number => value;

describe('ticks', () => {
  it.each([
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [40, [0, 10, 20, 30, 40]],
    [41, [0, 20, 40, 60]],
    [0.03, [0, 0.01, 0.02, 0.03]],
    [0, [0, 0.25, 0.5, 0.75, 1]],
    [Number.NaN, [0, 0.25, 0.5, 0.75, 1]],
  ])('for %d are round', (most, marks) => expect(ticks(most)).toEqual(marks));

  it('reach what they must, from 0, evenly and few', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (most) => {
        const marks = ticks(most);
        expect(marks[0]).toBe(0);
        expect(marks.length).toBeGreaterThan(1);
        expect(marks.length).toBeLessThanOrEqual(6);
        expect(marks.at(-1)! / most).toBeGreaterThanOrEqual(1 - 1e-6);
        expect(marks.at(-2)! / most).toBeLessThan(1 + 1e-6);
      }),
    );
  });

  it('of time are round moments of the place, no more than wanted', () => {
    const hour = 3_600_000;
    expect(timeTicks(10 * hour + 1, 14 * hour, 4)).toEqual([11, 12, 13, 14].map((n) => n * hour));
    // Half an hour beside UTC.
    expect(timeTicks(10 * hour, 13 * hour, 3, hour / 2)).toEqual([10.5, 11.5, 12.5].map((n) => n * hour));
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 86_400_000 }), fc.nat(2e12), (width, from) => {
        expect(timeTicks(from, from + width, 5).length).toBeLessThanOrEqual(6);
      }),
    );
  });
});

describe('paths', () => {
  it('break where nothing is known, and show a value alone', () => {
    expect(linePath([0, 1, 2, 3, 4], [1, 2, null, 3, null], same, same)).toBe('M0 1L1 2M3 3h1');
    expect(linePath([], [], same, same)).toBe('');
    expect(linePath([5], [null], same, same)).toBe('');
  });

  it('of areas go along the upper and back along the lower list', () => {
    expect(areaPath([0, 1], [3, 4], [1, 2], same, same)).toBe('M0 3L1 4L1 2L0 1Z');
    expect(areaPath([0, 1], [3, 4], undefined, same, same)).toBe('M0 3L1 4L1 0L0 0Z');
    expect(areaPath([], [], [], same, same)).toBe('');
  });

  it('stack lists on one another', () => {
    expect(
      stacked([
        [1, null],
        [2, 3],
        [0, 1],
      ]),
    ).toEqual([
      [1, 0],
      [3, 3],
      [3, 4],
    ]);
    expect(
      greatest([
        [1, null],
        [null, 7],
      ]),
    ).toBe(7);
    expect(greatest([])).toBe(0);
  });

  it('map ranges, also one that is a point', () => {
    expect(linear(0, 10, 100, 0)(5)).toBe(50);
    expect(linear(3, 3, 0, 10)(3)).toBe(0);
  });
});

describe('the nearest moment', () => {
  it('is the one with the least distance', () => {
    expect(nearest([], 5)).toBe(-1);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000), { minLength: 1 }), fc.nat(1200), (given, at) => {
        const times = given.toSorted((a, b) => a - b);
        const distance = Math.abs(times[nearest(times, at)]! - at);
        expect(distance).toBe(Math.min(...times.map((time) => Math.abs(time - at))));
      }),
    );
  });
});
