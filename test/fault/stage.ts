/**
 * What most cases need: a sink, an engine before it, load, and at the end the reconciliation.
 *
 * Contract: `close` ends every process that the stage started, whatever happened.
 */
import { join } from 'node:path';
import { Engine, type EngineOptions, READY_LIMIT } from './engine.js';
import { type FaultContext, type FaultReport, within } from './fault-case.js';
import { HttpLoad, type HttpLoadOptions } from './http-load.js';
import { judge, Ledger, type Reconciliation, reconcile } from './ledger.js';
import { Load, type LoadOptions } from './load.js';
import { Sink } from './sink.js';
import { freePort } from './smtp-client.js';

export interface StageOptions extends Partial<Pick<EngineOptions, 'wrap' | 'nodeArguments' | 'entry' | 'spool'>> {
  readonly environment?: Readonly<Record<string, string>>;
  /** SLUICE_LISTEN for the stage's port and another, where it is not one plain listener. */
  readonly listen?: (port: number, tlsPort: number) => string;
  /** Mail goes by MX and not to the sink as the upstream. */
  readonly byMx?: boolean;
  /** The sink begins down. */
  readonly sinkDown?: boolean;
}

export class Stage {
  readonly ledger = new Ledger();
  readonly sink: Sink;
  readonly port: number;
  /** A second port, for `listen`. */
  readonly tlsPort: number;
  readonly spool: string;
  /** Slowest start so far, ms. */
  slowestStart = 0;
  engine!: Engine;
  private readonly options: StageOptions;
  private readonly context: FaultContext;
  private readonly loads: Pick<Load, 'stop' | 'unanswered'>[] = [];
  private readonly endings: (() => void)[] = [];

  private constructor(context: FaultContext, options: StageOptions, sink: Sink, ports: readonly [number, number]) {
    this.context = context;
    this.options = options;
    this.sink = sink;
    [this.port, this.tlsPort] = ports;
    this.spool = options.spool ?? join(context.directory, 'spool');
  }

  /** Sets it up, runs `play` on it, and closes it. */
  static async run(
    context: FaultContext,
    options: StageOptions,
    play: (stage: Stage) => Promise<FaultReport>,
  ): Promise<FaultReport> {
    const sink = await Sink.open(context.memory, options.sinkDown !== true);
    const stage = new Stage(context, options, sink, [await freePort(), await freePort()]);
    try {
      await stage.startEngine();
      return await play(stage);
    } finally {
      await stage.close();
    }
  }

  async startEngine(changes: Partial<EngineOptions> = {}): Promise<Engine> {
    const { wrap, nodeArguments, entry, environment, byMx, listen } = this.options;
    this.engine = await Engine.start({
      port: this.port,
      spool: this.spool,
      directory: this.context.directory,
      environment: {
        ...(byMx === true
          ? { SLUICE_MX_PORT: String(this.sink.port) }
          : { SLUICE_UPSTREAM: `smtp://127.0.0.1:${this.sink.port}` }),
        ...(listen === undefined ? {} : { SLUICE_LISTEN: listen(this.port, this.tlsPort) }),
        SLUICE_CONTROL_SOCKET: join(this.context.memory, 'control.sock'),
        ...environment,
      },
      ...(wrap === undefined ? {} : { wrap }),
      ...(nodeArguments === undefined ? {} : { nodeArguments }),
      ...(entry === undefined ? {} : { entry }),
      ...changes,
    });
    this.slowestStart = Math.max(this.slowestStart, this.engine.readyAfter);
    return this.engine;
  }

  load(options: Partial<LoadOptions> = {}): Load {
    const load = new Load({ port: this.port, ledger: this.ledger, lanes: 16, ...options });
    this.loads.push(load);
    return load;
  }

  /** Load over HTTP, which `environment` opened at this port. */
  httpLoad(options: Pick<HttpLoadOptions, 'port' | 'lanes' | 'batch'>): HttpLoad {
    const load = new HttpLoad({ ledger: this.ledger, ...options });
    this.loads.push(load);
    return load;
  }

  /** Ends the load and waits until everything acknowledged has arrived, or `limit` ms. */
  async settle(limit = 60_000): Promise<Reconciliation> {
    await Promise.all(this.loads.map((load) => load.stop()));
    let found = this.reconcile();
    await within(limit, () => {
      found = this.reconcile();
      return found.lost.length === 0;
    });
    return found;
  }

  reconcile(): Reconciliation {
    return reconcile(this.ledger, this.sink.arrivals());
  }

  /** Settles, ends the engine by SIGTERM, and reports. */
  async finish(more: Record<string, number | string> = {}, problems: readonly string[] = []): Promise<FaultReport> {
    await this.settle();
    const all = [...problems, ...this.loads.flatMap((load) => load.unanswered)];
    if (this.engine.hasEnded) all.push(`the engine had ended: ${this.engine.errors.slice(-2).join(' | ')}`);
    else {
      const status = await this.engine.status();
      const ending = await this.engine.terminate();
      if (ending?.code !== 0) all.push(`SIGTERM ended the engine with ${ending?.code ?? ending?.signal ?? 'nothing'}`);
      if (status.queued > 0) more = { ...more, leftInQueue: status.queued };
    }
    // What the draining engine still sent counts too.
    const found = this.reconcile();
    const { facts, problems: wrong } = judge(this.ledger, found);
    all.push(...wrong);
    if (found.notices > 0) all.push(`${found.notices} notifications of failure were sent`);
    if (this.ledger.acknowledged === 0) all.push('nothing was acknowledged: the case proves nothing');
    if (this.slowestStart > READY_LIMIT) all.push(`a start took ${this.slowestStart} ms`);
    if (all.length > 0) this.context.note(`log: ${this.tally()}`);
    return { facts: { ...facts, slowestStartMs: this.slowestStart, ...more }, problems: all };
  }

  /** What the engine logged and how often, and the last warnings. */
  private tally(): string {
    const counts = [...this.engine.counts].map(([message, count]) => `${count} x ${message}`).join(', ');
    return `${counts}\n    ${this.engine.output.slice(-5).join('\n    ')}`;
  }

  /** Something to be ended with the stage. */
  atEnd(ending: () => void): void {
    this.endings.push(ending);
  }

  async close(): Promise<void> {
    for (const ending of this.endings) ending();
    const stopping = this.loads.map((load) => load.stop());
    if (this.engine !== undefined && !this.engine.hasEnded) await this.engine.kill();
    await Promise.all(stopping);
    await this.sink.kill();
  }
}
