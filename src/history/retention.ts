/**
 * How long the history is kept: segments go whole when all tenants' time is over; before that, what is older than its
 * own tenant's time is taken out of them.
 *
 * Contract: a look-up shows nothing that is past its time (history-desk.ts); here it is taken off the disk, at the latest an
 * eighth of the time and SWEEP_EVERY later.
 */
import type { Files } from './files.js';
import type { History } from './history.js';
import { rewriteSegment } from './rewrite.js';
import type { FullSegment } from './segments.js';

/** ms. */
export const SWEEP_EVERY = 600_000;
/** A segment that takes longer than this part of the shortest time to grow full is ended. */
const PARTS = 8;

export interface Ages {
  /** Where a tenant has none of its own, ms. */
  readonly usual: number;
  readonly tenants: ReadonlyMap<string, number>;
}

export class Retention {
  private readonly files: Files;
  private readonly history: History;
  /** Ages up to which a segment was found to hold nothing that is past its time. */
  private readonly clean = new WeakMap<FullSegment, number>();

  constructor(files: Files, history: History) {
    this.files = files;
    this.history = history;
  }

  /** Takes out what is past its time at `now` (wall clock, ms). Events taken out of segments that stay. Rejects with what the disk says. */
  async sweep({ usual, tenants }: Ages, now: number): Promise<number> {
    const { history } = this;
    const { segments } = history;
    const ages = [...new Set([usual, ...tenants.values()])].sort((a, b) => a - b);
    await history.endOlderThan(now - ages[0]! / PARTS);
    let taken = 0;
    for (const segment of segments.full) {
      const age = ages.filter((one) => segment.last < now - one).at(-1);
      if (age === undefined) continue;
      if (age === ages.at(-1)) {
        await history.alone(async () => {
          if (segments.full.includes(segment)) await segments.drop(segment);
        });
        continue;
      }
      if (Math.max(segment.swept, this.clean.get(segment) ?? 0) >= age) continue;
      const change = {
        mayConcern: () => true,
        apply: <E extends { at: number; tenant: string }>(event: E) =>
          event.at < now - (tenants.get(event.tenant) ?? usual) ? null : event,
      };
      const files = this.files;
      const alone = <T>(work: () => Promise<T>): Promise<T> => history.alone(work);
      const gone = await rewriteSegment({ files, segments, alone }, segment, change, age);
      if (gone === 0) this.clean.set(segment, age);
      taken += gone;
    }
    return taken;
  }
}
