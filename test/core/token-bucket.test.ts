import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/core/token-bucket.js';

interface Booking {
  readonly at: number;
  readonly count: number;
}

/** Most that was booked in any window `(t - windowMs, t]`. Windows that end with a booking are the fullest ones. */
function fullest(bookings: readonly Booking[], windowMs: number): number {
  let most = 0;
  let sum = 0;
  let first = 0;
  for (const { at, count } of bookings) {
    sum += count;
    while (bookings[first]!.at <= at - windowMs) sum -= bookings[first++]!.count;
    most = Math.max(most, sum);
  }
  return most;
}

const START = 1_790_000_000_000.25;

describe('RateLimit', () => {
  it('never lets more than its limit through in any window, whatever comes and is given back', () => {
    const step = fc.record({
      // Pauses of no time, within a slot, around a slot and around the window, in fractions of a ms.
      pause: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(1 / 60), fc.constant(1)),
      count: fc.integer({ min: 1, max: 5 }),
      refund: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(step, { minLength: 1, maxLength: 300 }),
        (most, windowMs, steps) => {
          const limit = new RateLimit(most, windowMs);
          const bookings: Booking[] = [];
          let now = START;
          for (const { pause, count, refund } of steps) {
            now += pause * windowMs * 0.7;
            const again = limit.admit(count, now);
            if (again === 0) bookings.push({ at: now, count });
            else expect(again).toBeGreaterThan(now);
            const [given] = refund === 0 ? bookings.splice(Math.max(0, bookings.length - 3), 1) : [];
            if (given !== undefined) limit.refund(given.count, given.at);
          }
          expect(fullest(bookings, windowMs)).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('admits at the time it names, and not before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 60, max: 100_000 }),
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 60, maxLength: 120 }),
        (most, windowMs, pauses) => {
          const limit = new RateLimit(most, windowMs);
          let now = START;
          for (const pause of pauses) {
            now += pause;
            const again = limit.admit(1, now);
            if (again === 0) continue;
            expect(again - now).toBeLessThanOrEqual(windowMs + Math.ceil(windowMs / 60) * 2);
            expect(limit.admit(1, again - 0.5)).toBe(again);
            expect(limit.admit(1, again)).toBe(0);
            now = again;
          }
        },
      ),
    );
  });

  it('lets its limit through in a window and a sixtieth under constant demand', () => {
    const limit = new RateLimit(100, 60_000);
    let admitted = 0;
    for (let now = START; now < START + 610_000; now += 10) if (limit.admit(1, now) === 0) admitted++;
    expect(admitted).toBeGreaterThanOrEqual(1000);
    expect(admitted).toBeLessThanOrEqual(1100);
  });

  it('lets no double burst through around the end of a window, as a steadily filled bucket does', () => {
    const limit = new RateLimit(100, 60_000);
    let admitted = 0;
    for (let at = 59_000; at < 61_000; at += 10) if (limit.admit(1, at) === 0) admitted++;
    expect(admitted).toBe(100);
    expect(limit.admit(1, 118_999)).toBeGreaterThan(118_999);
  });

  it('says that what is more than the limit never fits, and books nothing of it', () => {
    const limit = new RateLimit(10, 1000);
    expect(limit.admit(11, START)).toBe(Number.POSITIVE_INFINITY);
    expect(limit.admit(10, START)).toBe(0);
    expect(limit.used(START)).toBe(10);
  });

  it('names the time at which enough of the older bookings are past', () => {
    const limit = new RateLimit(10, 60_000);
    limit.admit(4, 0);
    limit.admit(6, 30_000);
    expect(limit.admit(4, 40_000)).toBe(61_000);
    expect(limit.admit(5, 40_000)).toBe(91_000);
  });

  it('counts what is booked beyond it, and waits the longer', () => {
    const limit = new RateLimit(10, 60_000);
    limit.book(15, 0);
    limit.book(5, 30_000);
    expect(limit.used(30_000)).toBe(20);
    expect(limit.freeAt(5, 30_000)).toBe(61_000);
    expect(limit.freeAt(6, 30_000)).toBe(91_000);
  });

  it('takes back the booking that is meant, and none that is past', () => {
    const limit = new RateLimit(2, 60_000);
    limit.admit(1, 0);
    limit.admit(1, 59_000);
    limit.refund(1, 59_000);
    expect(limit.admit(1, 59_500)).toBe(0);
    expect(limit.admit(1, 59_500)).toBe(61_000);
    expect(limit.admit(1, 61_000)).toBe(0);
    limit.refund(1, 0);
    expect(limit.used(61_000)).toBe(2);
  });

  it('stands still when time goes back', () => {
    const limit = new RateLimit(1, 1000);
    limit.admit(1, START);
    expect(limit.admit(1, START - 50_000)).toBeGreaterThan(START);
  });
});
