/**
 * `npm run demo`: the engine, a source and a sink on this machine, and what came of it.
 *
 * The engine is a child process as in production; source and sink run on threads so as not to slow each other down.
 * Bounded: sending ends after SEND_LIMIT, waiting for what was acknowledged after a further ARRIVE_LIMIT. Everything it
 * makes lies below var/demo and is removed; where something was lost the folder stays, with the log.
 * Exit codes: 0; 1 lost or not accepted, or the engine failed; 64 a mistake in the options; 130 interrupted.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { generateDkimKey } from '../../src/message/dkim/dkim-generate.js';
import { EngineProcess, stopProcess } from './engine-process.js';
import { figuresOf } from './figures.js';
import { Ledger, monotonic } from './ledger.js';
import { DemoMessages, SENDER_DOMAINS } from './messages.js';
import { DEMO_HELP, type DemoOptions, parseDemoOptions } from './options.js';
import { Progress } from './progress.js';
import type { SinkData, SinkReport } from './sink.js';
import type { SourceData, SourceReport } from './source.js';
import { type DemoResult, summary } from './summary.js';
import { peakMemory, threadGroups, threadTimes } from './thread-usage.js';

const SEND_LIMIT = 40_000;
const ARRIVE_LIMIT = 8_000;
const STOP_LIMIT = 5_000;
const REDRAW = 100;
const EX_USAGE = 64;
const EX_INTERRUPTED = 130;

const root = fileURLToPath(new URL('../../../', import.meta.url));

class Demo {
  private readonly options: DemoOptions;
  private readonly run = `${Date.now().toString(36)}-${process.pid}`;
  private readonly directory = join(root, 'var/demo', this.run);
  private readonly ledger: Ledger;
  private readonly troubles: string[] = [];
  private readonly workers: Worker[] = [];
  private child: ChildProcess | null = null;
  private sourceDone = false;
  private interrupted = false;

  constructor(options: DemoOptions) {
    this.options = options;
    this.ledger = new Ledger(options.messages);
  }

  /** Runs to the end; the exit code. */
  async main(): Promise<number> {
    const interrupt = (): void => {
      // The second time nothing is waited for.
      if (this.interrupted) this.child?.kill('SIGKILL');
      this.interrupted = true;
      this.ledger.stop();
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    let keep = false;
    try {
      const result = await this.measure();
      if (this.interrupted) {
        process.stderr.write('demo: interrupted\n');
        return EX_INTERRUPTED;
      }
      keep = result.lost > 0;
      const { json } = this.options;
      const colour = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
      process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${summary(result, colour)}\n`);
      if (keep) process.stderr.write(`demo: mail was lost; log and spool are kept in ${this.directory}\n`);
      return result.lost > 0 || result.refused > 0 || result.accepted === 0 ? 1 : 0;
    } catch (error) {
      process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
      return this.interrupted ? EX_INTERRUPTED : 1;
    } finally {
      await this.close();
      if (!keep) rmSync(this.directory, { recursive: true, force: true });
    }
  }

  private async measure(): Promise<DemoResult> {
    const { options, ledger, directory } = this;
    const { messages, connections, durability, size } = options;
    mkdirSync(directory, { recursive: true });
    const dkimDirectory = this.makeKeys();
    const sinkPort = await this.startSink();
    const setup = { directory, sinkPort, durability, connections, dkimDirectory };
    const engine = await EngineProcess.start(setup, (child) => {
      this.child = child;
    });
    if (!options.json) process.stdout.write(`engine ready (pid ${engine.pid}), sending ${messages} messages\n`);
    const statusBefore = await engine.status();
    const before = threadTimes(engine.pid);
    const began = monotonic();
    this.startSource({ shared: ledger.shared, messages, connections, size, port: engine.port, run: this.run });
    await this.watch(engine, began);
    const seconds = (monotonic() - began) / 1_000;
    const after = threadTimes(engine.pid);
    const peak = peakMemory(engine.pid);
    const statusAfter = await engine.status();
    const figures = figuresOf(ledger, messages);
    if (figures.submitted < messages)
      this.troubles.push(`time ran out: ${figures.submitted} of ${messages} messages were sent`);
    return {
      ...figures,
      messages,
      bytes: this.bytesOf(figures.submitted),
      connections,
      durability,
      dkim: options.dkim,
      seconds,
      flushesPerMessage:
        statusBefore === undefined || statusAfter === undefined || figures.accepted === 0
          ? null
          : (statusAfter.flushes - statusBefore.flushes) / figures.accepted,
      threads: before === undefined || after === undefined ? null : threadGroups(engine.pid, directory, before, after),
      peakMemoryBytes: peak ?? null,
      troubles: this.troubles,
    };
  }

  /** Shows progress until everything is sent and has arrived, or time is up. */
  private async watch(engine: EngineProcess, began: number): Promise<void> {
    const { ledger, options } = this;
    const progress = new Progress(options.json ? { write: () => true } : process.stdout, options.messages);
    let sentAt = 0;
    for (;;) {
      const now = monotonic();
      const elapsed = now - began;
      progress.show({ accepted: ledger.acknowledged, delivered: ledger.arrived, elapsed });
      if (this.interrupted) break;
      if (!engine.running) {
        this.troubles.push('the engine has ended by itself');
        break;
      }
      if (elapsed > SEND_LIMIT) ledger.stop();
      if (this.sourceDone) {
        sentAt ||= now;
        // Nothing else can arrive when the counts agree; more arrivals than messages are looked into afterwards.
        if (ledger.arrived >= ledger.acknowledged || now - sentAt > ARRIVE_LIMIT) break;
      } else if (elapsed > SEND_LIMIT + ARRIVE_LIMIT) {
        this.troubles.push('the source waits for an answer that does not come');
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, this.sourceDone ? 5 : REDRAW));
    }
    progress.clear();
  }

  private startSink(): Promise<number> {
    const workerData: SinkData = { shared: this.ledger.shared, messages: this.options.messages };
    const worker = new Worker(new URL('./sink.js', import.meta.url), { workerData });
    this.workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.once('message', (report: SinkReport) => resolve(report.port));
      worker.once('error', reject);
    });
  }

  private startSource(workerData: SourceData): void {
    const worker = new Worker(new URL('./source.js', import.meta.url), { workerData });
    this.workers.push(worker);
    worker.on('message', (report: SourceReport) => {
      if ('done' in report) this.sourceDone = true;
      else this.troubles.push(report.trouble);
    });
    worker.once('error', (error) => {
      this.troubles.push(`the source failed: ${error.message}`);
      this.sourceDone = true;
    });
  }

  /** One key for each sender's domain; the folder, '' when the run does not sign. */
  private makeKeys(): string {
    const { dkim } = this.options;
    if (dkim === 'none') return '';
    const directory = join(this.directory, 'dkim');
    for (const domain of SENDER_DOMAINS) generateDkimKey(directory, domain, 'demo', dkim);
    return directory;
  }

  private bytesOf(messages: number): number {
    const made = new DemoMessages(this.options.size, this.run);
    let bytes = 0;
    for (let i = 0; i < messages; i++) {
      const { header, body } = made.make(i);
      bytes += header.length + body.length - 3;
    }
    return bytes;
  }

  private async close(): Promise<void> {
    // The source first: the engine's drain waits for open connections.
    for (const worker of this.workers.splice(1)) await worker.terminate();
    if (this.child !== null) await stopProcess(this.child, STOP_LIMIT);
    for (const worker of this.workers.splice(0)) await worker.terminate();
  }
}

const parsed = parseDemoOptions(process.argv.slice(2));
if (parsed === 'help') {
  process.stdout.write(DEMO_HELP);
  process.exit(0);
}
if (Array.isArray(parsed)) {
  for (const mistake of parsed) process.stderr.write(`demo: ${mistake}\n`);
  process.stderr.write('see: npm run demo -- --help\n');
  process.exit(EX_USAGE);
}
if (!existsSync(join(root, 'package.json'))) throw new Error(`${root} is not the project folder`);
process.exit(await new Demo(parsed).main());
