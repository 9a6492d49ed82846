/**
 * What a connection teaches about its host: told to the host's state, to the control of the site, and to the log.
 */
import type { DeliveryJob } from '../queue/queued-message.js';
import type { SessionFault, Verdict } from '../smtp/client-host.js';
import type { PoolEnvironment } from './delivery.js';
import type { HealthChange, TransactionResult } from './host-state.js';
import type { SiteControl } from './site-control.js';
import { throttlingOf } from './throttling.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** How long an egress source that failed is left alone, ms. */
const SOURCE_REST = 10_000;

export class HostLessons {
  private readonly control: SiteControl;
  private readonly environment: PoolEnvironment;

  constructor(control: SiteControl, environment: PoolEnvironment) {
    this.control = control;
    this.environment = environment;
  }

  /** It became usable. */
  connected({ host, openedAt, plan, sourceName }: UpstreamConnection, now: number): void {
    const took = now - openedAt;
    plan.state.succeeded(took, now);
    this.control.connected(host, sourceName, took, now);
    this.environment.events.connected(host, took);
  }

  /** It is over, and never became usable. */
  connectFailed(connection: UpstreamConnection, reason: string, fault?: SessionFault): void {
    const { host, plan, openedAt, sourceName } = connection;
    const { clock, events, hostRest, draining } = this.environment;
    const now = clock.now();
    this.control.connectFailed(host, sourceName, reason, now);
    if (draining) return;
    if (connection.fallsBack) {
      plan.state.handshakeFailed(reason, now);
      return;
    }
    if (fault?.kind === 'source' && plan.egress !== null) {
      plan.egress.pause(sourceName, '', SOURCE_REST, reason, now);
      events.sourceFailed(sourceName, reason, SOURCE_REST);
      return;
    }
    plan.state.failed(reason, now, hostRest, openedAt, fault);
    if (fault?.kind === 'credentials') events.credentialsRefused(host, reason);
    else events.hostFailed(host, reason);
  }

  /** It became usable and is over. */
  closed({ host, sourceName }: UpstreamConnection): void {
    this.control.closed(host, sourceName, this.environment.clock.now());
  }

  /** A transaction that began is over. What that changed for the host. */
  ended({ plan, host, jobBegan }: UpstreamConnection, result: TransactionResult, now: number): HealthChange {
    const { state } = plan;
    const change = state.transactionEnded(result, now - jobBegan, now);
    if (change === 'out') this.environment.events.throttled(host, state.lastFailure, state.pausedUntil - now);
    return change;
  }

  /** The host answered. */
  finished(connection: UpstreamConnection, job: DeliveryJob, verdicts: readonly Verdict[], now: number): void {
    const { host, plan, sourceName, jobBegan } = connection;
    plan.state.replies.note(verdicts, now);
    this.control.finished(job, host, sourceName, verdicts, now - jobBegan, now);
  }

  /** A host that says "slower" gets no mail for a while. */
  throttling({ host, plan }: UpstreamConnection, verdicts: readonly Verdict[], now: number): void {
    for (const { reply } of verdicts) {
      const kind = reply.code < 400 ? null : throttlingOf(reply);
      if (kind === null) continue;
      const words = `${reply.code} ${reply.text}`;
      if (plan.state.throttled(kind, words, now))
        this.environment.events.throttled(host, words, plan.state.pausedUntil - now);
      return;
    }
  }
}
