/**
 * The connections to one destination, fed from its queue.
 *
 * A job goes to an idle connection at once; where there is none, one is dialled, within the limits of the host and the
 * site, as long as jobs wait. Connections are kept for the next job until they are idle too long, too old, or have
 * carried their share. When no host can be used and none is being tried, what waits is deferred with the last reason.
 */
import { WakeUp } from '../core/wake-up.js';
import type { DestinationQueue } from '../queue/destination-queue.js';
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { SessionFault, Verdict } from '../smtp/client-host.js';
import type { PeerReply } from '../smtp/reply-parser.js';
import type { PoolEnvironment } from './delivery.js';
import { HostState, pickBalanced, pickPreferred, type TransactionResult } from './host-state.js';
import type { Site, SiteHost, SiteHosts } from './site.js';
import { throttlingOf } from './throttling.js';
import { asksForMore, type TlsResult } from './tls-policy.js';
import type { PlanRefusal } from './transaction-plan.js';
import { whileUnavailable } from './unavailable.js';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.js';
import { isTooManyRecipients, outcomeOf, ownOutcome } from './verdicts.js';

/** How often a job may find its kept connection gone before that counts as an attempt. */
const MAX_REQUEUES = 3;
/** Least time between two looks for the hosts of a site, ms: a short TTL or a name server that fails is no busy loop. */
const MIN_RESOLVE_INTERVAL = 1000;

export class DestinationPool implements ConnectionOwner {
  readonly queue: DestinationQueue;
  /** Connections being made and made. */
  connections = 0;
  private readonly site: Site;
  private readonly environment: PoolEnvironment;
  private readonly states = new Map<string, HostState>();
  private order: HostState[] = [];
  private resolved: Extract<SiteHosts, { kind: 'hosts' }> | null = null;
  private resolving = false;
  /** Hosts are not looked for before this, engine clock ms. */
  private resolveAgain = 0;
  private dispatching = false;
  /** Connections being made. */
  private dialling = 0;
  private readonly all = new Map<UpstreamConnection, HostState>();
  private readonly wakeUp: WakeUp;

  constructor(queue: DestinationQueue, site: Site, environment: PoolEnvironment) {
    this.queue = queue;
    this.site = site;
    this.environment = environment;
    this.wakeUp = new WakeUp(environment.wheel, () => this.dispatch());
  }

  /** Nothing waits and nothing is open. */
  get isEmpty(): boolean {
    return this.queue.length === 0 && this.connections === 0 && !this.resolving;
  }

  /** A host is known to fail, and is left alone for now. */
  isResting(now: number): boolean {
    return this.order.some((host) => host.isSetBack(now));
  }

  /** Hands out what waits, as far as connections allow. */
  dispatch(): void {
    const { queue } = this;
    if (queue.length === 0 || this.environment.draining || this.dispatching) return;
    const now = this.environment.clock.now();
    if (this.resolved === null || this.resolved.expires <= now) {
      this.resolve(now);
      if (this.resolved === null) return;
    }
    // Starting a job may put another one into this queue; that one is taken by this loop and not by one inside it.
    this.dispatching = true;
    while (queue.length > 0) {
      const mayDial = queue.length > this.dialling && this.connections < this.resolved.limit;
      const host =
        this.resolved.order === 'balance'
          ? pickBalanced(this.order, now, mayDial)
          : pickPreferred(this.order, now, mayDial);
      if (host === undefined) break;
      const idle = host.idle.pop();
      if (idle === undefined) this.dial(host);
      else if (!this.start(idle)) this.release(idle);
    }
    this.dispatching = false;
    if (queue.length === 0) return;
    if (this.connections === 0 || this.order.some((host) => host.pausedUntil > now)) this.waitOrDefer(now);
  }

  /** Closes what is idle, and every other connection when its job is done. */
  drain(): void {
    this.wakeUp.cancel();
    for (const connection of [...this.all.keys()]) if (connection.job === null) connection.quit();
  }

  /** Closes everything at once. */
  abort(reason: string): void {
    for (const connection of [...this.all.keys()]) connection.abort(reason);
  }

  // ConnectionOwner

  ready(connection: UpstreamConnection): void {
    this.dialling--;
    const now = this.environment.clock.now();
    this.stateOf(connection).succeeded(now - connection.openedAt, now);
    this.release(connection);
  }

  jobDone(connection: UpstreamConnection, job: DeliveryJob, verdicts: readonly Verdict[]): void {
    const { scheduler } = this.environment;
    this.ended(connection, resultOf(verdicts));
    this.heedThrottling(connection, verdicts);
    const kept = connection.session.transactions > 1;
    if (
      kept &&
      verdicts.every((verdict) => verdict.stage === 'mail' && verdict.reply.code === 421) &&
      this.requeue(job)
    )
      return;
    let decided = verdicts;
    if (job.recipients.length > 1 && verdicts.some((verdict) => verdict.stage !== 'rcpt' || verdict.reply.code < 400)) {
      const rest = job.recipients.filter((_, i) => isTooManyRecipients(verdicts[i]!));
      if (rest.length > 0) {
        decided = verdicts.filter((verdict) => !isTooManyRecipients(verdict));
        scheduler.splitOff(job, rest);
      }
    }
    const speaksDsn = connection.session.capabilities.dsn;
    const outcomes = decided.map((verdict) => outcomeOf(verdict, connection.host.name, speaksDsn));
    this.conclude(connection, job, outcomes);
    if (connection.session.usable) this.release(connection);
  }

