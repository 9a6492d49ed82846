/**
 * Time.
 *
 * The engine's time is the wall clock read once at start plus the monotonic clock since then: a wall clock that is
 * stepped while the engine runs neither expires mail early nor makes retries spin. Message dates use the wall clock.
 */

/** Source of time. Both in milliseconds since the Unix epoch; `now` never goes backwards within a process. */
export interface Clock {
  /** Steady time, for deadlines, retries and ages. */
  now(): number;
  /** The wall clock, for what people read (Date and Received fields). */
  wall(): number;
}

const origin = Date.now() - performance.now();

/** The clock of this process. */
export const systemClock: Clock = {
  now: () => origin + performance.now(),
  wall: () => Date.now(),
};
