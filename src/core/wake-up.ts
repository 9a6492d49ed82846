/**
 * One call at a later time, on a deadline wheel.
 */
import type { Deadlined, DeadlineWheel } from './deadline-wheel.js';

export class WakeUp implements Deadlined {
  deadline = Number.POSITIVE_INFINITY;
  private readonly wheel: DeadlineWheel;
  private readonly call: () => void;

  constructor(wheel: DeadlineWheel, call: () => void) {
    this.wheel = wheel;
    this.call = call;
  }

  /** Calls at `time` (engine clock, ms), or earlier where that was asked for before. */
  at(time: number): void {
    if (time >= this.deadline) return;
    this.deadline = time;
    this.wheel.add(this);
  }

  cancel(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.wheel.delete(this);
  }

  expire(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.call();
  }
}
