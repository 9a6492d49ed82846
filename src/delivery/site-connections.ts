/**
 * The connections to one site, shared by the pools of all destinations it takes mail for.
 *
 * A connection that is free goes to the pool whose turn it is: its own while nobody else waits, else the first in line
 * that can use it as it is, so that mail for the many domains of a provider goes over few connections. Where nobody in
 * line can, it is closed after a few more messages, and the first in line may make its own.
 */
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Wait } from '../queue/wait.js';
import type { SessionFault, Verdict } from '../smtp/client-host.js';
import type { PeerReply } from '../smtp/reply-parser.js';
import type { ConnectionOwner } from './connection-plan.js';
import type { PoolEnvironment } from './delivery.js';
import type { DestinationPool, WantedHost } from './destination-pool.js';
import { DialChoice } from './dial-choice.js';
import { HostChecks } from './health/host-checks.js';
import { resultOf } from './health/transaction-result.js';
import { HostLessons } from './host-lessons.js';
import type { HostState, TransactionResult } from './host-state.js';
import { HostStates } from './host-states.js';
import type { SiteControl } from './site-control.js';
import { SiteTurns } from './site-turns.js';
import { Slots } from './slots.js';
import type { TlsResult } from './tls-policy.js';
import type { PlanRefusal } from './transaction-plan.js';
import { UpstreamConnection } from './upstream-connection.js';

/** Messages that a pool may send on a connection while others wait that cannot use it. */
const QUANTUM = 20;

export class SiteConnections implements ConnectionOwner {
  readonly control: SiteControl;
  readonly slots = new Slots();
  readonly states: HostStates;
  readonly turns: SiteTurns;
  readonly checks: HostChecks;
  /** Pools that use it. */
  pools = 0;
  private readonly choice: DialChoice;
  private readonly lessons: HostLessons;
  private readonly environment: PoolEnvironment;
  private readonly all = new Set<UpstreamConnection>();

  constructor(control: SiteControl, environment: PoolEnvironment) {
    this.control = control;
    this.environment = environment;
    this.choice = new DialChoice(control);
    this.lessons = new HostLessons(control, environment);
    this.states = new HostStates(environment);
    this.turns = new SiteTurns(environment.clock, this.slots);
    this.checks = new HostChecks(environment, () => this.turns.serve());
  }

  /** Nobody uses it and nothing is open. */
  get isEmpty(): boolean {
    return this.pools === 0 && this.slots.connections === 0;
  }

  /** What the control allows now. */
  heedLimit(now: number): void {
    this.slots.setLimit(this.control.connectionLimit(now), this.environment.reserveShare);
  }

  /** An idle connection to a host that may stand for one with this key; undefined where there is none. */
  takeIdle(pool: DestinationPool, state: HostState, key: string, now: number): UpstreamConnection | undefined {
    const { idle } = state;
    const others = pool.slots.connections < pool.slots.limit;
    for (let i = idle.length - 1; i >= 0; i--) {
      const connection = idle[i]!;
      if (connection.plan.key !== key || (connection.pool !== pool && !others)) continue;
      if (connection.held !== null && connection.held.until > now) {
        pool.refuse(connection.held);
        continue;
      }
      idle.splice(i, 1);
      this.slots.idle--;
      return connection;
    }
    return undefined;
  }

  /** Without a job for now. */
  park(connection: UpstreamConnection): void {
    connection.plan.state.idle.push(connection);
    this.slots.idle++;
    connection.rest(this.environment.idleTime);
  }

  /** Begins a connection for a pool; or why it may not be begun now. */
  dial(pool: DestinationPool, state: HostState, wanted: WantedHost, urgent: boolean, now: number): Wait | null {
    const { egress } = pool;
    const start = this.choice.next(wanted.host, state.target.address, egress, now);
    if ('until' in start) return start;
    this.count(pool, state, 1);
    pool.dials(urgent, 1);
    this.turns.progress++;
    const { dial, connection: options, clock, wheel, returnPath } = this.environment;
    const { key } = wanted;
    const { site } = this.control;
    const clearReason = state.clearBecause(now);
    const plan = { ...start, state, key, pool, site, egress, returnPath, clearReason, urgent };
    this.all.add(new UpstreamConnection(plan, dial, this, options, clock, wheel));
    return null;
  }

