/**
 * Which job of a destination may go now: not one that is held, removed or suspended, and where its site or the source of
 * the connection has limits only one that they admit. What they refuse stays in the queue; why is remembered.
 */

import type { DestinationQueue } from '../queue/destination-queue.js';
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Wait } from '../queue/wait.js';
import type { PoolEnvironment } from './delivery.js';
import type { SiteControl } from './site-control.js';
import type { UpstreamConnection } from './upstream-connection.js';
import { ownOutcome } from './verdicts.js';

/** How long suspended mail is left alone before it is looked at again, ms: it may have been resumed. */
const SUSPENDED_TIME = 900_000;

export class JobGate {
  /** What stood in the way of the last `take`, null where nothing did. */
  refusal: Wait | null = null;
  /** The control of the site, null where there are no limits. */
  control: SiteControl | null = null;
  private readonly queue: DestinationQueue;
  private readonly environment: PoolEnvironment;
  private connection: UpstreamConnection | null = null;
  private now = 0;

  constructor(queue: DestinationQueue, environment: PoolEnvironment) {
    this.queue = queue;
    this.environment = environment;
  }

  /**
   * The next job for a connection, cut to what one transaction takes, and booked; undefined where there is none or none
   * may go: then `refusal` says why.
   */
  take(connection: UpstreamConnection, urgentOnly: boolean, now: number): DeliveryJob | undefined {
    for (;;) {
      this.refusal = null;
      this.connection = connection;
      connection.held = null;
      this.now = now;
      const asks = this.control !== null || connection.plan.egress !== null;
      const job = this.queue.take(urgentOnly, asks ? this.admits : undefined);
      if (job === undefined) return undefined;
      if (this.isToGo(job)) {
        const limit = this.recipientsFor(job, connection);
        if (job.recipients.length > limit) this.cut(job, limit);
        return job;
      }
      this.refund(job, connection, now);
    }
  }

  /** The next job where none of these limits apply. */
  takeAny(): DeliveryJob | undefined {
    for (;;) {
      const job = this.queue.take();
      if (job === undefined || this.isToGo(job)) return job;
    }
  }

  /** What was booked for a job did not go. */
  refund(job: DeliveryJob, connection: UpstreamConnection, now: number): void {
    this.control?.refund(job, connection.sourceName, now);
  }

  private readonly admits = (job: DeliveryJob): boolean => {
    const { control, now } = this;
    const connection = this.connection!;
    // The source has refused already: that concerns every job.
    if (connection.held !== null) return false;
    if (control !== null) {
      const limit = this.recipientsFor(job, connection);
      const asked = job.recipients.length > limit ? { ...job, recipients: job.recipients.slice(0, limit) } : job;
      const wait = control.admitJob(asked, connection.sourceName, now);
      if (wait !== null) return this.refuse(wait);
      if (connection.plan.egress === null) return true;
      if (this.sourceAdmits(connection, now)) return true;
      control.refund(asked, connection.sourceName, now);
      return false;
    }
    return this.sourceAdmits(connection, now);
  };

  private sourceAdmits(connection: UpstreamConnection, now: number): boolean {
    const wait = connection.plan.egress!.admit(connection.plan.source!, connection.plan.site, now);
    if (wait === null) return true;
    connection.held = wait;
    return this.refuse(wait);
  }

  /** Of several reasons the one that is over first is kept. */
  private refuse(wait: Wait): false {
    if (this.refusal === null || wait.until < this.refusal.until) this.refusal = wait;
    return false;
  }

  /** False: it was dealt with otherwise. */
  private isToGo(job: DeliveryJob): boolean {
    const { scheduler, suspensions } = this.environment;
    if (job.message.removed || job.message.held) {
      scheduler.finish(job, []);
      return false;
    }
    return suspensions === undefined || suspensions.size === 0 || !this.isSuspended(job);
  }

  private isSuspended(job: DeliveryJob): boolean {
    const { scheduler, clock } = this.environment;
    const suspensions = this.environment.suspensions!;
    const outcomes = new Map<number, Outcome>();
    for (const recipient of job.recipients) {
      const found = suspensions.match(job.message.envelope, recipient, this.queue.key);
      if (found === undefined) continue;
      const left = found.until === 0 ? SUSPENDED_TIME : Math.max(0, found.until - clock.wall());
      const putOff = clock.now() + Math.min(SUSPENDED_TIME, left);
      const who = found.by === 'operator' ? 'an operator' : 'a rule';
      const reason = `suspended by ${who}${found.reason === '' ? '' : `: ${found.reason}`}`;
      outcomes.set(recipient, { ...ownOutcome('deferred', '4.3.2', reason, ''), putOff });
    }
    if (outcomes.size === 0) return false;
    // The others of the message go on, as a job of their own.
    const others = job.recipients.filter((recipient) => !outcomes.has(recipient));
    if (others.length > 0) scheduler.splitOff(job, others);
    scheduler.finish(
      job,
      job.recipients.map((recipient) => outcomes.get(recipient)!),
    );
    return true;
  }

  /** Recipients that one transaction takes at most. */
  private recipientsFor({ message }: DeliveryJob, connection: UpstreamConnection): number {
    const { maxRecipients, returnPath } = this.environment;
    if (returnPath?.appliesTo(message.envelope)) return 1;
    const { capabilities } = connection.session;
    let limit = maxRecipients;
    if (capabilities.maxRecipients > 0) limit = Math.min(limit, capabilities.maxRecipients);
    if (connection.host.maxRecipients) limit = Math.min(limit, connection.host.maxRecipients);
    if (this.control !== null && this.control.maxRecipients > 0) limit = Math.min(limit, this.control.maxRecipients);
    return limit;
  }

  private cut(job: DeliveryJob, limit: number): void {
    const rest = job.recipients.slice(limit);
    job.recipients = job.recipients.slice(0, limit);
    this.environment.scheduler.splitOff(job, rest);
  }
}
