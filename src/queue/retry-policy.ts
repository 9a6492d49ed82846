/**
 * When a deferred message is tried again: exponential backoff with jitter, between a shortest and a longest wait, until
 * it expires (RFC 5321 section 4.5.4.1: at least 30 minutes in general and 4 to 5 days in all; both are settings here).
 */

export interface RetryPolicy {
  /** Wait after the first failed attempt, ms. */
  readonly min: number;
  /** Longest wait, ms. */
  readonly max: number;
  /** Age at which a message is given up, ms. */
  readonly expire: number;
}

/** Share of a wait by which it varies either way, so that mail deferred together does not come back together. */
const JITTER = 0.2;

/**
 * The next attempt after `attempts` failed ones (1 or more), engine clock ms. Never past the expiry, so that the last
 * attempt comes when the message expires. `random` in [0, 1).
 */
export function nextAttempt(
  policy: RetryPolicy,
  attempts: number,
  receivedAt: number,
  now: number,
  random: number,
): number {
  const wait = Math.min(policy.max, policy.min * 2 ** Math.min(attempts - 1, 40));
  const jittered = wait * (1 + JITTER * (2 * random - 1));
  const expiry = receivedAt + policy.expire;
  // Past the expiry only mail is left whose notification could not be stored: it waits like any other.
  return now >= expiry ? now + jittered : Math.min(now + jittered, Math.max(expiry, now + 1000));
}

/** The message has reached the end of its time. */
export function isExpired(policy: RetryPolicy, receivedAt: number, now: number): boolean {
  return now >= receivedAt + policy.expire;
}

/** Least time until something that could not be tried is looked at again, ms. */
const LEAST_WAIT = 1000;

/** When a message that was put off until `until` is due: no sooner than in a second, no later than it expires. */
export function untried(policy: RetryPolicy, receivedAt: number, now: number, until: number): number {
  return Math.max(now + LEAST_WAIT, Math.min(until, receivedAt + policy.expire));
}
