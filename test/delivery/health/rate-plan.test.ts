import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RatePlan } from '../../../src/delivery/health/rate-plan.js';

const MINUTE = 60_000;

/** Learns that a host defers above so many a minute. */
function learnt(perMinute: number, now: number): RatePlan {
  const plan = new RatePlan();
  for (let i = 0; i < perMinute; i++) plan.took(now - MINUTE / 2 + i);
  plan.refused(now);
  return plan;
}

describe('a learnt rate', () => {
  it('is what was taken in the minute before the refusal; less than a few a minute teach nothing', () => {
    expect(learnt(120, 1e6).limit).toBe(120);
    expect(learnt(120, 1e6).planned).toBeCloseTo(114);
    expect(learnt(3, 1e6).limit).toBe(Number.POSITIVE_INFINITY);
  });

  it('comes near to a limit of fixed minutes that it met in the midst of one', () => {
    // 10 a second; the host takes 300 in each minute of its clock and refuses the rest.
    const plan = new RatePlan();
    let minute = -1;
    let taken = 0;
    for (let now = 45_000; now < 300_000; now += 100) {
      if (Math.floor(now / MINUTE) !== minute) taken = 0;
      minute = Math.floor(now / MINUTE);
      if (taken < 300) {
        taken++;
        plan.took(now);
      } else plan.refused(now);
    }
    expect(plan.limit).toBeGreaterThanOrEqual(295);
    expect(plan.limit).toBeLessThanOrEqual(310);
  });

  it('property: under a plan no minute has more than was learnt, whatever arrives', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30, max: 3000 }),
        fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 400 }),
        (limit, gaps) => {
          const plan = learnt(limit, 1e6);
          const sent: number[] = [];
          let now = 1e6 + MINUTE;
          let closedUntil = 0;
          for (const gap of gaps) {
            now += gap / 20;
            // As many as the plan lets go at this time.
            while (closedUntil <= now) {
              sent.push(now);
              closedUntil = plan.began(now);
              if (closedUntil === 0 && sent.length > 20_000) return;
            }
          }
          for (let from = 0, to = 0; to < sent.length; to++) {
            while (sent[to]! - sent[from]! >= MINUTE) from++;
            expect(to - from + 1).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is raised while it is used up and nothing is refused, each time by more; a refused raise makes it slow again', () => {
    const plan = learnt(600, 1e6);
    let now = 1e6;
    /** The minutes of raises and by how much, in percent. */
    const run = (minutes: number): [number, number][] => {
      const from = now;
      const raises: [number, number][] = [];
      while (now < from + minutes * MINUTE) {
        const before = plan.limit;
        now = Math.max(now + 1, plan.began(now));
        plan.took(now);
        if (plan.limit > before)
          raises.push([Math.round((now - from) / MINUTE), Math.round((plan.limit / before - 1) * 100)]);
      }
      return raises;
    };
    expect(run(4.5)).toEqual([
      [1, 5],
      [2, 10],
      [3, 20],
      [4, 40],
    ]);
    plan.refused(now);
    expect(run(5)).toEqual([
      [2, 5],
      [4, 10],
    ]);
  });

  it('is forgotten when it held nothing back for an hour', () => {
    const plan = learnt(600, 1e6);
    const run = (from: number, to: number) => {
      for (let now = 1e6 + from * MINUTE; now < 1e6 + to * MINUTE; now += 1000) plan.began(now);
      return plan.limit;
    };
    expect(run(0, 59)).toBe(600);
    expect(run(59, 63)).toBe(Number.POSITIVE_INFINITY);
  });
});
