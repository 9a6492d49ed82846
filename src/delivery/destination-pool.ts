/**
 * The mail of one destination on its way to the connections of its site.
 *
 * A job goes to an idle connection at once; where there is none, one is dialled, within the limits of the host, the
 * destination and the site, as long as jobs wait. Jobs that may not go now stay in the queue, and their pool in line or
 * until the time it was told. When no host can be used and none is being tried, what waits is deferred with the last reason.
 */

import type { DestinationQueue } from '../queue/destination-queue.js';
import type { Outcome } from '../queue/outcome.js';
import type { Wait } from '../queue/wait.js';
import type { PoolEnvironment } from './delivery.js';
import { type DestinationFacts, factsOf, type PoolView, waitsOf } from './destination-facts.js';
import type { EgressPool } from './egress.js';
import { pick } from './health/choice.js';
import { type FinderOwner, type FindFailure, type FoundHosts, HostFinder } from './host-finder.js';
import { ALONE, type HostState } from './host-state.js';
import { JobGate } from './job-gate.js';
import { LocalDelivery } from './local-delivery.js';
import type { HostOrder, Site, SiteHost } from './site.js';
import type { SiteConnections } from './site-connections.js';
import { POLL } from './site-turns.js';
import { Slots } from './slots.js';
import { keyOfPolicy } from './tls-policy.js';
import type { Waiter } from './turns.js';
import { whileUnavailable } from './unavailable.js';
import type { UpstreamConnection } from './upstream-connection.js';
import { ownOutcome } from './verdicts.js';

/** A host as one destination may use it. */
export interface WantedHost {
  readonly host: SiteHost;
  /** As ConnectionPlan has it. */
  readonly key: string;
}

export class DestinationPool implements FinderOwner, Waiter {
  readonly queue: DestinationQueue;
  readonly slots = new Slots();
  /** Where its connections come from, null without. */
  egress: EgressPool | null = null;
  inLine = false;
  inUrgentLine = false;
  wakeAt = Number.POSITIVE_INFINITY;
  private readonly environment: PoolEnvironment;
  private readonly finder: HostFinder;
  private readonly gate: JobGate;
  private local: LocalDelivery | null = null;
  private site: SiteConnections | null = null;
  private howToChoose: HostOrder = 'preference';
  /** Parallel. */
  private order: readonly HostState[] = [];
  private wanted: readonly WantedHost[] = [];
  private dispatching = false;
  /** Connections being made, and of these for immediate jobs. */
  private dialling = 0;
  private diallingUrgent = 0;
  /** A limit was in the way of its last job, whatever the connection. */
  isRefused = false;
  /** The limit that was in its way and is the first to be over, null where none was. */
  private refusal: Wait | null = null;

  constructor(queue: DestinationQueue, site: Site, environment: PoolEnvironment) {
    this.queue = queue;
    this.environment = environment;
    this.finder = new HostFinder(site, environment.clock, this);
    this.gate = new JobGate(queue, environment);
  }

  get wants(): boolean {
    return this.queue.length > 0;
  }

  get wantsUrgently(): boolean {
    return this.queue.urgent > 0;
  }

  /** Nothing waits and nothing is open. */
  get isEmpty(): boolean {
    const { queue, slots, finder, local } = this;
    return queue.length === 0 && slots.connections === 0 && !finder.looking && (local === null || local.running === 0);
  }

  checkEmpty(): void {
    if (this.isEmpty) this.environment.poolEmpty(this);
  }

  /** It is of no more use. */
  close(): void {
    this.use(null, []);
  }

  /** Hands out what waits, as far as connections and limits allow. */
  dispatch(): void {
    if (this.queue.length === 0 || this.environment.draining || this.dispatching) return;
    const now = this.environment.clock.now();
    const found = this.finder.current(now);
    if (found === null) return;
    if (found.kind === 'local') {
      this.local ??= new LocalDelivery(this.queue, this.gate, this.environment, () => this.looked());
      this.local.run(found);
      return;
    }
    const site = this.site!;
    site.heedLimit(now);
    site.turns.othersFirst(now);
    // Starting a job may put another one into this queue; that one is taken by this loop and not by one inside it.
    this.dispatching = true;
    this.forgive();
    while (this.wants && (this.step(site, false, now) || (this.wantsUrgently && this.step(site, true, now))));
    this.dispatching = false;
    this.settle(now);
  }

