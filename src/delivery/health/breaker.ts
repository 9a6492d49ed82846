/**
 * Circuit breaker of one host (M. Nygard, "Release It!"): closed, open for a time, then half-open for one probe.
 *
 * It counts what the host did with mail: lost connections and deferrals such as storms of 421 and 451, not only refused
 * connections. Open times grow while openings follow one another. The breaker decides nothing about the others of a
 * site: whether a host may be put out is asked of the caller.
 */

/** First and longest open time, ms. */
const FIRST_OPEN = 1000;
const LONGEST_OPEN = 30_000;
/** A host that was well for so long begins with the first open time again, ms. */
const FORGIVEN_AFTER = 120_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

export class Breaker {
  /** Failures since the last success. */
  consecutive = 0;
  /** Open until then, engine clock ms. */
  until = Number.NEGATIVE_INFINITY;
  private tripped = false;
  private openings = 0;
  private closedAt = Number.NEGATIVE_INFINITY;

  state(now: number): BreakerState {
    return !this.tripped ? 'closed' : this.until > now ? 'open' : 'half-open';
  }

  /** One that began at `begunAt` succeeded. True: the breaker closes by it. */
  succeeded(begunAt: number, now: number): boolean {
    // What was sent before it opened proves nothing.
    if (this.tripped && begunAt < this.until) return false;
    this.consecutive = 0;
    if (!this.tripped) return false;
    this.tripped = false;
    this.closedAt = now;
    return true;
  }

  /** One failed. True: it was the probe, and the breaker is open again. */
  failed(begunAt: number, now: number): boolean {
    this.consecutive++;
    if (!this.tripped || begunAt < this.until) return false;
    this.open(now);
    return true;
  }

  /** Opens it. */
  open(now: number): void {
    if (!this.tripped && now - this.closedAt > FORGIVEN_AFTER) this.openings = 0;
    this.until = now + Math.min(LONGEST_OPEN, FIRST_OPEN * 2 ** Math.min(this.openings, 10));
    this.openings++;
    this.tripped = true;
  }
}
