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

/** One lane of one destination. */
export class LaneQueue {
  readonly queue: DestinationQueue;
  readonly lane: number;
  readonly jobs: FairQueue;
  /** Memory of the messages of these jobs, and of those being read back for it. */
  bytes = 0;
  /** Ids that wait in the spool; null: none did so far. */
  cold: IdRing | null = null;
  /** It is in the list of those that have room for what is cold. */
  hungry = false;

  constructor(queue: DestinationQueue, lane: number, jobs: FairQueue) {
    this.queue = queue;
    this.lane = lane;
    this.jobs = jobs;
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
  private readonly lanes: [LaneQueue | null, LaneQueue | null, LaneQueue | null] = [null, null, null];
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
    return this.lanes[IMMEDIATE]?.jobs.length ?? 0;
  }

  /** Messages of all lanes that wait in the spool until there is room for them here. */
  get cold(): number {
    let sum = 0;
    for (const lane of this.lanes) sum += lane?.coldLength ?? 0;
    return sum;
  }

  /** Nothing waits here, in memory or not, or is being read for it. */
  get isUnused(): boolean {
    return this.lanes.every((lane) => lane === null || (lane.coldLength === 0 && lane.bytes === 0));
  }

  /** Jobs of a lane that are here. */
  lengthOf(lane: QueueLane): number {
    return this.lanes[laneNumber(lane)]?.jobs.length ?? 0;
  }

  /** Messages of a lane that wait in the spool. */
  coldOf(lane: QueueLane): number {
    return this.lanes[laneNumber(lane)]?.coldLength ?? 0;
  }

  push(job: DeliveryJob): void {
    const lane = this.laneFor(job);
    lane.jobs.push(job);
    this.joined(lane, job);
  }

  /** In front of its lane and tenant: it was taken and nothing of it was sent. */
  putBack(job: DeliveryJob): void {
    const lane = this.laneFor(job);
    lane.jobs.unshift(job);
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
      const lane = this.lanes[IMMEDIATE];
      return lane === null ? undefined : this.takeOf(lane, admits);
    }
    if (turns === null) return this.takeOf(this.only!, admits);
    let open = 0;
    for (let n = IMMEDIATE; n <= DEFERRED; n++) if ((this.lanes[n]?.jobs.length ?? 0) > 0) open |= 1 << n;
    while (open !== 0) {
      const n = turns.next(open);
      const job = this.takeOf(this.lanes[n]!, admits);
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
    for (const lane of this.lanes)
      for (const job of lane?.jobs.extract(matches) ?? []) {
        lane!.bytes -= job.message.cost;
        this.count--;
        taken.push(job);
      }
    return taken;
  }

  /** Jobs of its lane and tenant that a job is behind; -1 when it is not here. */
  before(job: DeliveryJob): number {
    return this.lanes[laneNumber(job.message.lane)]?.jobs.before(job) ?? -1;
  }

  /** The lane and place where an id is cold, undefined when it is not. Looks at every id: for operators. */
  findCold(id: QueueId): { readonly lane: QueueLane; readonly before: number } | undefined {
    for (const lane of this.lanes) {
      const before = lane?.cold?.indexOf(id) ?? -1;
      if (before >= 0) return { lane: QUEUE_LANES[lane!.lane]!, before };
    }
    return undefined;
  }

  /** All jobs, in no order. */
  *[Symbol.iterator](): IterableIterator<DeliveryJob> {
    for (const lane of this.lanes) if (lane !== null) yield* lane.jobs;
  }

  /** A lane of it, made when it is not there; for the scheduler. */
  laneOf(n: number, tenant: string): LaneQueue {
    const found = this.lanes[n];
    if (found !== null && found !== undefined) return found;
    const lane = new LaneQueue(this, n, new FairQueue(tenant, this.shares.tenantWeight));
    if (this.only === null) this.only = lane;
    else this.turns ??= new LaneTurns(this.shares);
    this.lanes[n] = lane;
    return lane;
  }

  /** A lane of it where there is one. */
  laneAt(n: number): LaneQueue | null {
    return this.lanes[n]!;
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
    const job = lane.jobs.take(admits);
    if (job === undefined) return undefined;
    lane.bytes -= job.message.cost;
    this.count--;
    return job;
  }
}
