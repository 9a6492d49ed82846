/**
 * Delivery: the pools of all destinations, and the sites whose connections they share.
 *
 * A destination's pool exists while it has jobs or connections. A site stays for what is known of its hosts, until it is
 * of no more use and sites have become many. `drain` lets transactions under way finish.
 */
import type { Clock } from '../core/clock.js';
import type { DeadlineWheel } from '../core/deadline-wheel.js';
import type { DestinationQueue } from '../queue/destination-queue.js';
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Scheduler } from '../queue/scheduler.js';
import type { SuspensionCheck } from '../queue/suspensions.js';
import type { Wait } from '../queue/wait.js';
import type { ConnectionOptions } from './connection-plan.js';
import { type DestinationFacts, factsOfSites, type KnownSite } from './destination-facts.js';
import { DestinationPool } from './destination-pool.js';
import { JobEnds } from './job-ends.js';
import type { ReturnPath } from './return-path.js';
import type { Site, SiteHost } from './site.js';
import { SiteConnections } from './site-connections.js';
import { OpenSite, type SiteControl } from './site-control.js';
import type { TlsResult, TlsState } from './tls-policy.js';
import type { Dial } from './wire.js';

/** Told of what happens, for the log and metrics. */
export interface DeliveryEvents {
  /** An attempt is over; outcomes are parallel to the job's recipients. `host` null: none was reached. */
  attempt(
    job: DeliveryJob,
    outcomes: readonly Outcome[],
    host: SiteHost | null,
    duration: number,
    tls?: TlsState | null,
  ): void;
  /** The reply to a message was lost: it may be delivered twice. */
  uncertain(job: DeliveryJob, host: string): void;
  unreadable(job: DeliveryJob, error: unknown): void;
  hostFailed(host: SiteHost, reason: string): void;
  /** A connection could not leave from an egress source, which is left alone for `pause` ms. */
  sourceFailed(source: string, reason: string, pause: number): void;
  /** A connection became usable after `ms`. */
  connected(host: SiteHost, ms: number): void;
  /** A host refused our credentials, or there is no way to show them: the settings are wrong. */
  credentialsRefused(host: SiteHost, reason: string): void;
  /** A host asked for fewer messages and gets none for `pause` ms. */
  throttled(host: SiteHost, reason: string, pause: number): void;
  /**
   * How a connection to a host of `destination` came to TLS or did not: for the log, metrics and TLS reports. A failure
   * is told before what follows from it; `clear`: the session goes on without TLS, as the policy allows.
   */
  tlsResult(destination: string, host: SiteHost, result: TlsResult): void;
}

export interface DeliveryOptions {
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly dial: Dial;
  readonly connection: ConnectionOptions;
  /** Transactions that one connection carries at most. */
  readonly messagesPerConnection: number;
  /** Longest life of a connection, ms. */
  readonly connectionAge: number;
  /** How long an idle connection is kept, ms. */
  readonly idleTime: number;
  /** Recipients in one transaction at most. */
  readonly maxRecipients: number;
  /** How long a host that could not be reached is left alone at first, ms. */
  readonly hostRest: number;
  /** Share of the connections to a site that only immediate mail may use; absent: 0.1. */
  readonly reserveShare?: number;
  readonly events: DeliveryEvents;
  siteOf(destination: string): Site;
  /** The control of the site that a destination's hosts belong to; one object for all destinations of a site. */
  controlOf?(destination: string, hosts: readonly SiteHost[]): SiteControl;
  /** Who is suspended. */
  readonly suspensions?: SuspensionCheck;
  /** Reverse-paths of our own (VERP). */
  readonly returnPath?: ReturnPath;
}

/** What pools share. */
export interface PoolEnvironment extends DeliveryOptions {
  reserveShare: number;
  readonly scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff'>;
  readonly ends: JobEnds;
  connections: number;
  draining: boolean;
  /** The connections of the site that a destination's hosts belong to. */
  siteFor(destination: string, hosts: readonly SiteHost[]): SiteConnections;
  poolEmpty(pool: DestinationPool): void;
  /** The last connection of all pools is closed. */
  allGone(): void;
}

/** Sites without pools and connections are looked for when there are this many, then at twice what is left. */
const SWEEP_FROM = 256;
const RESERVE_SHARE = 0.1;

