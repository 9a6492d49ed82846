/**
 * DeadlineWheel with a clock of the test's own; the wheel's timer never gets to run because nothing is awaited.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Deadlined, DeadlineWheel } from '../../src/core/deadline-wheel.js';

const RESOLUTION = 250;
const SLOTS = 20;

class Entry implements Deadlined {
  deadline: number;
  expiredAt: number[] = [];
  onExpire: () => void = () => {};

  constructor(deadline: number) {
    this.deadline = deadline;
  }

  expire(now: number): void {
    this.expiredAt.push(now);
    this.onExpire();
  }
}

let now = 0;
let wheel: DeadlineWheel;

function start(at = 1_000_000): void {
  now = at;
  wheel = new DeadlineWheel(() => now, RESOLUTION, SLOTS);
}

function run(ms: number, step = RESOLUTION): void {
  for (const end = now + ms; now < end; ) {
    now = Math.min(end, now + step);
    wheel.advance();
  }
}

afterEach(() => wheel.stop());

describe('DeadlineWheel', () => {
  it('expires each entry once, never early and at most one step late', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 60_000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 400 }),
        (offsets, step) => {
          start();
          const begun = now;
          const entries = offsets.map((offset) => new Entry(begun + offset));
          for (const entry of entries) wheel.add(entry);
          run(62_000, step);
          for (const entry of entries) {
            expect(entry.expiredAt).toHaveLength(1);
            expect(entry.expiredAt[0]).toBeGreaterThanOrEqual(entry.deadline);
            const late = entry.expiredAt[0]! - Math.max(entry.deadline, begun);
            expect(late).toBeLessThanOrEqual(2 * RESOLUTION + step);
          }
          expect(wheel.size).toBe(0);
          wheel.stop();
        },
      ),
      { numRuns: 30 },
    );
  });

  it('follows a deadline that moved later without being told', () => {
    start();
    const entry = new Entry(now + 1000);
    wheel.add(entry);
    for (let i = 0; i < 10; i++) {
      run(900);
      entry.deadline = now + 1000;
    }
    expect(entry.expiredAt).toEqual([]);
    run(1500);
    expect(entry.expiredAt).toHaveLength(1);
  });

  it('is at most a round late when a deadline moved earlier', () => {
    start();
    const entry = new Entry(Number.POSITIVE_INFINITY);
    wheel.add(entry);
    run(60_000);
    expect(wheel.size).toBe(1);
    entry.deadline = now + 100;
    run(RESOLUTION * SLOTS + RESOLUTION);
    expect(entry.expiredAt).toHaveLength(1);
  });

  it('reaches everything after a long stall', () => {
    start();
    const entries = Array.from({ length: 30 }, (_, i) => new Entry(now + i * 300));
    for (const entry of entries) wheel.add(entry);
    now += 3_600_000;
    wheel.advance();
    for (const entry of entries) expect(entry.expiredAt).toHaveLength(1);
  });

  it('leaves alone what was taken out, also by an entry that expires in the same slot', () => {
    start();
    const first = new Entry(now + 100);
    const second = new Entry(now + 100);
    const third = new Entry(now + 100);
    first.onExpire = () => {
      wheel.delete(second);
      wheel.delete(first);
    };
    for (const entry of [first, second, third]) wheel.add(entry);
    run(30_000);
    expect([first, second, third].map((entry) => entry.expiredAt.length)).toEqual([1, 0, 1]);
    expect(wheel.size).toBe(0);
  });

  it('takes an entry back in from inside its own expiry', () => {
    start();
    const entry = new Entry(now + 100);
    entry.onExpire = () => {
      if (entry.expiredAt.length === 3) return;
      entry.deadline = now + 1000;
      wheel.add(entry);
    };
    wheel.add(entry);
    run(10_000);
    expect(entry.expiredAt).toHaveLength(3);
    expect(wheel.size).toBe(0);
  });
});
