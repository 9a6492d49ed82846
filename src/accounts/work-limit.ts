/**
 * So much work of a kind at once, so much that waits, and a refusal past that.
 */
import { Deque } from '../core/deque.js';
import { SluiceError } from '../core/errors.js';

export class WorkLimit {
  private readonly atOnce: number;
  private readonly maxWaiting: number;
  private readonly waiting = new Deque<() => void>();
  private running = 0;

  constructor(atOnce: number, maxWaiting: number) {
    this.atOnce = atOnce;
    this.maxWaiting = maxWaiting;
  }

  /** Runs `work` as soon as there is room. @throws SluiceError `too-busy` when too much waits, and what `work` throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) {
      if (this.waiting.length >= this.maxWaiting)
        throw new SluiceError('too-busy', `${this.maxWaiting} logins wait to be checked`, { temporary: true });
      // The place of the one that ends passes to the one that waits longest: `running` stays.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