  /** A free connection carries a job for a pool. */
  begin(connection: UpstreamConnection, pool: DestinationPool, job: DeliveryJob, now: number): void {
    if (connection.pool !== pool) this.move(connection, pool, now);
    const { state } = connection.plan;
    const urgent = job.message.lane === 'immediate';
    connection.urgent = urgent;
    connection.turns++;
    this.turns.progress++;
    this.slots.began(urgent);
    pool.slots.began(urgent);
    state.slots.began(urgent);
    state.transactionBegan(now);
    connection.deliver(job, now);
  }

  /** Closes connections that rest, to one host where one is given, until there will be room for another. */
  makeRoom(only: HostState | null, urgent: boolean): void {
    const slots = only?.slots ?? this.slots;
    if (!urgent && !slots.sparesOne) return;
    let excess = slots.excess(urgent);
    // The one that rests longest first.
    for (const state of only === null ? this.states : [only])
      while (excess > 0 && state.idle.length > 0) {
        excess--;
        state.idle[0]!.quit();
      }
  }

  /** Closes what a pool has at rest and does not want any more. */
  retire(pool: DestinationPool): void {
    for (const { idle } of this.states)
      for (const connection of [...idle])
        if (connection.pool === pool && !pool.wantsStill(connection)) connection.quit();
  }

  /** Closes what is idle; every other connection when its job is done. */
  drain(): void {
    this.turns.stop();
    this.checks.stop();
    for (const connection of [...this.all]) if (connection.job === null) connection.quit();
  }

  /** Closes everything at once. */
  abort(reason: string): void {
    for (const connection of [...this.all]) connection.abort(reason);
  }

  // ConnectionOwner

  ready(connection: UpstreamConnection): void {
    connection.pool.dials(connection.urgent, -1);
    this.lessons.connected(connection, this.environment.clock.now());
    this.release(connection);
    // A host that was not known to answer had one connection only: there may be more now.
    connection.pool.dispatch();
  }

  jobDone(connection: UpstreamConnection, job: DeliveryJob, verdicts: readonly Verdict[]): void {
    const now = this.environment.clock.now();
    const leaves = verdicts.every((verdict) => verdict.stage === 'mail' && verdict.reply.code === 421);
    const untouched = leaves && connection.session.transactions > 1;
    this.ended(connection, untouched ? 'untried' : resultOf(verdicts), now);
    this.lessons.throttling(connection, verdicts, now);
    this.lessons.finished(connection, job, verdicts, now);
    if (untouched && this.requeued(connection, job)) return;
    this.environment.ends.decided(connection, job, verdicts);
    if (connection.session.usable) this.release(connection);
  }

  jobRefused(connection: UpstreamConnection, job: DeliveryJob, refusal: PlanRefusal): void {
    const now = this.environment.clock.now();
    this.ended(connection, 'untried', now);
    this.control.refund(job, connection.sourceName, connection.jobBegan);
    this.environment.ends.refused(connection, job, refusal);
    // Not from within `begin`: a queue full of mail that this host cannot take must not recurse.
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
    const now = this.environment.clock.now();
    this.ended(connection, untouched ? 'untried' : 'lost', now);
    if (uncertain) this.environment.events.uncertain(job, connection.host.name);
    if (untouched && this.requeued(connection, job)) return;
    this.environment.ends.lost(connection, job, reason);
  }

  jobUnreadable(connection: UpstreamConnection, job: DeliveryJob, error: unknown): void {
    const now = this.environment.clock.now();
    this.ended(connection, 'untried', now);
    this.control.refund(job, connection.sourceName, connection.jobBegan);
    this.environment.ends.unreadable(connection, job, error);
    if (connection.free) this.release(connection);
  }

  leaving(connection: UpstreamConnection): void {
    this.slots.leaving++;
    connection.plan.state.slots.leaving++;
    this.unpark(connection);
  }

  tlsResult(connection: UpstreamConnection, result: TlsResult): void {
    this.environment.events.tlsResult(connection.pool.queue.key, connection.host, result);
  }

  gone(connection: UpstreamConnection, reason: string, reply: PeerReply | null, fault?: SessionFault): void {
    const { environment } = this;
    const { pool } = connection;
    this.count(pool, connection.plan.state, -1);
    if (connection.leaves) {
      this.slots.leaving--;
      connection.plan.state.slots.leaving--;
    }
    this.unpark(connection);
    this.all.delete(connection);
    if (connection.established) this.lessons.closed(connection);
    else {
      pool.dials(connection.urgent, -1);
      this.lessons.connectFailed(connection, reply === null ? reason : `${reason}: ${reply.code} ${reply.text}`, fault);
    }
    this.choice.ended();
    // Not from within the wire's callback: a host that fails at once must not recurse.
    if (pool.wants) setImmediate(() => pool.dispatch());
    else pool.checkEmpty();
    if (this.turns.inLine > 0) setImmediate(() => this.turns.serve());
    if (environment.connections === 0) environment.allGone();
  }

