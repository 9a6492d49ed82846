/**
 * Jobs waiting for one destination, in the order in which they may be taken: by lane (lanes.ts), and fair between tenants
 * inside of one (fair-queue.ts). Delivery takes from it, the scheduler fills it.
 *
 * What is beyond a destination's share of memory is an id in its ring (`cold`), a lane at a time, in the spool with
 * everything else of it. A lane that never had mail here is nothing at all, so that tens of thousands of destinations
 * cost little.
 */
import type { QueueId } from '../core/queue-id.js';
import { FairQueue } from './fair-queue.js';
import type { IdRing } from './id-ring.js';
import { DEFERRED, IMMEDIATE, LaneShares, LaneTurns, laneNumber, QUEUE_LANES, type QueueLane } from './lanes.js';
import type { DeliveryJob } from './queued-message.js';

/** One lane of one destination: the jobs that are here, and what it knows of those that are not. */
export class LaneQueue extends FairQueue {
  readonly queue: DestinationQueue;
  readonly lane: number;
  /** Memory of the messages of these jobs, and of those being read back for it. */
  bytes = 0;
  /** Ids that wait in the spool; null: none did so far. */
  cold: IdRing | null = null;
  /** It is in the list of those that have room for what is cold. */
  hungry = false;

  constructor(queue: DestinationQueue, lane: number, tenant: string, weightOf: (tenant: string) => number) {
    super(tenant, weightOf);
    this.queue = queue;
    this.lane = lane;
  }

  get coldLength(): number {
    return this.cold?.length ?? 0;
  }
}

const STANDARD = new LaneShares();

export class DestinationQueue {
  readonly key: string;
  /** Delivery does not have it; it stays for what is cold. */
  released = true;
  private readonly shares: LaneShares;
  private immediate: LaneQueue | null = null;
  private bulk: LaneQueue | null = null;
  private deferred: LaneQueue | null = null;
  /** null while one lane only was ever used. */
  private turns: LaneTurns | null = null;
  /** The lane that was used while `turns` is null. */
  private only: LaneQueue | null = null;
  private count = 0;

  constructor(key: string, shares: LaneShares = STANDARD) {
    this.key = key;
    this.shares = shares;
  }

  /** Jobs that are here. */
  get length(): number {
    return this.count;
  }

  /** Jobs of lane immediate. */
  get urgent(): number {
    return this.immediate?.length ?? 0;
  }

  /** Messages of all lanes that wait in the spool until there is room for them here. */
  get cold(): number {
    let sum = 0;
    for (let n = IMMEDIATE; n <= DEFERRED; n++) sum += this.laneAt(n)?.coldLength ?? 0;
    return sum;
  }

  /** Nothing waits here, in memory or not, or is being read for it. */
  get isUnused(): boolean {
    for (let n = IMMEDIATE; n <= DEFERRED; n++) {
      const lane = this.laneAt(n);
      if (lane !== null && (lane.coldLength > 0 || lane.bytes > 0)) return false;
    }
    return true;
  }

  /** Jobs of a lane that are here. */
  lengthOf(lane: QueueLane): number {
    return this.laneAt(laneNumber(lane))?.length ?? 0;
  }

  /** Messages of a lane that wait in the spool. */
  coldOf(lane: QueueLane): number {
    return this.laneAt(laneNumber(lane))?.coldLength ?? 0;
  }

  push(job: DeliveryJob): void {
    const lane = this.laneFor(job);
    lane.push(job);
    this.joined(lane, job);
  }

  /** In front of its lane and tenant: it was taken and nothing of it was sent. */
  putBack(job: DeliveryJob): void {
    const lane = this.laneFor(job);
    lane.unshift(job);
    this.joined(lane, job);
  }

  /**
   * The job whose turn it is, undefined when there is none. `urgentOnly`: of lane immediate only. `admits`: asked with the
   * job at the front of each tenant in turn; those it refuses stay where they are and cost their tenant no turn. A call
   * asks for 64 tenants of a lane at most; the next one goes on with others.
   */
  take(urgentOnly = false, admits?: (job: DeliveryJob) => boolean): DeliveryJob | undefined {
    if (this.count === 0) return undefined;
    const { turns } = this;
    if (urgentOnly) {
      // Of what is kept for this lane: it is no turn of the others.
      const lane = this.immediate;
      return lane === null ? undefined : this.takeOf(lane, admits);
    }
    if (turns === null) return this.takeOf(this.only!, admits);
    let open = 0;
    for (let n = IMMEDIATE; n <= DEFERRED; n++) if ((this.laneAt(n)?.length ?? 0) > 0) open |= 1 << n;
    while (open !== 0) {
      const n = turns.next(open);
      const job = this.takeOf(this.laneAt(n)!, admits);
      if (job !== undefined) {
        turns.took(n);
        return job;
      }
      open &= ~(1 << n);
    }
    return undefined;
  }

  /** Takes out all jobs that match, whosever turn it is. */
  extract(matches: (job: DeliveryJob) => boolean): DeliveryJob[] {
    const taken: DeliveryJob[] = [];
    for (let n = IMMEDIATE; n <= DEFERRED; n++) {
      const lane = this.laneAt(n);
      if (lane === null || lane.length === 0) continue;
      for (const job of lane.extract(matches)) {
        lane.bytes -= job.message.cost;
        this.count--;
        taken.push(job);
      }
    }
    return taken;
  }

  /** Jobs of its lane and tenant that a job is behind; -1 when it is not here. */
  before(job: DeliveryJob): number {
    return this.laneAt(laneNumber(job.message.lane))?.before(job) ?? -1;
  }

  /** The lane and place where an id is cold, undefined when it is not. Looks at every id: for operators. */
  findCold(id: QueueId): { readonly lane: QueueLane; readonly before: number } | undefined {
    for (let n = IMMEDIATE; n <= DEFERRED; n++) {
      const before = this.laneAt(n)?.cold?.indexOf(id) ?? -1;
      if (before >= 0) return { lane: QUEUE_LANES[n]!, before };
    }
    return undefined;
  }

  /** All jobs, in no order. */
  *[Symbol.iterator](): IterableIterator<DeliveryJob> {
    for (let n = IMMEDIATE; n <= DEFERRED; n++) yield* this.laneAt(n) ?? [];
  }

  /** A lane of it, made when it is not there; for the scheduler. */
  laneOf(n: number, tenant: string): LaneQueue {
    const found = this.laneAt(n);
    if (found !== null) return found;
    const lane = new LaneQueue(this, n, tenant, this.shares.tenantWeight);
    if (this.only === null) this.only = lane;
    else this.turns ??= new LaneTurns(this.shares);
    if (n === IMMEDIATE) this.immediate = lane;
    else if (n === DEFERRED) this.deferred = lane;
    else this.bulk = lane;
    return lane;
  }

  /** A lane of it where there is one. */
  laneAt(n: number): LaneQueue | null {
    return n === IMMEDIATE ? this.immediate : n === DEFERRED ? this.deferred : this.bulk;
  }

  private laneFor(job: DeliveryJob): LaneQueue {
    const { message } = job;
    return this.laneOf(laneNumber(message.lane), message.envelope.handling.tenant);
  }

  private joined(lane: LaneQueue, job: DeliveryJob): void {
    lane.bytes += job.message.cost;
    this.count++;
  }

  private takeOf(lane: LaneQueue, admits: ((job: DeliveryJob) => boolean) | undefined): DeliveryJob | undefined {
    const job = lane.take(admits);
    if (job === undefined) return undefined;
    lane.bytes -= job.message.cost;
    this.count--;
    return job;
  }
}
