/**
 * Destinations that the engine itself deals with (discard, bounces that come back): a few jobs at once, no connection.
 */

import { messageOf } from '../core/errors.js';
import type { DestinationQueue } from '../queue/destination-queue.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { PoolEnvironment } from './delivery.js';
import type { JobGate } from './job-gate.js';
import type { SiteHosts } from './site.js';
import { ownOutcome } from './verdicts.js';

/** Jobs under way at once. */
const AT_ONCE = 8;

export class LocalDelivery {
  /** Jobs under way. */
  running = 0;
  private readonly queue: DestinationQueue;
  private readonly gate: JobGate;
  private readonly environment: PoolEnvironment;
  /** Room for another job. */
  private readonly next: () => void;

  constructor(queue: DestinationQueue, gate: JobGate, environment: PoolEnvironment, next: () => void) {
    this.queue = queue;
    this.gate = gate;
    this.environment = environment;
    this.next = next;
  }

  /** Begins what waits, as far as there is room. */
  run(local: Extract<SiteHosts, { kind: 'local' }>): void {
    while (this.running < AT_ONCE && this.queue.length > 0) {
      const job = this.gate.takeAny();
      if (job === undefined) return;
      this.running++;
      void this.deliver(local, job);
    }
  }

  private async deliver(local: Extract<SiteHosts, { kind: 'local' }>, job: DeliveryJob): Promise<void> {
    const { clock, events, scheduler } = this.environment;
    const began = clock.now();
    let outcomes = null;
    let reason = 'no outcome for each recipient';
    try {
      outcomes = await local.deliver(job);
    } catch (error) {
      reason = messageOf(error);
    }
    if (outcomes?.length !== job.recipients.length) {
      const outcome = ownOutcome('deferred', '4.3.0', reason, '');
      outcomes = job.recipients.map(() => outcome);
    }
    this.running--;
    events.attempt(job, outcomes, null, clock.now() - began);
    scheduler.finish(job, outcomes);
    this.next();
  }
}