  jobRefused(connection: UpstreamConnection, job: DeliveryJob, refusal: PlanRefusal): void {
    const kind = refusal.temporary === true ? 'deferred' : 'failed';
    this.ended(connection, 'delivered');
    const outcome = ownOutcome(kind, refusal.enhanced, refusal.reason, connection.host.name);
    this.conclude(
      connection,
      job,
      job.recipients.map(() => outcome),
    );
    // Not from within `start`: a queue full of mail that this host cannot take must not recurse.
    setImmediate(() => {
      if (connection.free) this.release(connection);
    });
  }

  jobLost(
    connection: UpstreamConnection,
    job: DeliveryJob,
    reason: string,
    untouched: boolean,
    uncertain: boolean,
  ): void {
    this.ended(connection, 'lost');
    if (uncertain) this.environment.events.uncertain(job, connection.host.name);
    if (untouched && this.requeue(job)) return;
    const outcome = ownOutcome('deferred', '4.4.2', reason, connection.host.name);
    this.conclude(
      connection,
      job,
      job.recipients.map(() => outcome),
    );
  }

  jobUnreadable(connection: UpstreamConnection, job: DeliveryJob, error: unknown): void {
    this.environment.events.unreadable(job, error);
    this.ended(connection, 'delivered');
    const outcome = ownOutcome(
      'deferred',
      '4.3.0',
      'the message could not be read from the spool',
      connection.host.name,
    );
    this.conclude(
      connection,
      job,
      job.recipients.map(() => outcome),
    );
    if (connection.free) this.release(connection);
  }

  leaving(connection: UpstreamConnection): void {
    const { idle } = this.stateOf(connection);
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
  }

  tlsResult(connection: UpstreamConnection, result: TlsResult): void {
    this.environment.events.tlsResult(this.queue.key, connection.host, result);
  }

  gone(connection: UpstreamConnection, reason: string, reply: PeerReply | null, fault?: SessionFault): void {
    const state = this.stateOf(connection);
    this.connections--;
    this.environment.connections--;
    state.connections--;
    this.leaving(connection);
    this.all.delete(connection);
    if (!connection.established) this.dialling--;
    if (!connection.established && !this.environment.draining) {
      const words = reply === null ? reason : `${reason}: ${reply.code} ${reply.text}`;
      const { clock, events, hostRest } = this.environment;
      const now = clock.now();
      if (connection.fallsBack) state.handshakeFailed(words, now);
      else {
        state.failed(words, now, hostRest, connection.openedAt, fault);
        if (fault?.kind === 'credentials') events.credentialsRefused(connection.host, words);
        else events.hostFailed(connection.host, words);
      }
    }
    // Not from within the wire's callback: a host that fails at once must not recurse.
    if (this.queue.length > 0) setImmediate(() => this.dispatch());
    else if (this.isEmpty) this.environment.poolEmpty(this);
    if (this.environment.connections === 0) this.environment.allGone();
  }

  /** Gives a connection the next job; false when there is none. */
  private start(connection: UpstreamConnection): boolean {
    const job = this.nextJob();
    if (job === undefined) return false;
    const peerLimit = connection.session.capabilities.maxRecipients;
    const limit = least(this.environment.maxRecipients, peerLimit, connection.host.maxRecipients);
    if (job.recipients.length > limit) this.environment.scheduler.splitOff(job, job.recipients.slice(limit));
    this.stateOf(connection).transactionBegan(this.environment.clock.now());
    connection.deliver(job);
    return true;
  }

  /** The next job that is still to be done: the queue may have been told to hold or delete its message. */
  private nextJob(): DeliveryJob | undefined {
    for (;;) {
      const job = this.queue.take();
      if (job === undefined || !(job.message.removed || job.message.held)) return job;
      this.environment.scheduler.finish(job, []);
    }
  }

  /** A connection is free: the next job, a rest, or the end of it. */
  private release(connection: UpstreamConnection): void {
    const { environment } = this;
    const { session } = connection;
    const { maxMessages } = session.capabilities;
    const most = least(environment.messagesPerConnection, maxMessages, connection.host.maxMessages);
    const worn =
      session.transactions >= most ||
      environment.clock.now() - connection.openedAt >= environment.connectionAge ||
      asksForMore(this.stateOf(connection).site.tls, connection.host.tls);
    if (worn || environment.draining) {
      connection.quit();
      this.dispatch();
      return;
    }
    const state = this.stateOf(connection);
    const paused = state.pausedUntil > environment.clock.now();
    if (!paused && this.start(connection)) return;
    state.idle.push(connection);
    connection.rest(environment.idleTime);
    if (paused) this.dispatch();
  }

