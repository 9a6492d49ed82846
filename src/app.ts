/**
 * The only place where parts are built and tied together.
 *
 * One App is one run of the engine on one spool. When the spool fails it cannot be mended from within: `failure`
 * resolves, and main closes this App and starts another, which reads everything anew from disk.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Accounts } from './accounts/accounts.js';
import { accountHttp, openAccounts, reloadAccounts } from './app-accounts.js';
import { engineControl, openOrders } from './app-control.js';
import { connecting, connectionUse } from './app-delivery.js';
import { connectionLimits, MailEdge } from './app-edge.js';
import { egressPools } from './app-egress.js';
import { explaining } from './app-explain.js';
import { buildFront, type Sessions, sessionConfig } from './app-front.js';
import { wantedConnections } from './app-next-hops.js';
import { type Outcomes, openOutcomes } from './app-outcomes.js';
import { headerRules, type Preparation, preparation } from './app-preparation.js';
import { recipientPolicy, recipientVerifier } from './app-recipients.js';
import { isElsewhere, ordered, type Routing, reconfigure, reporting, routing } from './app-routing.js';
import { securityHost } from './app-security.js';
import { type OpenShaping, openShaping } from './app-shaping.js';
import { engineStatus } from './app-status.js';
import { openCertificates } from './app-tls.js';
import { type ConfigFile, readConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import { systemClock } from './core/clock.js';
import { DeadlineWheel } from './core/deadline-wheel.js';
import { messageOf, SluiceError } from './core/errors.js';
import { QueueIdSource } from './core/queue-id.js';
import { Delivery } from './delivery/delivery.js';
import type { RecipientVerifier } from './delivery/routes/recipient-verifier.js';
import { routeFields } from './delivery/routes/routes.js';
import type { StandingOrders } from './delivery/standing-orders.js';
import { Admission } from './intake/admission.js';
import { DsnNotifier } from './intake/dsn-notifier.js';
import { Intake } from './intake/intake.js';
import { SegmentPool } from './memory/segment-pool.js';
import type { Envelope } from './message/envelope.js';
import { rewriteEnvelope } from './message/header-rules.js';
import { ConnectionCount } from './net/connection-count.js';
import { DescriptorBudget } from './net/descriptor-budget.js';
import type { Front } from './net/front.js';
import type { InheritedSockets } from './net/inherited-sockets.js';
import { acquireInstanceLock } from './net/instance-lock.js';
import type { CertificateStore } from './net/tls/certificate-store.js';
import { QueueCommands } from './queue/queue-commands.js';
import { QueuedMessage } from './queue/queued-message.js';
import { Scheduler } from './queue/scheduler.js';
import { replies } from './smtp/replies.js';
import { openSpool } from './spool/open-spool.js';
import type { Spool } from './spool/spool.js';
import { EngineEvents } from './telemetry/engine-events.js';
import type { Log } from './telemetry/log.js';

/** How long a shutdown waits for mail in memory to be delivered before it begins no more transactions, ms. */
const DRAIN_GRACE = 1000;

export class App {
  /** Resolves when the spool can no longer be written. */
  readonly failure: Promise<SluiceError>;
  readonly events: EngineEvents;
  private readonly settings: Settings;
  private readonly log: Log;
  private readonly startedAt = systemClock.now();
  private readonly wheel = new DeadlineWheel(() => systemClock.now());
  private readonly segments: SegmentPool;
  private readonly inherited: InheritedSockets;
  private readonly count: ConnectionCount;
  private descriptors: DescriptorBudget | null = null;
  private fail: (error: SluiceError) => void = () => {};
  private front: Front | null = null;
  private certificates: CertificateStore | null = null;
  private accounts!: Accounts;
  private closeHttp: () => void = () => {};
  private spool!: Spool;
  private scheduler!: Scheduler;
  private delivery!: Delivery;
  private intake!: Intake;
  private admission!: Admission;
  private edge!: MailEdge;
  private preparation!: Preparation;
  private commands!: QueueCommands;
  private orders!: StandingOrders;
  private closeOrders: () => Promise<void> = async () => {};
  private shaping: OpenShaping | null = null;
  private route!: Routing;
  private tables!: ConfigFile;
  private destinationOf!: Routing['destinationOf'];
  private verifier!: RecipientVerifier;
  private outcomes!: Outcomes;

