/**
 * What a fault case is: a name, whether it belongs to the quick set, and a run that ends in facts and problems.
 *
 * Contract: a case that cannot be run here throws SkipCase with the reason, which is printed; everything it started is
 * ended when it returns. A problem is one line that says what was expected and what was found; none means passed.
 */

/** What a case is given. */
export interface FaultContext {
  /** Rounds for cases that repeat a fault. */
  readonly rounds: number;
  /** The long run: every variant, more time. */
  readonly long: boolean;
  /** An empty directory on a real disk for this case alone. */
  readonly directory: string;
  /** An empty directory in memory where there is one: what must outlive a disk that is cut. */
  readonly memory: string;
  /** The process may mount in a namespace of its own. */
  readonly mounts: boolean;
  /** Path of libfaketime.so.1, '' when there is none. */
  readonly libfaketime: string;
  /** Folder of the conformance drivers, '' when there is none. */
  readonly drivers: string;
  /** One line on what is going on. */
  note(text: string): void;
}

/** What came of a case. */
export interface FaultReport {
  readonly facts: Record<string, number | string>;
  readonly problems: string[];
}

export interface FaultCase {
  readonly name: string;
  /** In the set that CI runs. */
  readonly quick: boolean;
  readonly purpose: string;
  run(context: FaultContext): Promise<FaultReport>;
}

/** The case cannot be run on this machine; `message` is the reason. */
export class SkipCase extends Error {
  override readonly name = 'SkipCase';
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `condition` holds; false when it does not within `limit` ms. */
export async function within(limit: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = Date.now() + limit;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() >= end) return false;
    await pause(50);
  }
}

/** A number in [low, high]. */
export function between(low: number, high: number): number {
  return low + Math.random() * (high - low);
}
