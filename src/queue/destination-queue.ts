/**
 * Jobs waiting for one destination, in the order in which they may be taken: by lane, and fair between tenants inside of
 * one. Delivery takes from it, the scheduler fills it.
 */
import { Deque } from '../core/deque.js';
import type { DeliveryJob } from './queued-message.js';

export class DestinationQueue {
  readonly key: string;
  private readonly jobs = new Deque<DeliveryJob>();

  constructor(key: string) {
    this.key = key;
  }

  /** Jobs that are here. */
  get length(): number {
    return this.jobs.length;
  }

  /** Jobs of lane immediate. */
  get urgent(): number {
    return 0;
  }

  push(job: DeliveryJob): void {
    this.jobs.push(job);
  }

  /** In front of its lane: it was taken and nothing of it was sent. */
  putBack(job: DeliveryJob): void {
    this.jobs.unshift(job);
  }

  /**
   * The job whose turn it is, undefined when there is none. `urgentOnly`: of lane immediate only. `admits`: asked with the
   * job at the front of each tenant in turn; those it refuses stay where they are and cost their tenant no turn.
   */
  take(urgentOnly = false, admits?: (job: DeliveryJob) => boolean): DeliveryJob | undefined {
    void urgentOnly;
    const job = this.jobs.shift();
    if (job === undefined || admits === undefined || admits(job)) return job;
    this.jobs.unshift(job);
    return undefined;
  }
}
