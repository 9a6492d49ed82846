/**
 * The only place where parts are built and tied together.
 *
 * One App is one run of the engine on one spool. When the spool fails it cannot be mended from within: `failure`
 * resolves, and main closes this App and starts another, which reads everything anew from disk.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Accounts } from './accounts/accounts.js';
import { accountHttp, openAccounts, reloadAccounts } from './app-accounts.js';
import { askedByHistory, engineControl } from './app-control.js';
import { connectionLimits, MailEdge } from './app-edge.js';
import { explaining } from './app-explain.js';
import { buildFront, descriptorBudget, type Sessions, sessionConfig } from './app-front.js';
import type { MailHistory } from './app-history.js';
import { type Injection, openInjection } from './app-injection.js';
import { type Live, openLive } from './app-live.js';
import { engineMetrics } from './app-metrics.js';
import { wantedConnections } from './app-next-hops.js';
import { MailPlan } from './app-plan.js';
import { headerRules, type Preparation, preparation } from './app-preparation.js';
import { isElsewhere } from './app-routing.js';
import { securityHost } from './app-security.js';
import { engineStatus } from './app-status.js';
import { openCertificates } from './app-tls.js';
import { readConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import type { EngineControl, EngineStatus } from './control/engine-control.js';
import { systemClock } from './core/clock.js';
import { DeadlineWheel } from './core/deadline-wheel.js';
import { messageOf, SluiceError } from './core/errors.js';
import { QueueIdSource } from './core/queue-id.js';
import { Delivery } from './delivery/delivery.js';
import { routeFields } from './delivery/routes/routes.js';
import type { Injector } from './injection/injector.js';
import { Admission } from './intake/admission.js';
import { DsnNotifier } from './intake/dsn-notifier.js';
import { Intake } from './intake/intake.js';
import { SegmentPool } from './memory/segment-pool.js';
import { rewriteEnvelope } from './message/header-rules.js';
import { ConnectionCount } from './net/connection-count.js';
import type { DescriptorBudget } from './net/descriptor-budget.js';
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
import { expose } from './telemetry/exposition.js';
import type { Log } from './telemetry/log.js';
import type { MailEvents } from './telemetry/mail-event.js';

/** How long a shutdown waits for mail in memory to be delivered before it begins no more transactions, ms. */
const DRAIN_GRACE = 1000;

