/**
 * A real engine process (dist/src/main.js) for tests: its own settings, its own spool, a free port, its log read as it
 * comes.
 *
 * Contract: `startEngine` resolves once the engine says `sluice ready`, and rejects with its output where it does not.
 * Each engine must be stopped: `stop` sends SIGTERM, and SIGKILL when that takes too long, both by process id, and
 * removes the spool unless it was given. No SLUICE_ setting and no .env of whoever runs the tests reaches it.
 * Limits: needs a build (`npm run build`); the log is kept whole, so no load of many thousands of messages at info.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A line of the log; `msg` is its text. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface EngineOptions {
  /** SLUICE_ settings by full name. Listener (a free port), spool and log format are set here unless given. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A spool to use and to leave in place; a new one that `stop` removes otherwise. */
  readonly spoolDir?: string;
  /** Longest wait for `sluice ready`, ms. */
  readonly readyTimeout?: number;
}

export interface EngineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const MAIN = join(process.cwd(), 'dist/src/main.js');
const CLI = join(process.cwd(), 'dist/src/cli.js');
/** Engines still running, so that a test process that ends early takes them along. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The environment without the settings of whoever runs the tests. */
function cleanEnvironment(settings: Readonly<Record<string, string>>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('SLUICE_'),
  );
  return { ...Object.fromEntries(inherited), ...settings };
}

export class EngineProcess {
  readonly lines: LogLine[] = [];
  /** What was written to standard error. */
  errors = '';
  /** Port of the first listener, 0 before it is ready. */
  port = 0;
  /** Ports of all listeners, in the order of SLUICE_LISTEN. */
  ports: readonly number[] = [];
  readonly spoolDir: string;
  readonly exited: Promise<EngineExit>;
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly settings: Record<string, string>;
  private readonly listeners = new Set<() => void>();
  private exit: EngineExit | null = null;
  private partial = '';

  constructor(options: EngineOptions) {
    if (!existsSync(MAIN)) throw new Error('there is no build: run `npm run build` first');
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'));
    this.spoolDir = options.spoolDir ?? join(this.folder, 'spool');
    this.settings = {
      SLUICE_LISTEN: 'smtp://127.0.0.1:0',
      SLUICE_LOG_FORMAT: 'json',
      SLUICE_HOSTNAME: 'relay.example',
      // Temporary folders are in memory on some machines.
      SLUICE_SPOOL_ALLOW_TMPFS: 'yes',
      // Several engines run at once: who tests HTTP names a port.
      SLUICE_HTTP: 'off',
      ...options.settings,
      SLUICE_SPOOL_DIR: this.spoolDir,
    };
    this.child = spawn(process.execPath, [MAIN], {
      cwd: this.folder,
      env: cleanEnvironment(this.settings),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.child);
    this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => this.read(chunk));
    this.child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.errors += chunk;
    });
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        running.delete(this.child);
        this.exit = { code, signal };
        this.tell();
        resolve(this.exit);
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Sends a signal to the engine and to nothing else. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** The lines with a text, or those that a function picks. */
  logged(wanted: string | ((line: LogLine) => boolean)): LogLine[] {
    return this.lines.filter((line) => (typeof wanted === 'string' ? line.msg === wanted : wanted(line)));
  }

  /** Resolves to the first line that fits, also one that is there already; rejects after `timeout` ms or at the end. */
  waitForLog(wanted: string | ((line: LogLine) => boolean), timeout = 10_000): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const settle = (): boolean => {
        const found = this.logged(wanted)[0];
        if (found === undefined && this.exit === null) return false;
        clearTimeout(timer);
        this.listeners.delete(settle);
        if (found !== undefined) resolve(found);
        else
          reject(new Error(`the engine ended (${JSON.stringify(this.exit)}) before ${wanted}\n${this.transcript()}`));
        return true;
      };
      const timer = setTimeout(() => {
        this.listeners.delete(settle);
        reject(new Error(`not logged within ${timeout} ms: ${wanted}\n${this.transcript()}`));
      }, timeout);
      if (!settle()) this.listeners.add(settle);
    });
  }

  /** Everything the engine wrote, for the message of a failed test. */
  transcript(): string {
    return `${this.lines.map((line) => JSON.stringify(line)).join('\n')}\n${this.errors}`;
  }

  /** Runs `sluice` with the settings of this engine. */
  command(args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: this.folder,
      env: cleanEnvironment(this.settings),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      out += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      err += part;
    });
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  }

  /** Ends the engine if it still runs: SIGTERM, after `limit` ms SIGKILL. Removes what was made for it. */
  async stop(limit = 10_000): Promise<EngineExit> {
    if (this.exit === null) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limit);
    const exit = await this.exited;
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true, force: true });
    return exit;
  }

  private read(chunk: string): void {
    const lines = (this.partial + chunk).split('\n');
    this.partial = lines.pop()!;
    for (const line of lines) {
      if (line === '') continue;
      const parsed = parseLine(line);
      this.lines.push(parsed);
      if (parsed.msg.includes('sluice ready') && this.port === 0) {
        this.ports = portsOf(parsed['listen']);
        this.port = this.ports[0] ?? 0;
      }
    }
    this.tell();
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function parseLine(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { msg: '', ...value };
  } catch {
    // Not JSON: kept as text.
  }
  return { msg: line };
}

function portsOf(listen: unknown): number[] {
  const addresses: readonly unknown[] = Array.isArray(listen) ? listen : [];
  return addresses.map((one) => Number(/:(\d+)(?:\/?\?.*)?$/.exec(String(one))?.[1] ?? 0));
}

/** Starts an engine and waits until it listens. */
export async function startEngine(options: EngineOptions = {}): Promise<EngineProcess> {
  const engine = new EngineProcess(options);
  try {
    await engine.waitForLog((line) => line.msg.includes('sluice ready'), options.readyTimeout ?? 20_000);
  } catch (error) {
    await engine.stop(0);
    throw error;
  }
  return engine;
}
