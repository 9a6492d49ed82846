/**
 * The lanes of the queue and whose turn it is.
 *
 * New mail is immediate or bulk, as its handling says; what was tried and put off is deferred. Lanes share by weight:
 * start-time fair queueing (Goyal, Vin and Cheng, 1996) over three lanes, so choosing looks at three numbers.
 *
 * Promise: a job of a lane with weight w that has n jobs of its lane before it goes after at most, for each other lane of
 * weight v, floor((n + 1) v / w) + 1 jobs of that lane. With the default weights the first immediate job is behind two
 * others at most, and of a hundred jobs in a row at least three are deferred ones while such wait.
 */

import type { Lane } from '../message/envelope.js';
import { DEFAULT_LANES as DEFAULT_SHARES } from '../message/lane-settings.js';

export type QueueLane = Lane | 'deferred';

/** In the order in which they are preferred when nothing else decides. Their places are their numbers. */
export const QUEUE_LANES = ['immediate', 'bulk', 'deferred'] as const satisfies readonly QueueLane[];

export const IMMEDIATE = 0;
export const BULK = 1;
export const DEFERRED = 2;

export interface LaneOptions {
  /** Shares of the turns while all lanes have mail; above 0. */
  readonly weights: Readonly<Record<QueueLane, number>>;
}

export const DEFAULT_LANES: LaneOptions = { weights: DEFAULT_SHARES };

/** The place of a lane in QUEUE_LANES. */
export function laneNumber(lane: QueueLane): number {
  return lane === 'immediate' ? IMMEDIATE : lane === 'bulk' ? BULK : DEFERRED;
}

/** The lane of a message of new-mail lane `lane` after `attempts`. */
export function laneAfter(lane: Lane, attempts: number): QueueLane {
  return attempts > 0 ? 'deferred' : lane;
}

/** How the turns of all queues are shared: one object for all of them, so that a change holds everywhere at once. */
export class LaneShares {
  /** What a turn costs a lane, by its number: 1 / weight. */
  readonly costs: number[] = [0, 0, 0];
  /** Weight of a tenant, at least 1. */
  readonly tenantWeight: (tenant: string) => number;

  /** @throws RangeError on a weight that is not above 0. */
  constructor(lanes: LaneOptions = DEFAULT_LANES, tenantWeight: (tenant: string) => number = () => 1) {
    this.tenantWeight = tenantWeight;
    this.set(lanes);
  }

  /** @throws RangeError on a weight that is not above 0. */
  set({ weights }: LaneOptions): void {
    for (const lane of QUEUE_LANES)
      if (!(weights[lane] > 0 && Number.isFinite(weights[lane])))
        throw new RangeError(`the weight of lane ${lane} is ${weights[lane]}: give a number above 0`);
    QUEUE_LANES.forEach((lane, n) => {
      this.costs[n] = 1 / weights[lane];
    });
  }
}

/** Whose turn it is among the lanes of one queue. */
export class LaneTurns {
  private readonly costs: readonly number[];
  /** When each lane's next turn is, in virtual time. None lies before the start of the last turn. */
  private readonly tags = [0, 0, 0];

  constructor(shares: LaneShares) {
    this.costs = shares.costs;
  }

  /** The lane to go next of those whose bit is set in `lanes` (1 << number), -1 for none. */
  next(lanes: number): number {
    let found = -1;
    for (let lane = 0; lane < 3; lane++)
      if ((lanes & (1 << lane)) !== 0 && (found < 0 || this.tags[lane]! < this.tags[found]!)) found = lane;
    return found;
  }

  /** A lane had a turn. */
  took(lane: number): void {
    const { tags } = this;
    const start = tags[lane]!;
    tags[lane] = start + this.costs[lane]!;
    // Who had nothing to send, or was not let, has no claim to the time gone by.
    for (let other = 0; other < 3; other++) if (tags[other]! < start) tags[other] = start;
  }
}
