/**
 * The queues of all destinations by key. A queue lives while delivery has it, or while something of it waits.
 */
import { DestinationQueue } from './destination-queue.js';
import type { LaneShares } from './lanes.js';
import type { DeliveryJob } from './queued-message.js';

export class DestinationQueues {
  private readonly byKey = new Map<string, DestinationQueue>();
  private readonly shares: LaneShares;
  private readonly wake: (queue: DestinationQueue) => void;

  constructor(shares: LaneShares, wake: (queue: DestinationQueue) => void) {
    this.shares = shares;
    this.wake = wake;
  }

  find(key: string): DestinationQueue | undefined {
    return this.byKey.get(key);
  }

  /** The queue of a destination, made when there is none. */
  of(key: string): DestinationQueue {
    let queue = this.byKey.get(key);
    if (queue === undefined) {
      queue = new DestinationQueue(key, this.shares);
      this.byKey.set(key, queue);
    }
    return queue;
  }

  /** Puts a job at the end of its lane, and tells delivery. `queue`: that of its destination. */
  push(job: DeliveryJob, queue = this.of(job.destination)): void {
    queue.push(job);
    queue.released = false;
    this.wake(queue);
  }

  /** Puts a job in front of its lane, and tells delivery. */
  putBack(job: DeliveryJob): void {
    const queue = this.of(job.destination);
    queue.putBack(job);
    queue.released = false;
    this.wake(queue);
  }

  /** Lets a queue go that nobody has and in which nothing waits. */
  drop(queue: DestinationQueue): void {
    if (queue.released && queue.isUnused && this.byKey.get(queue.key) === queue) this.byKey.delete(queue.key);
  }

  values(): IterableIterator<DestinationQueue> {
    return this.byKey.values();
  }
}