  private constructor(settings: Settings, log: Log, inherited: InheritedSockets) {
    this.settings = settings;
    this.inherited = inherited;
    this.log = log;
    this.events = new EngineEvents(log, systemClock);
    this.segments = SegmentPool.create(settings.bodyMemory, settings.segmentSize);
    const room = (): number => Math.min(settings.maxConnections, this.descriptors?.clients ?? 0);
    this.count = new ConnectionCount(connectionLimits(settings, room));
    this.failure = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  /**
   * Builds everything and begins to listen; resolves when every listener is bound.
   * @throws SluiceError naming what stands in the way of a start and how to mend it.
   */
  static async start(settings: Settings, log: Log, inherited: InheritedSockets): Promise<App> {
    const app = new App(settings, log, inherited);
    try {
      await app.open();
    } catch (error) {
      await app.close();
      throw error;
    }
    return app;
  }

  /** Reads signing keys, certificates, accounts and routes anew. What has a mistake stays as it is and is logged: false. */
  async reload(): Promise<boolean> {
    const accounts = await reloadAccounts(this.accounts, this.settings, this.log);
    const routes = accounts && this.reloadRoutes();
    const [keys, certificates] = await Promise.all([this.reloadKeys(), this.certificates?.reload() ?? true]);
    this.renewSessions();
    const shaping = this.shaping?.reload() ?? true;
    return keys && certificates && routes && shaping;
  }

  private reloadRoutes(): boolean {
    const tables = reconfigure(this.route, this.settings, this.log, this.outcomes);
    if (tables === null) return false;
    this.tables = tables;
    this.edge.configure(tables, this.route.routes());
    this.admission.setRelayDomains(new Set(this.relayDomains(false)));
    this.scheduler.setLanes({ weights: tables.lanes });
    this.delivery.configure(tables.lanes.reserve);
    this.resplit();
    return true;
  }

  /** Mail that waits goes where it belongs now. */
  private resplit(): void {
    this.scheduler.resplit((job) => isElsewhere(this.destinationOf, job));
  }

  private async reloadKeys(): Promise<boolean> {
    const old = this.preparation.pool;
    try {
      const next = preparation(this.settings, this.segments, this.log, this.route.routes().fields);
      // The old threads go on until the new ones are there.
      await next.pool?.ready();
      this.preparation = next;
    } catch (error) {
      this.log.error({ reason: messageOf(error) }, 'reload failed, the old signing keys stay in use');
      return false;
    }
    void old?.close();
    return true;
  }

  /** Addresses listened on. */
  get addresses(): string[] {
    return this.front?.addresses ?? [];
  }

  /** Stops accepting, lets what is under way finish within the limit, and closes. Nothing acknowledged is lost. */
  async drain(limit: number): Promise<void> {
    const front = this.front!;
    this.admission.closed = replies.shuttingDown;
    front.refuseMail('shuttingDown');
    front.shutdown();
    const end = systemClock.now() + limit;
    while (front.size > 0 && systemClock.now() < end - limit / 2) await pause(20);
    await front.close();
    await Promise.race([this.intake.settled(), pause(Math.max(0, end - systemClock.now()))]);
    this.scheduler.stop();
    // What was accepted last mostly goes within this; the rest waits in the spool for the next start.
    const graceEnd = Math.min(end, systemClock.now() + DRAIN_GRACE);
    while (this.scheduler.active.size > 0 && systemClock.now() < graceEnd) await pause(10);
    await this.delivery.drain(Math.max(100, end - systemClock.now()));
    await this.close();
  }

  /** Closes at once. What is under way is sent again later from the spool. */
  async close(): Promise<void> {
    await this.front?.close();
    this.certificates?.close();
    await this.accounts?.close();
    this.closeHttp();
    this.wheel.stop();
    this.scheduler?.stop();
    await this.delivery?.drain(0);
    await this.preparation?.pool?.close();
    this.verifier?.close();
    await this.route?.close();
    this.outcomes?.close();
    await this.closeOrders();
    await this.shaping?.close();
    await this.spool?.close();
  }

  /** What operators may look at and ask for. */
  control(): EngineControl {
    const { log, commands, orders, outcomes, events, spool, front, delivery, certificates, startedAt } = this;
    const { route, scheduler, destinationOf } = this;
    return engineControl({
      ...{ log, commands, orders, outcomes, route, destinationOf },
      status: () => engineStatus({ events, spool, front, delivery, certificates, outcomes, startedAt }),
      resplit: () => this.resplit(),
      explaining: explaining({
        ...{ clock: systemClock, spool, scheduler, delivery, orders, route, outcomes, destinationOf },
        controlOf: (destination, hosts) => this.shaping!.shaping.controlOf(destination, hosts),
        defaultLane: () => this.tables.lanes.default,
      }),
    });
  }

  private async open(): Promise<void> {
    const { settings, segments, events } = this;
    const tables = readConfigFile(settings.configFile);
    this.tables = tables;
    this.preparation = preparation(settings, segments, this.log, routeFields(tables.route));
    const clock = systemClock;
    this.certificates = await openCertificates(settings, this.log, clock);
    const spool = await openSpool({
      directory: settings.spoolDir,
      durability: settings.durability,
      mapSize: settings.spoolMapSize,
      minFreeBytes: settings.spoolMinFree,
      clock,
      acquireLock: acquireInstanceLock,
      onFailure: (error) => this.failed(error),
      onDamage: (id, reason) => events.damaged(id, reason),
    });
    this.spool = spool;
    const outcomes = openOutcomes(settings, spool, clock, events, () => this.renewSessions());
    this.outcomes = outcomes;
    const http = accountHttp(settings);
    this.closeHttp = () => http.close();
    this.accounts = await openAccounts(settings, this.log, http, clock, () => this.renewSessions());
    const host = securityHost(events, this.log, segments, () => this.intake);
    const egress = egressPools(clock, settings.spoolDir, this.log);
    const route = routing(settings, tables, clock, {
      ports: () => this.front?.ports ?? [],
      host,
      egress,
      local: (name) => outcomes.local(name),
    });
    this.route = route;
    await route.open();
    const ids = new QueueIdSource();
    const notifier = new DsnNotifier({
      spool,
      clock,
      ids,
      hostname: settings.hostname,
      enqueue: (envelope, content) => {
        events.notice(envelope);
        this.scheduler.add(new QueuedMessage(envelope, content, null));
      },
    });
    const kept = await openOrders(settings, this.log, clock);
    this.orders = kept.orders;
    this.closeOrders = kept.close;
    this.shaping = await openShaping(settings, this.log, clock, this.orders, egress.pause);
    this.destinationOf = outcomes.inFrontOf((recipient, envelope: Envelope) =>
      ordered(route.destinationOf(recipient, envelope), recipient, envelope, route, this.orders),
    );
    this.scheduler = new Scheduler({
      spool,
      clock,
      retry: { min: settings.retryMin, max: settings.retryMax, expire: settings.expire },
      delayWarning: settings.delayWarning,
      memory: Math.max(1024 * 1024, settings.queueMemory),
      lanes: { weights: tables.lanes },
      tenantWeight: (tenant) => route.tenants().named(tenant)?.weight ?? 1,
      notifier,
      events,
      destinationOf: this.destinationOf,
      wake: (queue) => this.delivery.wake(queue),
    });
    const made = connecting(settings, clock, this.wheel);
    this.verifier = recipientVerifier(settings, route, made);
    this.delivery = new Delivery(
      {
        ...made,
        ...connectionUse(settings),
        events: reporting(events, route.tlsResult),
        siteOf: route.siteOf,
        returnPath: outcomes.returnPath,
        reserveShare: tables.lanes.reserve,
        suspensions: this.orders,
        controlOf: this.shaping.shaping.controlOf,
      },
      this.scheduler,
    );
    this.commands = new QueueCommands(spool, this.scheduler, clock);
    this.admission = new Admission({
      room: () => spool.usage().availableBytes,
      segments,
      relayDomains: new Set(this.relayDomains(false)),
    });
    const rules = headerRules(settings);
    this.edge = new MailEdge(settings, this.accounts, clock, events, outcomes, (...told) => this.front?.limit(...told));
    this.edge.configure(tables, route.routes());
    this.intake = new Intake({
      spool,
      clock,
      ids,
      events,
      admit: (submitter, transaction) => this.edge.admit(submitter, transaction),
      rules: () => this.edge.rules,
      dkimKeyOf: (account) => (account === '' ? '' : this.accounts.settingsOf(account).dkim),
      rewriteSender: (sender) => rewriteEnvelope(sender, rules),
      preparation: () => ({
        inline: this.preparation.inline,
        batch: (requests) => this.preparation.pool!.prepare(requests),
      }),
      enqueue: (envelope, content) => this.scheduler.add(new QueuedMessage(envelope, content, null)),
    });
    const report = await this.scheduler.recover();
    ids.startAfter(report.greatestId);
    this.log.info({ messages: report.messages, quarantined: report.quarantined }, 'spool recovered');
    await this.listen();
  }

  private async listen(): Promise<void> {
    const { settings, segments } = this;
    const descriptors = new DescriptorBudget(wantedConnections(settings, this.route), () => systemClock.now());
    this.descriptors = descriptors;
    if (descriptors.clients < settings.maxConnections)
      this.log.warn(
        { openFiles: descriptors.openFiles, clients: descriptors.clients, wanted: settings.maxConnections },
        'the limit of open files leaves room for fewer clients than SLUICE_MAX_CONNECTIONS: raise it (ulimit -n)',
      );
    this.front = buildFront({
      settings,
      log: this.log,
      clock: systemClock,
      wheel: this.wheel,
      segments,
      count: this.count,
      inherited: this.inherited,
      events: this.events,
      admission: this.admission,
      intake: this.intake,
      authenticator: this.accounts,
      sessions: () => this.sessions(),
      limitOf: (client) => this.edge.limitOf(client),
      isBounceAddress: (address) => this.outcomes.isBounceAddress(address),
      recipientPolicy: recipientPolicy(this.outcomes, this.route, this.verifier, settings.verifyUnknown),
      room: () => this.spool.usage().availableBytes,
    });
    this.certificates?.subscribe(() => this.renewSessions());
    await this.front.listen();
  }

  private sessions(): Sessions {
    return {
      material: this.certificates?.material ?? null,
      mechanisms: this.accounts.mechanisms,
      relayDomains: this.relayDomains(true),
      askRecipients: this.route.routes().decidesAtEdge || this.outcomes.askRecipients(),
    };
  }

  /** `all`: with domains of which only some addresses are taken from anyone. */
  private relayDomains(all: boolean): readonly string[] {
    const { settings, route, outcomes } = this;
    return [...settings.relayDomains, ...route.routes().relayDomains, ...outcomes.bounceDomains(all)];
  }

  /** Connections from now on get what holds now. */
  private renewSessions(): void {
    this.front?.configure(sessionConfig(this.settings, this.sessions()));
  }

  private failed(error: unknown): void {
    this.admission.closed = replies.spoolFailed;
    this.front?.refuseMail('spoolFailed');
    this.fail(
      error instanceof SluiceError
        ? error
        : new SluiceError('spool-failed', messageOf(error), { temporary: true, cause: error }),
    );
  }
}
