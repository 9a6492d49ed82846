import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isExpired, nextAttempt, type RetryPolicy } from '../../src/queue/retry-policy.js';

const policy: RetryPolicy = { min: 60_000, max: 4 * 3_600_000, expire: 5 * 86_400_000 };
const random = fc.double({ min: 0, max: 0.999999, noNaN: true });

describe('retry policy', () => {
  it('doubles from the shortest wait to the longest, give or take a fifth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), random, (attempts, chance) => {
        const wait = nextAttempt(policy, attempts, 0, 0, chance);
        const middle = Math.min(policy.max, policy.min * 2 ** (attempts - 1));
        expect(wait).toBeGreaterThanOrEqual(middle * 0.8 - 1);
        expect(wait).toBeLessThanOrEqual(middle * 1.2 + 1);
      }),
    );
  });

  it('comes once more when the message expires, and never sooner than now', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 6 * 86_400_000, noNaN: true }),
        random,
        (attempts, age, chance) => {
          const received = 1.7e12;
          const now = received + age;
          const due = nextAttempt(policy, attempts, received, now, chance);
          expect(due).toBeGreaterThan(now);
          if (now < received + policy.expire)
            expect(due).toBeLessThanOrEqual(Math.max(received + policy.expire, now + 1000));
          // A message tried at its due time, at or past the expiry, is expired then: rounding opens no gap.
          if (due >= received + policy.expire) expect(isExpired(policy, received, due)).toBe(true);
        },
      ),
    );
  });

  it('does not spin on expired mail whose notification cannot be stored', () => {
    expect(nextAttempt(policy, 1, 0, policy.expire + 5, 0.5)).toBeGreaterThanOrEqual(policy.expire + policy.min);
  });
});
