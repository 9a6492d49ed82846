/**
 * Share of recent transactions that did not succeed: two counts that are forgotten exponentially with time.
 */

/** Time constant of forgetting, ms. */
const MEMORY = 30_000;
/** So many transactions are assumed beforehand, as good as is usual: a single failure says little. */
const ASSUMED = 2;
/** The same where failures are usual at this time: so many successes show that today they are not. */
const ASSUMED_USUAL = 20;

export class FailureShare {
  private good = 0;
  private bad = 0;
  private at = 0;

  observe(failed: boolean, now: number): void {
    this.forget(now);
    if (failed) this.bad++;
    else this.good++;
  }

  /** From 0 to 1. `usual`: the share that is usual at this time. */
  share(now: number, usual = 0): number {
    // Without failures there is nothing to forget: the usual case costs nothing.
    if (this.bad === 0 && usual === 0) return 0;
    this.forget(now);
    const assumed = usual === 0 ? ASSUMED : ASSUMED_USUAL;
    return (this.bad + usual * assumed) / (this.good + this.bad + assumed);
  }

  /** About so many recent transactions it rests on. */
  weight(now: number): number {
    this.forget(now);
    return this.good + this.bad;
  }

  clear(): void {
    this.good = 0;
    this.bad = 0;
  }

  private forget(now: number): void {
    const elapsed = now - this.at;
    // Small steps are gathered: the error is under a percent and an exponential a message is saved.
    if (elapsed < MEMORY / 200) return;
    const left = Math.exp(-elapsed / MEMORY);
    this.good *= left;
    this.bad = this.bad * left < 0.01 ? 0 : this.bad * left;
    this.at = now;
  }
}