export class Delivery {
  private readonly pools = new Map<string, DestinationPool>();
  /** By their control; those without one of their own by destination. */
  private readonly sites = new Map<SiteControl | string, SiteConnections>();
  private readonly environment: PoolEnvironment;
  private readonly scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff' | 'forget'>;
  private onDrained: (() => void) | null = null;
  private sweepAt = SWEEP_FROM;

  constructor(options: DeliveryOptions, scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff' | 'forget'>) {
    this.scheduler = scheduler;
    const environment: PoolEnvironment = {
      ...options,
      reserveShare: options.reserveShare ?? RESERVE_SHARE,
      siteOf: (destination) => options.siteOf(destination),
      ...(options.controlOf === undefined ? {} : { controlOf: (...asked) => options.controlOf!(...asked) }),
      scheduler,
      get ends() {
        return ends;
      },
      connections: 0,
      draining: false,
      siteFor: (destination, hosts) => this.siteFor(destination, hosts),
      poolEmpty: (pool) => this.poolEmpty(pool),
      allGone: () => this.onDrained?.(),
    };
    const ends = new JobEnds(environment);
    this.environment = environment;
  }

  /** Connections being made and made. */
  get connections(): number {
    return this.environment.connections;
  }

  /** Another share for immediate mail; sites heed it as their hosts are found again. */
  configure(reserveShare: number): void {
    this.environment.reserveShare = reserveShare;
  }

  /** A destination's queue has jobs. */
  wake(queue: DestinationQueue): void {
    let pool = this.pools.get(queue.key);
    if (pool === undefined) {
      pool = new DestinationPool(queue, this.environment.siteOf(queue.key), this.environment);
      this.pools.set(queue.key, pool);
    }
    pool.dispatch();
  }

  /** What is in the way of a destination's mail now, besides what concerns single messages; empty where nothing is. */
  waits(destination: string): readonly Wait[] {
    return this.pools.get(destination)?.waits(this.environment.clock.now()) ?? [];
  }

  /** Facts of one destination, or of all that have jobs or connections; those it has nothing to do with are left out. */
  describe(destination?: string): readonly DestinationFacts[] {
    const now = this.environment.clock.now();
    if (destination === undefined) return [...this.pools.values()].map((pool) => pool.describe(now));
    const pool = this.pools.get(destination);
    return pool === undefined ? [] : [pool.describe(now)];
  }

  /**
   * Sites that something is known of, in use or not: by name after the given one, or (`busiest`) those with the most
   * connections first, whatever `after` is.
   */
  describeSites(after: string, limit: number, busiest: boolean): readonly KnownSite[] {
    const found = new Map<string, { readonly sites: SiteConnections[]; connections: number }>();
    for (const one of this.sites.values()) {
      const { site } = one.control;
      if (!busiest && site <= after) continue;
      const same = found.get(site) ?? { sites: [], connections: 0 };
      same.sites.push(one);
      same.connections += one.slots.connections;
      found.set(site, same);
    }
    const now = this.environment.clock.now();
    return [...found]
      .sort(([a, one], [b, other]) => (busiest ? other.connections - one.connections : 0) || (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([, { sites }]) => factsOfSites(sites, now));
  }

  /** Begins nothing new; resolves when no connection is left, at the latest after `limit` ms. */
  async drain(limit: number): Promise<void> {
    this.environment.draining = true;
    for (const site of this.sites.values()) site.drain();
    if (this.environment.connections === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.onDrained = null;
    for (const site of this.sites.values()) site.abort('the engine is shutting down');
  }

  private siteFor(destination: string, hosts: readonly SiteHost[]): SiteConnections {
    const control = this.environment.controlOf?.(destination, hosts);
    const key = control ?? destination;
    let site = this.sites.get(key);
    if (site === undefined) {
      if (this.sites.size >= this.sweepAt) this.sweep();
      site = new SiteConnections(control ?? new OpenSite(destination), this.environment);
      this.sites.set(key, site);
    }
    return site;
  }

  private poolEmpty(pool: DestinationPool): void {
    if (!pool.isEmpty || this.pools.get(pool.queue.key) !== pool) return;
    this.pools.delete(pool.queue.key);
    pool.close();
    this.scheduler.forget(pool.queue);
  }

  /** What is known of hosts that fail is kept. */
  private sweep(): void {
    const now = this.environment.clock.now();
    for (const [key, site] of this.sites)
      if (site.isEmpty && !site.states.isSetBack(now)) {
        site.turns.stop();
        site.checks.stop();
        this.sites.delete(key);
      }
    this.sweepAt = Math.max(SWEEP_FROM, this.sites.size * 2);
  }
}
