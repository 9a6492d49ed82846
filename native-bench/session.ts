/**
 * Purpose: one run: a ledger, a sink, one relay and any number of sources, started together and ended together.
 * Contract: ids are dealt out here, so that parts of a run (warm-up, preload, load) can be told apart in one ledger.
 *   Everything started is ended by close(), whatever happened before.
 * Limits: one relay and one sink per session.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Ledger, type LedgerSummary } from './ledger.js';
import { ProcessAccount, threadMs } from './process-account.js';
import { Child, programPath, projectRoot, sleep } from './programs.js';
import type { RelayDriver, RelayStart, RunningRelay } from './relay.js';

/** One load. Seconds or count ends it, whichever comes first. */
export interface Load {
  readonly connections?: number;
  readonly size?: number;
  readonly seconds?: number;
  readonly count?: number;
  /** Messages per second, all connections together; as fast as replies come where absent. */
  readonly rate?: number;
  readonly newConnection?: boolean;
  /** One message at a time: the next is sent this long after the one before has arrived. */
  readonly gapMs?: number;
  readonly tls?: 'starttls' | 'implicit';
  /** Offer to resume the latest TLS session; by default each is new. */
  readonly resume?: boolean;
  /** AUTH PLAIN with `user:password`. */
  readonly auth?: string;
  /** By the relay's listener for this lane; bulk where absent. */
  readonly lane?: 'immediate';
  /** Over HTTP, so many messages a request. */
  readonly httpBatch?: number;
  /** No messages: each connection ends after its TLS handshake; count, seconds and rate are of those. */
  readonly handshakes?: boolean;
}

/** What the source says of itself. */
export interface SourceReport {
  readonly accepted: number;
  readonly rejected: number;
  readonly tempfailed: number;
  readonly unanswered: number;
  readonly reconnects: number;
  readonly refused: number;
  readonly lastRejection: string;
  /** From its start to the last acceptance (or handshake). */
  readonly seconds: number;
  /** CPU time of the source itself. */
  readonly cpuSeconds: number;
  readonly handshakes: number;
  readonly handshakesFailed: number;
  readonly handshakeP50Ms: number;
  readonly handshakeP99Ms: number;
  /** Version and cipher, the latest failure of a handshake in OpenSSL's words; '' for none. */
  readonly tls: string;
  readonly tlsProblem: string;
  readonly first: number;
  readonly length: number;
}

export interface SessionOptions {
  readonly relay: RelayDriver;
  readonly start?: Partial<RelayStart>;
  readonly sink?: readonly string[];
  /** Greatest number of messages in the run; the file is sparse, so it may be generous. */
  readonly capacity?: number;
}

let sessions = 0;

export class Session {
  private usedIds = 0;
  private children: Child[] = [];

  private constructor(
    readonly ledger: Ledger,
    readonly sink: Child,
    readonly sinkPort: number,
    readonly account: ProcessAccount,
    private relay: RunningRelay,
    private readonly options: SessionOptions,
    private readonly directory: string,
  ) {}

  static async open(options: SessionOptions): Promise<Session> {
    const name = `${options.relay.name}-${++sessions}`;
    const directory = join(projectRoot, 'var/bench', name);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const ledger = new Ledger(name, options.capacity ?? 2_000_000);
    const account = new ProcessAccount(name);
    const { tls, tlsOut } = options.start ?? {};
    const offered = tlsOut === true || options.relay.name === 'direct' ? tls : undefined;
    const sink = new Child([
      ...[programPath('sink'), '--ledger', ledger.path, ...(options.sink ?? [])],
      ...(offered === undefined ? [] : ['--tls-cert', offered.certificate, '--tls-key', offered.key]),
    ]);
    try {
      const sinkPort = Number(await sink.waitFor(/port (\d+)/));
      const relay = await options.relay.start({ directory, sinkPort, account, ...options.start });
      return new Session(ledger, sink, sinkPort, account, relay, options, directory);
    } catch (error) {
      await account.close();
      await sink.stop();
      ledger.close();
      throw error;
    }
  }

  /** Milliseconds the relay took to become ready, at its latest start. */
  get startMilliseconds(): number {
    return this.relay.startMilliseconds;
  }

  /** Where operators reach the relay; undefined where they do not. */
  get httpPort(): number | undefined {
    return this.relay.httpPort;
  }

  /** CPU milliseconds that the relay's main thread has used; undefined where it has none that counts. */
  mainThreadMs(): number | undefined {
    const { mainPid } = this.relay;
    return mainPid === undefined ? undefined : threadMs(mainPid, mainPid);
  }

