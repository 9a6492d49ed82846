/**
 * The sink as the harness holds it: starts, kills and restarts its process on one port with one file.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Arrival, readArrivals } from './ledger.js';
import type { Manners } from './sink-program.js';
import { freePort } from './smtp-client.js';

const PROGRAM = fileURLToPath(new URL('./sink-program.js', import.meta.url));

export class Sink {
  readonly port: number;
  private readonly file: string;
  private child: ChildProcess | null = null;

  private constructor(port: number, file: string) {
    this.port = port;
    this.file = file;
  }

  /** A sink that writes into `directory`; `running` false: it begins down. */
  static async open(directory: string, running = true): Promise<Sink> {
    const sink = new Sink(await freePort(), join(directory, 'arrivals'));
    if (running) await sink.start();
    return sink;
  }

  /** Resolves when it listens. */
  start(): Promise<void> {
    const child = fork(PROGRAM, [String(this.port), this.file], { stdio: 'inherit', execArgv: [] });
    this.child = child;
    return new Promise((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the sink ended with ${code}`)));
    });
  }

  behave(manners: Manners): void {
    this.child?.send(manners);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  arrivals(): Arrival[] {
    return readArrivals(this.file);
  }
}
