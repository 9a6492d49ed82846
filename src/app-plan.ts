/**
 * Where mail goes, by whom, how fast, and what becomes of it: routes, standing orders, egress, shaping, verification of
 * recipients and outcomes, made of the settings and the configuration file and tied to one another.
 *
 * The file is read anew by `reload`; a mistake in it keeps everything as it was.
 */
import { connecting, connectionUse } from './app-delivery.js';
import { egressPools } from './app-egress.js';
import type { ExplainParts } from './app-explain.js';
import { openOrders } from './app-orders.js';
import { type Outcomes, openOutcomes } from './app-outcomes.js';
import { type RecipientPolicy, recipientPolicy, recipientVerifier } from './app-recipients.js';
import { ordered, type Routing, reconfigure, reporting, routing } from './app-routing.js';
import type { SecurityHost } from './app-security.js';
import { type OpenShaping, openShaping } from './app-shaping.js';
import type { ConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { DeadlineWheel } from './core/deadline-wheel.js';
import type { DeliveryOptions } from './delivery/delivery.js';
import type { RecipientVerifier } from './delivery/routes/recipient-verifier.js';
import type { StandingOrders } from './delivery/standing-orders.js';
import type { Envelope } from './message/envelope.js';
import type { SchedulerOptions } from './queue/scheduler.js';
import type { OpenedSpool } from './spool/open-spool.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import type { Log } from './telemetry/log.js';

export interface PlanParts {
  readonly settings: Settings;
  readonly tables: ConfigFile;
  readonly log: Log;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly spool: OpenedSpool;
  readonly events: EngineEvents;
  readonly host: SecurityHost;
  /** Ports we listen on, once we do. */
  ports(): readonly number[];
  /** What sessions have to ask about recipients is different from now on. */
  changed(): void;
}

export class MailPlan {
  /** The configuration file as it holds now. */
  tables: ConfigFile;
  readonly route: Routing;
  readonly outcomes: Outcomes;
  readonly orders: StandingOrders;
  readonly shaping: OpenShaping;
  /** The key of the destination for a recipient: by orders, suppression and routes. */
  readonly destinationOf: Routing['destinationOf'];
  /** What is decided of recipients that the relay policy takes. */
  readonly recipientPolicy: RecipientPolicy;
  private readonly parts: PlanParts;
  private readonly verifier: RecipientVerifier;
  private readonly closeOrders: () => Promise<void>;
  private readonly connecting: ReturnType<typeof connecting>;

  private constructor(
    parts: PlanParts,
    route: Routing,
    outcomes: Outcomes,
    kept: Awaited<ReturnType<typeof openOrders>>,
    shaping: OpenShaping,
  ) {
    const { settings, clock, wheel } = parts;
    const { orders } = kept;
    this.parts = parts;
    this.tables = parts.tables;
    this.route = route;
    this.outcomes = outcomes;
    this.orders = orders;
    this.shaping = shaping;
    this.closeOrders = kept.close;
    this.connecting = connecting(settings, clock, wheel);
    this.verifier = recipientVerifier(settings, route, this.connecting);
    this.recipientPolicy = recipientPolicy(outcomes, route, this.verifier, settings.verifyUnknown);
    this.destinationOf = outcomes.inFrontOf((recipient, envelope: Envelope) =>
      ordered(route.destinationOf(recipient, envelope), recipient, envelope, route, orders),
    );
  }

  /** Builds and reads everything. @throws SluiceError naming the mistake in the settings or the file. */
  static async open(parts: PlanParts): Promise<MailPlan> {
    const { settings, tables, log, clock, spool, events } = parts;
    const outcomes = openOutcomes(settings, tables.tenant, spool, clock, events, parts.changed);
    const egress = egressPools(clock, settings.spoolDir, log);
    const route = routing(settings, tables, clock, {
      ports: parts.ports,
      host: parts.host,
      egress,
      local: (name) => outcomes.local(name),
    });
    await route.open();
    const kept = await openOrders(settings, log, clock, (kind, { id: order, selector, reason, by, until }) =>
      events.ordered({ kind, order, ...selector, reason, by, until }),
    );
    const shaping = await openShaping(settings, tables, log, clock, kept.orders, egress.pause);
    return new MailPlan(parts, route, outcomes, kept, shaping);
  }

  /** Reads the configuration file anew. False: it has a mistake, which is logged, and the old one stays. */
  reload(): boolean {
    const { settings, log } = this.parts;
    const tables = reconfigure(this.route, settings, log, this.outcomes);
    if (tables === null) return false;
    this.tables = tables;
    this.shaping.configure(tables);
    return true;
  }

  /** Domains taken from anyone; `all`: with those of which only some addresses are. */
  relayDomains(all: boolean): readonly string[] {
    const { route, outcomes, parts } = this;
    return [...parts.settings.relayDomains, ...route.routes().relayDomains, ...outcomes.bounceDomains(all)];
  }

  /** The policy may have something to say. */
  get askRecipients(): boolean {
    return this.route.routes().decidesAtEdge || this.outcomes.askRecipients();
  }

  /** What the scheduler is told of it. */
  get forScheduler(): Pick<SchedulerOptions, 'lanes' | 'tenantWeight' | 'destinationOf'> {
    return {
      lanes: { weights: this.tables.lanes },
      tenantWeight: (tenant) => this.route.tenants().named(tenant)?.weight ?? 1,
      destinationOf: this.destinationOf,
    };
  }

  /** What explanations are told of it. */
  get forExplaining(): Pick<
    ExplainParts,
    'orders' | 'route' | 'outcomes' | 'destinationOf' | 'controlOf' | 'defaultLane'
  > {
    const { orders, route, outcomes, destinationOf, shaping } = this;
    return {
      ...{ orders, route, outcomes, destinationOf },
      controlOf: (destination, hosts) => shaping.shaping.controlOf(destination, hosts),
      defaultLane: () => this.tables.lanes.default,
    };
  }

  /** What delivery is told of it. */
  get forDelivery(): DeliveryOptions {
    const { route, outcomes, orders, shaping, parts } = this;
    return {
      ...this.connecting,
      ...connectionUse(parts.settings),
      events: reporting(parts.events, route.tlsResult),
      siteOf: route.siteOf,
      returnPath: outcomes.returnPath,
      reserveShare: this.tables.lanes.reserve,
      suspensions: orders,
      controlOf: shaping.shaping.controlOf,
    };
  }

  /** Writes what is to be kept and ends what runs. */
  async close(): Promise<void> {
    this.verifier.close();
    await this.route.close();
    this.outcomes.close();
    await this.closeOrders();
    await this.shaping.close();
  }
}
