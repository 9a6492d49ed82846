/** Numbers and times on the dashboard. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  clock,
  count,
  duration,
  fromNow,
  many,
  moment,
  percent,
  rate,
} from '../../../src/control/dashboard/format.js';

const NOTHING = [null, undefined, Number.NaN, Number.POSITIVE_INFINITY];

describe('numbers', () => {
  it.each([
    [0, '0'],
    [1234, '1,234'],
    [99_999, '99,999'],
    [123_456, '123 k'],
    [1_234_567, '1.23 M'],
    [45_600_000, '45.6 M'],
    [7_000_000_000, '7 G'],
  ])('%d is %s', (value, text) => expect(count(value)).toBe(text));

  it.each([
    [0, '0'],
    [0.001, '0'],
    [0.25, '0.25'],
    [12.34, '12.3'],
    [1234.5, '1,235'],
  ])('%d a second is %s', (value, text) => expect(rate(value)).toBe(text));

  it.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.99999, '> 99.99 %'],
    [0.995, '99.5 %'],
    [0.0042, '0.42 %'],
    [0.00001, '< 0.01 %'],
    [0.125, '12.5 %'],
  ])('a share of %d is %s', (value, text) => expect(percent(value)).toBe(text));

  it('say of a share that is less than one nothing that reads as all, and of one above none nothing that reads as none', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }), (share) => {
        expect(percent(share)).not.toMatch(/^(?:100|0) %$/);
      }),
    );
  });

  it.each([
    [512, '512 B'],
    [1536, '1.5 KiB'],
    [20 * 1024 * 1024, '20 MiB'],
  ])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text));

  it('that are none are a dash', () => {
    for (const value of NOTHING)
      for (const show of [count, rate, duration, percent, bytes, clock, moment]) expect(show(value)).toBe('–');
  });

  it('count things by name', () => {
    expect([0, 1, 2].map((n) => many(n, 'message'))).toEqual(['0 messages', '1 message', '2 messages']);
    expect(many(2, 'stands', 'stand')).toBe('2 stand');
  });
});

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [8.25, '8.3 ms'],
    [850, '850 ms'],
    [1234, '1.2 s'],
    [59_000, '59 s'],
    [180_000, '3 min'],
    [9_000_000, '2.5 h'],
    [345_600_000, '4 d'],
  ])('%d ms are %s', (value, text) => expect(duration(value)).toBe(text));

  it('are told from now', () => {
    expect(fromNow(0, 1000)).toBe('');
    expect(fromNow(1500, 1000)).toBe('now');
    expect(fromNow(301_000, 1000)).toBe('in 5 min');
    expect(fromNow(1000, 4000)).toBe('3 s ago');
  });

  it('are of the day and of the calendar', () => {
    const at = new Date(2026, 10, 24, 4, 3, 9).getTime();
    expect(clock(at)).toBe('04:03:09');
    expect(moment(at)).toBe('2026-11-24 04:03:09');
    expect(clock(0)).toBe('–');
  });
});