  /** Gives a free connection the next job; false where there is none that may go. */
  next(connection: UpstreamConnection, now: number): boolean {
    if (this.queue.length === 0) return false;
    const spares = this.slots.sparesOne && this.site!.slots.sparesOne && connection.plan.state.slots.sparesOne;
    if (!spares && this.queue.urgent === 0) return false;
    this.forgive();
    if (this.start(connection, !spares, now)) return true;
    this.waitForTime(now);
    return false;
  }

  /** What waits gets in line, waits for its time, or is deferred. */
  settle(now: number): void {
    const { site } = this;
    if (this.queue.length === 0 || this.dispatching || this.environment.draining || site === null) return;
    this.waitForTime(now);
    if (this.isRefused) return;
    if (this.order.some((_, n) => this.isUsable(n, now))) {
      // While all connections are its own, it will be told.
      if (site.slots.connections > this.slots.connections) this.getInLine(site, now);
      else if (!this.isBusy) site.turns.at(this, now + POLL, now);
      return;
    }
    const fate = whileUnavailable(this.order, this.isBusy, now);
    if (fate.kind === 'wait') site.turns.at(this, fate.until, now);
    else if (fate.kind === 'defer') this.concludeWaiting(fate.outcome);
  }

  /** A connection without a job may carry its mail as it is. */
  mayUse(connection: UpstreamConnection): boolean {
    return this.slots.connections < this.slots.limit && this.wantsStill(connection);
  }

  /** A connection is as it would be made now. */
  wantsStill({ plan }: UpstreamConnection): boolean {
    const at = this.order.indexOf(plan.state);
    return at >= 0 && this.wanted[at]!.key === plan.key;
  }

  /** So many connections more are being made. */
  dials(urgent: boolean, by: number): void {
    this.dialling += by;
    if (urgent) this.diallingUrgent += by;
  }

  /** A limit is in the way; where several are, the first that is over counts. */
  refuse(wait: Wait): void {
    if (this.refusal === null || wait.until < this.refusal.until) this.refusal = wait;
  }

  /** Everything that is in the way of its mail now, besides what concerns single messages. */
  waits(now: number): readonly Wait[] {
    return waitsOf(this.view, now);
  }

  describe(now: number): DestinationFacts {
    return factsOf(this.view, now);
  }

  // FinderOwner

  found(hosts: FoundHosts): void {
    if (hosts.kind === 'local') {
      this.use(null, []);
      return;
    }
    this.egress = hosts.egress ?? null;
    this.howToChoose = hosts.order;
    this.slots.setLimit(hosts.limit, this.environment.reserveShare);
    const site = this.environment.siteFor(this.queue.key, hosts.hosts);
    this.gate.control = this.environment.controlOf === undefined ? null : site.control;
    this.use(site, hosts.hosts);
  }

  notFound(failure: FindFailure, known: boolean): void {
    if (failure.forbidden === true) this.use(this.site, []);
    if (known && failure.temporary) return;
    const kind = failure.temporary ? 'deferred' : 'failed';
    this.concludeWaiting(ownOutcome(kind, failure.enhanced, failure.reason, ''));
  }

  looked(): void {
    this.dispatch();
    this.checkEmpty();
  }