/** What lives with the process. */
export interface AppParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly inherited: InheritedSockets;
  readonly mail: MailEvents;
  readonly history: MailHistory;
}

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
  private readonly history: MailHistory;
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
  private injection: Injection | null = null;
  private admission!: Admission;
  private edge!: MailEdge;
  private preparation!: Preparation;
  private commands!: QueueCommands;
  private plan: MailPlan | null = null;
  private live: Live | null = null;

  private constructor({ settings, log, inherited, mail, history }: AppParts) {
    this.settings = settings;
    this.history = history;
    this.inherited = inherited;
    this.log = log;
    this.events = new EngineEvents(log, systemClock, mail);
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
  static async start(parts: AppParts): Promise<App> {
    const app = new App(parts);
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
    const plan = accounts && this.reloadPlan(this.plan!);
    const [keys, certificates] = await Promise.all([this.reloadKeys(), this.certificates?.reload() ?? true]);
    this.renewSessions();
    return keys && certificates && plan;
  }

  private reloadPlan(plan: MailPlan): boolean {
    if (!plan.reload()) return false;
    this.edge.configure(plan.tables, plan.route);
    this.admission.setRelayDomains(new Set(plan.relayDomains(false)));
    this.history.configure(plan.tables.tenant);
    this.scheduler.setLanes({ weights: plan.tables.lanes });
    this.delivery.configure(plan.tables.lanes.reserve);
    this.resplit();
    return true;
  }

  /** Mail that waits goes where it belongs now. */
  private resplit(): void {
    this.scheduler.resplit((job) => isElsewhere(this.plan!.destinationOf, job));
  }

  private async reloadKeys(): Promise<boolean> {
    const old = this.preparation.pool;
    try {
      const next = preparation(this.settings, this.segments, this.log, this.plan!.route.routes().fields);
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
    const settled = this.injection!.injector.settled().then(() => this.intake.settled());
    await Promise.race([settled, pause(Math.max(0, end - systemClock.now()))]);
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
    this.injection?.close();
    this.wheel.stop();
    this.live?.close();
    this.scheduler?.stop();
    await this.delivery?.drain(0);
    await this.preparation?.pool?.close();
    await this.plan?.close();
    await this.spool?.close();
  }

  /** Why mail cannot be taken now, '' when it can. */
  notReady(): string {
    if (this.admission.closed !== null) return 'the engine is shutting down, or its spool failed';
    if (this.addresses.length < this.settings.listen.length) return 'the engine does not listen';
    return this.spool.usage().availableBytes > 0 ? '' : 'the spool has no room';
  }

  /** Metrics as text. */
  metrics(openMetrics: boolean): string {
    const { events, scheduler, spool, history } = this;
    const kpis = this.plan!.outcomes.kpis();
    const figures = { lanes: scheduler.laneCounts(), queues: scheduler.counts(), spool: spool.usage() };
    return expose(
      engineMetrics({ status: this.status(), kpis, events, history: history.counts(), ...figures }),
      openMetrics,
    );
  }

  /** Takes mail in that applications hand over. */
  injector(): Injector {
    return this.injection!.injector;
  }

  /** What operators may look at and ask for. */
  control(): EngineControl {
    const { log, commands, spool, delivery, scheduler, history } = this;
    const plan = this.plan!;
    const { orders, outcomes, route, destinationOf } = plan;
    return engineControl({
      ...{ log, commands, orders, outcomes, route, destinationOf, history },
      live: this.live!.control,
      status: () => this.status(),
      resplit: () => this.resplit(),
      explaining: explaining({
        ...{ clock: systemClock, spool, scheduler, delivery, orders, route, outcomes, destinationOf },
        controlOf: (destination, hosts) => plan.shaping.shaping.controlOf(destination, hosts),
        defaultLane: () => plan.tables.lanes.default,
      }),
    });
  }

  private status(): EngineStatus {
    const { events, spool, front, delivery, certificates, startedAt } = this;
    const { outcomes } = this.plan!;
    return engineStatus({ events, spool, front, delivery, certificates, outcomes, startedAt });
  }

  private async open(): Promise<void> {
    const { settings, segments, events } = this;
    const tables = readConfigFile(settings.configFile);
    this.preparation = preparation(settings, segments, this.log, routeFields(tables.route));
    const clock = systemClock;
    this.certificates = await openCertificates(settings, this.log, clock);
    const spool = await openSpool({
      directory: settings.spoolDir,
      durability: settings.durability,
      mapSize: settings.spoolMapSize,
      minFreeBytes: settings.spoolMinFree,
      refuseMemory: !settings.spoolAllowTmpfs,
      clock,
      acquireLock: acquireInstanceLock,
      onFailure: (error) => this.failed(error),
      onDamage: (id, reason) => events.damaged(id, reason),
    });
    this.spool = spool;
    const http = accountHttp(settings);
    this.closeHttp = () => http.close();
    this.accounts = await openAccounts(settings, this.log, http, clock, () => this.renewSessions());
    const host = securityHost(events, this.log, segments, () => this.intake);
    const plan = await MailPlan.open({
      ...{ settings, tables, log: this.log, clock, wheel: this.wheel, spool, events, host },
      ports: () => this.front?.ports ?? [],
      changed: () => this.renewSessions(),
    });
    this.plan = plan;
    this.history.configure(tables.tenant);
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
    this.scheduler = new Scheduler({
      spool,
      clock,
      retry: { min: settings.retryMin, max: settings.retryMax, expire: settings.expire },
      delayWarning: settings.delayWarning,
      memory: Math.max(1024 * 1024, settings.queueMemory),
      notifier,
      events,
      ...plan.forScheduler,
      wake: (queue) => this.delivery.wake(queue),
    });
    this.delivery = new Delivery(plan.forDelivery, this.scheduler);
    this.live = openLive({
      ...{ clock, events, scheduler: this.scheduler, delivery: this.delivery },
      clients: () => this.front?.size ?? 0,
      kpis: () => plan.outcomes.kpis(),
    });
    this.commands = new QueueCommands(spool, this.scheduler, clock);
    this.admission = new Admission({
      room: () => spool.usage().availableBytes,
      segments,
      relayDomains: new Set(plan.relayDomains(false)),
    });
    const rules = headerRules(settings);
    this.edge = new MailEdge(settings, this.accounts, clock, events, plan.outcomes, (...told) =>
      this.front?.limit(...told),
    );
    this.edge.configure(tables, plan.route);
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
      enqueue: (envelope, content) => {
        const message = new QueuedMessage(envelope, content, null);
        message.acknowledgedAt = clock.now();
        this.scheduler.add(message);
      },
    });
    this.injection = openInjection({
      ...{ settings, clock, spool, segments, plan, intake: this.intake, edge: this.edge, admission: this.admission },
    });
    const report = await this.scheduler.recover();
    ids.startAfter(report.greatestId);
    this.log.info({ messages: report.messages, quarantined: report.quarantined }, 'spool recovered');
    await this.listen();
    void this.history.resume(askedByHistory(this.commands, plan.outcomes));
  }

  private async listen(): Promise<void> {
    const { settings, segments } = this;
    const plan = this.plan!;
    this.descriptors = descriptorBudget(settings, wantedConnections(settings, plan.route), systemClock, this.log);
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
      isBounceAddress: (address) => plan.outcomes.isBounceAddress(address),
      recipientPolicy: plan.recipientPolicy,
      room: () => this.spool.usage().availableBytes,
    });
    this.certificates?.subscribe(() => this.renewSessions());
    await this.front.listen();
  }

  private sessions(): Sessions {
    return {
      material: this.certificates?.material ?? null,
      mechanisms: this.accounts.mechanisms,
      relayDomains: this.plan!.relayDomains(true),
      askRecipients: this.plan!.askRecipients,
    };
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
