/**
 * Delivery: the pools of all destinations.
 *
 * A destination's pool exists while it has jobs or connections, or remembers a host that is better left alone; those are
 * swept when pools have become many. `drain` lets transactions under way finish.
 */
import type { Clock } from '../core/clock.js';
import type { DeadlineWheel } from '../core/deadline-wheel.js';
import type { DestinationQueue } from '../queue/destination-queue.js';
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Scheduler } from '../queue/scheduler.js';
import type { SuspensionCheck } from '../queue/suspensions.js';
import { DestinationPool } from './destination-pool.js';
import type { ReturnPath } from './return-path.js';
import type { Site, SiteHost } from './site.js';
import type { SiteControl } from './site-control.js';
import type { TlsResult } from './tls-policy.js';
import type { ConnectionOptions } from './upstream-connection.js';
import type { Dial } from './wire.js';

/** Told of what happens, for the log and metrics. */
export interface DeliveryEvents {
  /** An attempt is over; outcomes are parallel to the job's recipients. `host` null: none was reached. */
  attempt(job: DeliveryJob, outcomes: readonly Outcome[], host: SiteHost | null, duration: number): void;
  /** The reply to a message was lost: it may be delivered twice. */
  uncertain(job: DeliveryJob, host: string): void;
  unreadable(job: DeliveryJob, error: unknown): void;
  hostFailed(host: SiteHost, reason: string): void;
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
  readonly scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff'>;
  connections: number;
  draining: boolean;
  poolEmpty(pool: DestinationPool): void;
  /** The last connection of all pools is closed. */
  allGone(): void;
}

/** Pools without jobs and connections are looked for when there are this many, then at twice what is left. */
const SWEEP_FROM = 256;

export class Delivery {
  private readonly pools = new Map<string, DestinationPool>();
  private readonly environment: PoolEnvironment;
  private readonly scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff' | 'forget'>;
  private onDrained: (() => void) | null = null;
  private sweepAt = SWEEP_FROM;

  constructor(options: DeliveryOptions, scheduler: Pick<Scheduler, 'finish' | 'requeue' | 'splitOff' | 'forget'>) {
    this.scheduler = scheduler;
    this.environment = {
      ...options,
      siteOf: (destination) => options.siteOf(destination),
      scheduler,
      connections: 0,
      draining: false,
      poolEmpty: (pool) => this.poolEmpty(pool),
      allGone: () => this.onDrained?.(),
    };
  }

  /** Connections being made and made. */
  get connections(): number {
    return this.environment.connections;
  }

  /** A destination's queue has jobs. */
  wake(queue: DestinationQueue): void {
    let pool = this.pools.get(queue.key);
    if (pool === undefined) {
      pool = new DestinationPool(queue, this.environment.siteOf(queue.key), this.environment);
      this.pools.set(queue.key, pool);
      if (this.pools.size >= this.sweepAt) this.sweep();
    }
    pool.dispatch();
  }

  /** Begins nothing new; resolves when no connection is left, at the latest after `limit` ms. */
  async drain(limit: number): Promise<void> {
    this.environment.draining = true;
    for (const pool of [...this.pools.values()]) pool.drain();
    if (this.environment.connections === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.onDrained = null;
    for (const pool of [...this.pools.values()]) pool.abort('the engine is shutting down');
  }

  private poolEmpty(pool: DestinationPool): void {
    if (!pool.isEmpty || this.pools.get(pool.queue.key) !== pool) return;
    if (pool.isResting(this.environment.clock.now())) return;
    this.pools.delete(pool.queue.key);
    this.scheduler.forget(pool.queue);
  }

  private sweep(): void {
    for (const pool of [...this.pools.values()]) this.poolEmpty(pool);
    this.sweepAt = Math.max(SWEEP_FROM, this.pools.size * 2);
  }
}
