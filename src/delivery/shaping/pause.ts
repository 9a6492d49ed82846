/** A time in which nothing goes, and why. */
import type { Wait } from '../../queue/wait.js';

export class Pause {
  private wait: Wait | null = null;

  /** Begins, or makes longer. False: it is as long already. */
  begin(reason: string, until: number): boolean {
    if (this.wait !== null && this.wait.until >= until) return false;
    this.wait = { kind: 'throttled', reason, until };
    return true;
  }

  /** What it says while it lasts, null when it is over. */
  blocks(now: number): Wait | null {
    if (this.wait !== null && this.wait.until <= now) this.wait = null;
    return this.wait;
  }
}