  /** A connection is free: the next job, a rest, or the end of it. */
  private release(connection: UpstreamConnection): void {
    const { pool } = connection;
    const now = this.environment.clock.now();
    this.heedLimit(now);
    if (this.environment.draining || this.isWorn(connection, now)) {
      connection.quit();
      pool.dispatch();
      return;
    }
    if (connection.plan.state.pausedUntil > now) {
      this.park(connection);
      pool.dispatch();
      return;
    }
    if (this.turns.inLine > 0 && this.handOn(connection, now)) return;
    if (pool.next(connection, now)) return;
    this.park(connection);
    pool.settle(now);
  }

  /** To the first in line that can use it, or out of the way of those who cannot. False: it is its own pool's. */
  private handOn(connection: UpstreamConnection, now: number): boolean {
    const { pool, plan } = connection;
    const taker = this.turns.firstThat((other) => {
      if (other !== pool && !other.mayUse(connection)) return false;
      return other.next(connection, now);
    });
    if (taker !== undefined) {
      taker.settle(now);
      return true;
    }
    if (this.turns.inLine === 0) return false;
    this.turns.serve();
    // To close it helps only where it makes room.
    const urgent = this.turns.urgentInLine > 0;
    const full = !this.slots.hasRoom(urgent) || !plan.state.slots.hasRoom(urgent);
    if (!full || !(urgent || (this.slots.sparesOne && plan.state.slots.sparesOne))) return false;
    // Whoever made it sends at least one message, or two that cannot share would go on closing each other's.
    const turns = urgent && !pool.wantsUrgently ? 1 : QUANTUM;
    if (pool.wants && connection.turns < turns) return false;
    connection.quit();
    pool.settle(now);
    return true;
  }

  private isWorn(connection: UpstreamConnection, now: number): boolean {
    const { session, host } = connection;
    const { environment, control } = this;
    let most = environment.messagesPerConnection;
    if (session.capabilities.maxMessages > 0) most = Math.min(most, session.capabilities.maxMessages);
    if (host.maxMessages) most = Math.min(most, host.maxMessages);
    if (control.maxMessages > 0) most = Math.min(most, control.maxMessages);
    return (
      session.transactions >= most ||
      now - connection.openedAt >= environment.connectionAge ||
      this.slots.connections - this.slots.leaving > this.slots.limit ||
      !connection.pool.wantsStill(connection)
    );
  }

  private unpark(connection: UpstreamConnection): void {
    const { idle } = connection.plan.state;
    const at = idle.indexOf(connection);
    if (at < 0) return;
    idle.splice(at, 1);
    this.slots.idle--;
  }

  private requeued(connection: UpstreamConnection, job: DeliveryJob): boolean {
    const { ends } = this.environment;
    if (!ends.mayRequeue(job)) return false;
    this.control.refund(job, connection.sourceName, connection.jobBegan);
    ends.requeue(job);
    return true;
  }

  private ended(connection: UpstreamConnection, result: TransactionResult, now: number): void {
    const { pool, urgent, plan } = connection;
    this.slots.ended(urgent);
    pool.slots.ended(urgent);
    plan.state.slots.ended(urgent);
    if (this.lessons.ended(connection, result, now) === 'back') setImmediate(() => this.hostIsBack(pool));
  }

  /** Others wait for a host that is known to take mail again. */
  private hostIsBack(pool: DestinationPool): void {
    pool.dispatch();
    this.turns.serve();
  }

  private move(connection: UpstreamConnection, pool: DestinationPool, now: number): void {
    connection.pool.slots.connections--;
    const before = connection.pool;
    connection.pool = pool;
    connection.turns = 0;
    pool.slots.connections++;
    // What it waits for may not have been its own.
    before.settle(now);
    before.checkEmpty();
  }

  private count(pool: DestinationPool, state: HostState, by: number): void {
    this.environment.connections += by;
    this.control.connections += by;
    this.slots.connections += by;
    state.slots.connections += by;
    pool.slots.connections += by;
  }
}