  /** One job to a connection, or a connection begun for one; false where there is nothing to be done. */
  private step(site: SiteConnections, urgent: boolean, now: number): boolean {
    if (!urgent && !(this.slots.sparesOne && site.slots.sparesOne)) return false;
    const lacking = urgent ? this.queue.urgent > this.diallingUrgent : this.queue.length > this.dialling;
    const mayDial = lacking && this.slots.hasRoom(urgent) && site.slots.hasRoom(urgent);
    let hosts = this.order;
    for (;;) {
      const state = pick(hosts, this.howToChoose, now, mayDial);
      if (state === undefined) return false;
      if (urgent || state.slots.sparesOne) {
        const wanted = this.wanted[this.order.indexOf(state)]!;
        const idle = state.idle.length > 0 ? site.takeIdle(this, state, wanted.key, now) : undefined;
        if (idle !== undefined) {
          if (this.start(idle, urgent, now)) return true;
          site.park(idle);
          if (idle.held === null) return false;
          // Only the source of this one has no more: another may.
          continue;
        }
        if (mayDial && state.slots.hasRoom(urgent) && state.mayBeDialled(now)) {
          const wait = site.dial(this, state, wanted, urgent, now);
          if (wait !== null) this.refuse(wait);
          return wait === null;
        }
      }
      if (hosts.length === 1) return false;
      hosts = hosts.filter((other) => other !== state);
    }
  }

  private start(connection: UpstreamConnection, urgentOnly: boolean, now: number): boolean {
    const job = this.gate.take(connection, urgentOnly, now);
    if (job === undefined) {
      if (this.gate.refusal !== null) this.refuse(this.gate.refusal);
      if (!urgentOnly) this.isRefused = this.gate.refusal !== null && connection.held === null;
      return false;
    }
    this.site!.begin(connection, this, job, now);
    return true;
  }

  /** Connections of its own are being made or carry jobs. */
  private get isBusy(): boolean {
    return this.dialling + this.slots.urgent + this.slots.other > 0;
  }

  private get view(): PoolView {
    const { queue, slots, finder, site, order, egress, refusal, inLine } = this;
    return { destination: queue.key, slots, resolving: finder.isNew, site, hosts: order, egress, refusal, inLine };
  }

  private forgive(): void {
    this.refusal = null;
    this.isRefused = false;
  }

  private waitForTime(now: number): void {
    if (this.refusal !== null) this.site!.turns.at(this, this.refusal.until, now);
  }

  private getInLine(site: SiteConnections, now: number): void {
    if (!site.turns.line(this)) return;
    const urgent = this.wantsUrgently;
    if (!site.slots.hasRoom(urgent)) site.makeRoom(null, urgent);
    else {
      const full = this.order.find((host, n) => this.isUsable(n, now) && !host.slots.hasRoom(urgent));
      if (full !== undefined) site.makeRoom(full, urgent);
    }
  }

  /** Only a limit can be in the way of mail to the host at this place. */
  private isUsable(n: number, now: number): boolean {
    const { pausedUntil, restUntil, idle } = this.order[n]!;
    if (pausedUntil > now) return false;
    return restUntil <= now || idle.some((connection) => connection.plan.key === this.wanted[n]!.key);
  }

  /** From now on with these hosts of this site. */
  private use(site: SiteConnections | null, hosts: readonly SiteHost[]): void {
    const before = { site: this.site, order: this.order };
    const now = this.environment.clock.now();
    if (site !== null && site !== before.site) site.pools++;
    this.site = site;
    const joins = site === before.site && before.order.length > 0;
    this.order = hosts.map((host) => site!.states.hold(host, joins, now));
    const peers = this.howToChoose === 'preference' ? ALONE : this.order;
    for (const state of this.order) state.compareWith(peers);
    site?.checks.watch(this.order);
    this.wanted = hosts.map((host) => ({ host, key: this.keyOf(host) }));
    for (const state of before.order) before.site!.states.letGo(state);
    if (before.site === null) return;
    if (site !== before.site) before.site.pools--;
    if (this.slots.connections > 0) before.site.retire(this);
  }

  private keyOf(host: SiteHost): string {
    return `${host.foundSecurely === true ? 's' : ''}${this.egress?.name ?? ''} ${keyOfPolicy(host.tls)}`;
  }

  private concludeWaiting(outcome: Outcome): void {
    const { queue } = this;
    for (let job = queue.take(); job !== undefined; job = queue.take()) this.environment.ends.unsent(job, outcome);
  }
}
