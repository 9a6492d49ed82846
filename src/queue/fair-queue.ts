/**
 * Jobs of one lane at one destination, fair between tenants.
 *
 * Deficit round robin (Shreedhar and Varghese, 1995), in the form that lets a tenant go into debt, so that sizes need not
 * be looked at before a job is taken. A job costs one for every 64 KiB that it begins, 64 at most: what tenants compete
 * for is the time of connections, which a small message takes by its round trips, whatever its size, and a large one by
 * its bytes. Counting messages only, a tenant of large ones would take nearly all of the time; counting bytes only, one
 * of tiny ones would. A tenant gets its weight in each round. A step over a tenant in debt pays off at least one of what
 * a job of its took beyond one, so taking a job takes steps in proportion to its cost: O(1).
 * State: the tenants that have jobs here, no others. With one tenant it is a plain deque.
 */
import { Deque } from '../core/deque.js';
import type { DeliveryJob } from './queued-message.js';

/** Bytes of one unit of cost, and the most units of a job. */
const UNIT = 65_536;
const MOST_UNITS = 64;
/** Tenants whose front job is offered in one call. */
const OFFERS = 64;

/** The jobs of one tenant. */
class Flow extends Deque<DeliveryJob> {
  tenant: string;
  /** Units it may still take in this round; below 1: in debt. */
  credit = 0;

  constructor(tenant: string) {
    super();
    this.tenant = tenant;
  }
}

export class FairQueue {
  length = 0;
  private readonly weightOf: (tenant: string) => number;
  /** The tenant whose turn it is; the only one while `others` is empty. Kept when it has no jobs, for the next one. */
  private first: Flow;
  private others: Deque<Flow> | null = null;
  private byTenant: Map<string, Flow> | null = null;

  constructor(tenant: string, weightOf: (tenant: string) => number) {
    this.weightOf = weightOf;
    this.first = new Flow(tenant);
  }

  push(job: DeliveryJob): void {
    this.length++;
    this.flowOf(job).push(job);
  }

  /** In front of its tenant's. */
  unshift(job: DeliveryJob): void {
    this.length++;
    this.flowOf(job).unshift(job);
  }

  /**
   * The job whose turn it is. `admits` is asked with the front job of each tenant in turn, of 64 in one call; calls after
   * it go on with the next tenants. Who is refused stays and keeps its credit.
   */
  take(admits: ((job: DeliveryJob) => boolean) | undefined): DeliveryJob | undefined {
    if (this.others === null) {
      const job = this.first.first;
      if (job === undefined || (admits !== undefined && !admits(job))) return undefined;
      this.length--;
      return this.first.shift();
    }
    let refused = false;
    for (let offers = Math.min(OFFERS, this.others.length + 1); offers > 0; offers--) {
      // After a refusal each of the others is asked once, in debt or not: nothing that may go waits for who may not.
      const flow = refused ? this.first : this.solvent();
      const job = flow.first!;
      if (admits === undefined || admits(job)) {
        flow.shift();
        this.length--;
        flow.credit = Math.max(flow.credit - unitsOf(job), -MOST_UNITS);
        if (flow.length === 0) this.leave();
        return job;
      }
      refused = true;
      this.rotate();
    }
    return undefined;
  }

  /** Takes out all jobs that match; the others keep their order. */
  extract(matches: (job: DeliveryJob) => boolean): DeliveryJob[] {
    const taken: DeliveryJob[] = [];
    const flows = this.others === null ? [this.first] : [this.first, ...this.others];
    for (const flow of flows)
      for (let left = flow.length; left > 0; left--) {
        const job = flow.shift()!;
        if (matches(job)) taken.push(job);
        else flow.push(job);
      }
    this.length -= taken.length;
    for (let left = flows.length; left > 0 && this.others !== null; left--)
      if (this.first.length > 0) this.rotate();
      else this.leave();
    return taken;
  }

  /** Jobs that go before a job by order of arrival of its tenant alone; -1 when it is not here. */
  before(job: DeliveryJob): number {
    for (const flow of this.others === null ? [this.first] : [this.first, ...this.others]) {
      let place = 0;
      for (const each of flow) {
        if (each === job) return place;
        place++;
      }
    }
    return -1;
  }

  *[Symbol.iterator](): IterableIterator<DeliveryJob> {
    yield* this.first;
    if (this.others !== null) for (const flow of this.others) yield* flow;
  }

  /** Makes a tenant the first that may take; others pay off in passing. */
  private solvent(): Flow {
    while (this.first.credit < 1) this.rotate();
    return this.first;
  }

  /** The first goes behind the others. */
  private rotate(): void {
    const others = this.others!;
    others.push(this.first);
    this.advance();
  }

  /** The first has no jobs any more. */
  private leave(): void {
    const others = this.others!;
    this.byTenant!.delete(this.first.tenant);
    this.advance();
    if (others.length > 0) return;
    this.others = null;
    this.byTenant = null;
    this.first.credit = 0;
  }

  private advance(): void {
    const flow = this.others!.shift()!;
    this.first = flow;
    if (flow.credit < 1) flow.credit += Math.max(1, this.weightOf(flow.tenant));
  }

  private flowOf(job: DeliveryJob): Flow {
    const { tenant } = job.message.envelope.handling;
    const { first } = this;
    if (first.tenant === tenant) return first;
    if (this.others === null) {
      if (first.length === 0) {
        first.tenant = tenant;
        return first;
      }
      this.others = new Deque();
      this.byTenant = new Map([[first.tenant, first]]);
    }
    let flow = this.byTenant!.get(tenant);
    if (flow === undefined) {
      flow = new Flow(tenant);
      this.byTenant!.set(tenant, flow);
      this.others.push(flow);
    }
    return flow;
  }
}

function unitsOf(job: DeliveryJob): number {
  return Math.min(MOST_UNITS, Math.floor(job.message.envelope.content.size / UNIT) + 1);
}
