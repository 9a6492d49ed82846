/**
 * What becomes of a job when its transaction is over, or when there is none: outcomes for the scheduler, or its place in
 * the queue again where nothing of it was sent.
 */
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Verdict } from '../smtp/client-host.js';
import type { PoolEnvironment } from './delivery.js';
import type { PlanRefusal } from './transaction-plan.js';
import type { UpstreamConnection } from './upstream-connection.js';
import { isTooManyRecipients, outcomeOf, ownOutcome, takesOverNotices } from './verdicts.js';

/** How often a job may find its kept connection gone before that counts as an attempt. */
const MAX_REQUEUES = 3;

export class JobEnds {
  private readonly environment: PoolEnvironment;

  constructor(environment: PoolEnvironment) {
    this.environment = environment;
  }

  /** The next hop decided. */
  decided(connection: UpstreamConnection, job: DeliveryJob, verdicts: readonly Verdict[]): void {
    let decided = verdicts;
    if (job.recipients.length > 1 && verdicts.some((verdict) => verdict.stage !== 'rcpt' || verdict.reply.code < 400)) {
      const rest = job.recipients.filter((_, i) => isTooManyRecipients(verdicts[i]!));
      if (rest.length > 0) {
        decided = verdicts.filter((verdict) => !isTooManyRecipients(verdict));
        this.environment.scheduler.splitOff(job, rest);
      }
    }
    const notifies = takesOverNotices(connection.session.capabilities, job.message.envelope.handling.deliverBy);
    const outcomes = decided.map((verdict) => outcomeOf(verdict, connection.host.name, notifies));
    this.conclude(connection, job, outcomes);
  }

  /** It cannot go to this host as it is. */
  refused(connection: UpstreamConnection, job: DeliveryJob, refusal: PlanRefusal): void {
    const kind = refusal.temporary === true ? 'deferred' : 'failed';
    this.concludeAll(connection, job, ownOutcome(kind, refusal.enhanced, refusal.reason, connection.host.name));
  }

  /** The connection was lost under it. */
  lost(connection: UpstreamConnection, job: DeliveryJob, reason: string): void {
    this.concludeAll(connection, job, ownOutcome('deferred', '4.4.2', reason, connection.host.name));
  }

  unreadable(connection: UpstreamConnection, job: DeliveryJob, error: unknown): void {
    this.environment.events.unreadable(job, error);
    const reason = 'the message could not be read from the spool';
    this.concludeAll(connection, job, ownOutcome('deferred', '4.3.0', reason, connection.host.name));
  }

  /** No host was reached. */
  unsent(job: DeliveryJob, outcome: Outcome): void {
    const outcomes = job.recipients.map(() => outcome);
    this.environment.events.attempt(job, outcomes, null, 0);
    this.environment.scheduler.finish(job, outcomes);
  }

  /** False: its kept connection was gone too often, it counts as an attempt. */
  mayRequeue(job: DeliveryJob): boolean {
    return job.requeued < MAX_REQUEUES;
  }

  /** Back in front of its queue: nothing of it was sent. */
  requeue(job: DeliveryJob): void {
    job.requeued++;
    this.environment.scheduler.requeue(job);
  }

  private concludeAll(connection: UpstreamConnection, job: DeliveryJob, outcome: Outcome): void {
    this.conclude(
      connection,
      job,
      job.recipients.map(() => outcome),
    );
  }

  private conclude(connection: UpstreamConnection, job: DeliveryJob, outcomes: readonly Outcome[]): void {
    const { clock, events } = this.environment;
    events.attempt(job, outcomes, connection.host, clock.now() - connection.jobBegan, connection.tls);
    this.environment.scheduler.finish(job, outcomes);
  }
}
