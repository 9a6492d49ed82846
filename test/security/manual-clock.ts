/** A clock that stands until it is moved. */
import type { Clock } from '../../src/core/clock.js';

export class ManualClock implements Clock {
  time: number;

  constructor(time = 1_000_000_000_000) {
    this.time = time;
  }

  now(): number {
    return this.time;
  }

  wall(): number {
    return this.time;
  }

  /** Moves on by seconds. */
  pass(seconds: number): void {
    this.time += seconds * 1000;
  }
}