  /** Starts a source. end() lets it begin no more messages; finish() waits for its end and gives its report. */
  begin(load: Load): { end(): void; finish(): Promise<SourceReport> } {
    const first = this.usedIds + 1;
    // A run ended by time has a share of the ids that no source can use up at 40,000 messages a second.
    const room = load.count ?? Math.ceil((load.seconds ?? 1) * Math.min(load.rate ?? 40_000, 40_000)) + 1_000;
    this.usedIds += room;
    if (this.usedIds > this.ledger.capacity) throw new Error('the ledger of this run is too small');
    const http = load.httpBatch === undefined ? null : ['--batch', String(load.httpBatch)];
    const source = new Child([
      programPath(http === null ? 'source' : 'http-source'),
      ...(http ?? []),
      ...[
        '--port',
        String(
          http !== null ? this.relay.httpPort : load.lane === undefined ? this.relay.port : this.relay.immediatePort,
        ),
      ],
      ...['--ledger', this.ledger.path, '--first-id', String(first)],
      ...['--connections', String(load.connections ?? 50), '--size', String(load.size ?? 10_240)],
      ...['--count', String(room)],
      ...(load.seconds === undefined ? [] : ['--seconds', String(load.seconds)]),
      ...(load.rate === undefined ? [] : ['--rate', String(load.rate)]),
      ...(load.newConnection === true ? ['--new-connection'] : []),
      ...(load.gapMs === undefined ? [] : ['--gap-ms', String(load.gapMs), '--wait-arrival']),
      ...(load.tls === undefined ? [] : ['--tls', load.tls]),
      ...(load.resume === true ? ['--resume'] : []),
      ...(load.auth === undefined ? [] : ['--auth', load.auth]),
      ...(load.handshakes === true ? ['--handshakes'] : []),
    ]);
    this.children.push(source);
    return {
      end: () => source.signal('SIGTERM'),
      finish: async () => {
        const code = await source.exited;
        if (code !== 0) throw new Error(`the source ended with code ${code}`);
        const report = source.json();
        const field = (name: string) => Number(report[name] ?? 0);
        return {
          accepted: field('accepted'),
          rejected: field('rejected'),
          tempfailed: field('tempfailed'),
          unanswered: field('unanswered'),
          reconnects: field('reconnects'),
          refused: field('refused'),
          lastRejection: String(report['last_rejection'] ?? ''),
          seconds: field('seconds'),
          cpuSeconds: field('cpu_seconds'),
          handshakes: field('handshakes'),
          handshakesFailed: field('handshakes_failed'),
          handshakeP50Ms: field('handshake_p50_ms'),
          handshakeP99Ms: field('handshake_p99_ms'),
          tls: String(report['tls'] ?? ''),
          tlsProblem: String(report['tls_problem'] ?? ''),
          first,
          length: field('started'),
        };
      },
    };
  }

  /** Opens and greets idle connections; resolves when all are greeted. They stay until release() or close(). */
  async hold(connections: number): Promise<{ release(): Promise<void> }> {
    const source = new Child([
      programPath('source'),
      ...['--port', String(this.relay.port), '--connections', String(connections), '--hold', '--size', '1024'],
    ]);
    this.children.push(source);
    await source.waitFor(/held (\d+)/, 60_000);
    return { release: () => source.stop() };
  }

  /** Runs a load to its end and until its messages have arrived. */
  async run(load: Load, stallMs = 20_000): Promise<{ source: SourceReport; summary: LedgerSummary }> {
    const source = await this.begin(load).finish();
    return { source, summary: await this.arrived(source, stallMs) };
  }

  /** Waits until the messages of a finished source have arrived, or nothing has arrived for `stallMs`. */
  async arrived(source: SourceReport, stallMs = 20_000): Promise<LedgerSummary> {
    let summary = this.ledger.summary(source.first, source.length);
    let delivered = this.ledger.counters().delivered;
    for (let since = Date.now(); summary.lost > 0 && Date.now() - since < stallMs; ) {
      await sleep(20);
      const now = this.ledger.counters().delivered;
      if (now === delivered) continue;
      delivered = now;
      since = Date.now();
      // Reading the records of a large run costs milliseconds on the shared cores: only when it may be the end.
      if (this.ledger.counters().accepted <= delivered || source.length < 50_000) {
        summary = this.ledger.summary(source.first, source.length);
      }
    }
    // The relay's last outcomes may still be under way; duplicates would show now.
    await sleep(100);
    return this.ledger.summary(source.first, source.length);
  }

  /** Messages accepted by the relay that have not arrived. */
  waiting(): number {
    const { accepted, delivered } = this.ledger.counters();
    return accepted - delivered;
  }

  /** Waits until the sink has answered `count` recipients with 451, or has not done so for `stallMs`. */
  async deferred(count: number, stallMs = 30_000): Promise<number> {
    let seen = 0;
    for (let since = Date.now(); Date.now() - since < stallMs; await sleep(50)) {
      const now = this.ledger.counters().tempfailed;
      if (now !== seen) since = Date.now();
      seen = now;
      if (seen >= count) break;
    }
    return seen;
  }

  /** Stops the relay in order, and starts it again on the same folder. */
  async restart(): Promise<void> {
    await this.relay.stop();
    const { directory, sinkPort, account } = this;
    this.relay = await this.options.relay.start({ directory, sinkPort, account, ...this.options.start });
  }

  /** Ends everything, removes what lay on disk, and gives the sink's own report. */
  async close(): Promise<Record<string, unknown>> {
    for (const child of this.children) await child.stop();
    // Under strace a signal to the command is not passed on: the group is ended process by process.
    if (this.options.start?.prefix === undefined) await this.relay.stop();
    await this.account.close();
    await this.sink.stop();
    this.ledger.close();
    rmSync(this.directory, { recursive: true, force: true });
    return this.sink.json();
  }
}