  private ended(connection: UpstreamConnection, result: TransactionResult): void {
    const now = this.environment.clock.now();
    this.stateOf(connection).transactionEnded(result, now - connection.jobBegan, now);
  }

  private conclude(connection: UpstreamConnection, job: DeliveryJob, outcomes: readonly Outcome[]): void {
    this.environment.events.attempt(job, outcomes, connection.host, this.environment.clock.now() - connection.jobBegan);
    this.environment.scheduler.finish(job, outcomes);
  }

  private requeue(job: DeliveryJob): boolean {
    if (job.requeued >= MAX_REQUEUES) return false;
    job.requeued++;
    this.environment.scheduler.requeue(job);
    return true;
  }

  private dial(host: HostState): void {
    const { environment } = this;
    this.dialling++;
    this.connections++;
    environment.connections++;
    host.connections++;
    const { dial, connection, clock, wheel } = environment;
    const clear = host.clearBecause(clock.now());
    this.all.set(new UpstreamConnection(host.target, dial, this, connection, clock, wheel, clear), host);
  }

  private stateOf(connection: UpstreamConnection): HostState {
    return this.all.get(connection)!;
  }

  private resolve(now: number): void {
    if (this.resolving || now < this.resolveAgain) return;
    this.resolving = true;
    void this.site.resolve().then((found) => {
      this.resolving = false;
      if (this.resolved !== null || found.kind === 'hosts')
        this.resolveAgain = this.environment.clock.now() + MIN_RESOLVE_INTERVAL;
      if (found.kind === 'hosts') this.adopt(found);
      else if (found.kind === 'failed') {
        if (found.forbidden === true) this.forget();
        if (this.resolved === null || !found.temporary) this.refuseAll(found);
      }
      // A site that was known goes on with what is known while the name servers are out.
      this.dispatch();
      if (this.isEmpty) this.environment.poolEmpty(this);
    });
  }

  private adopt(found: Extract<SiteHosts, { kind: 'hosts' }>): void {
    this.order = found.hosts.map((host) => {
      const key = keyOf(host);
      let state = this.states.get(key);
      if (state === undefined) {
        state = new HostState(host);
        this.states.set(key, state);
      }
      // Connections from before the host's policy are no more use once they rest; others end with their job.
      if (asksForMore(host.tls, state.site.tls)) for (const connection of [...state.idle]) connection.quit();
      state.site = host;
      return state;
    });
    this.resolved = found;
  }

  /** No host known from before may be used; those that rest without a job are closed. */
  private forget(): void {
    this.resolved = null;
    this.resolveAgain = 0;
    this.order = [];
    for (const connection of [...this.all.keys()]) if (connection.free) connection.quit();
  }

  private refuseAll(failure: Extract<SiteHosts, { kind: 'failed' }>): void {
    this.concludeWaiting(ownOutcome(failure.temporary ? 'deferred' : 'failed', failure.enhanced, failure.reason, ''));
  }

  /** A host that says "slower" gets no mail for a while. */
  private heedThrottling(connection: UpstreamConnection, verdicts: readonly Verdict[]): void {
    for (const { reply } of verdicts) {
      const kind = reply.code < 400 ? null : throttlingOf(reply);
      if (kind === null) continue;
      const state = this.stateOf(connection);
      const now = this.environment.clock.now();
      const words = `${reply.code} ${reply.text}`;
      if (state.throttled(kind, words, now))
        this.environment.events.throttled(connection.host, words, state.pausedUntil - now);
      return;
    }
  }

  private waitOrDefer(now: number): void {
    const fate = whileUnavailable(this.order, this.connections, now);
    if (fate.kind === 'wait') this.wakeUp.at(fate.until);
    else if (fate.kind === 'defer') this.concludeWaiting(fate.outcome);
  }

  private concludeWaiting(outcome: Outcome): void {
    const { queue } = this;
    for (let job = queue.take(); job !== undefined; job = queue.take()) {
      const outcomes = job.recipients.map(() => outcome);
      this.environment.events.attempt(job, outcomes, null, 0);
      this.environment.scheduler.finish(job, outcomes);
    }
  }
}

/** The worst that befell: what a host says about one recipient is said about itself only where it is a deferral. */
function resultOf(verdicts: readonly Verdict[]): TransactionResult {
  let result: TransactionResult = 'delivered';
  for (const { reply } of verdicts) {
    if (reply.code >= 400 && reply.code < 500) return 'deferred';
    if (reply.code >= 500) result = 'failed';
  }
  return result;
}

function keyOf(host: SiteHost): string {
  return `${host.address} ${host.port} ${host.name} ${host.credentials?.sasl.user ?? ''}`;
}

/** The least of a limit and of others, of which 0 and none are no limits. */
function least(limit: number, ...others: readonly (number | undefined)[]): number {
  return others.reduce<number>((found, other) => (other ? Math.min(found, other) : found), limit);
}
