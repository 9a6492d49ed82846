/**
 * The engine as the harness holds it: a real process, started with settings, watched by its output, killed at will.
 *
 * Contract: `start` resolves at the line `sluice ready` with the time that took, and rejects with DidNotStart otherwise.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ControlClient } from '../../src/control/control-client.js';
import type { EngineStatus } from '../../src/control/engine-control.js';
import { connectUnix } from '../../src/net/unix-socket.js';
import { figuresOf, type ProcessFigures } from './machine.js';

const ENTRY = fileURLToPath(new URL('../../src/main.js', import.meta.url));
/** How long a start may take, ms. */
export const READY_LIMIT = 20_000;
/** Lines of output kept. */
const KEPT = 400;

export interface EngineOptions {
  /** Port to listen on. */
  readonly port: number;
  readonly spool: string;
  /** Working directory: no `.env` of somebody else is read. */
  readonly directory: string;
  /** SLUICE_ settings besides those above, and other variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** Command line that runs the engine's, such as `prlimit --nofile=64`. */
  readonly wrap?: readonly string[];
  readonly nodeArguments?: readonly string[];
  /** Another build. */
  readonly entry?: string;
  /** Another user. */
  readonly user?: number;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The engine ended, or was not ready in time. */
export class DidNotStart extends Error {
  override readonly name = 'DidNotStart';
  readonly ending: Ending | null;
  /** What it wrote to standard error. */
  readonly errors: string[];

  constructor(ending: Ending | null, errors: string[], output: readonly string[]) {
    const how = ending === null ? 'was not ready in time' : `ended with ${ending.code ?? ending.signal}`;
    super(`the engine ${how}: ${[...errors, ...output.slice(-3)].join(' | ').slice(0, 600)}`);
    this.ending = ending;
    this.errors = errors;
  }
}

export class Engine {
  /** Process id of the engine itself, also where it was wrapped. */
  pid = 0;
  /** From its start to `sluice ready`, ms. */
  readyAfter = 0;
  /** Last lines of the log. */
  readonly output: string[] = [];
  readonly errors: string[] = [];
  /** How often each message was logged; an outcome by its status and code, such as `deferred 4.4.1`. */
  readonly counts = new Map<string, number>();
  readonly ended: Promise<Ending>;
  hasEnded = false;
  private readonly child: ChildProcess;
  private readonly options: EngineOptions;
  private onLine: (line: string) => void = () => {};

  private constructor(options: EngineOptions) {
    this.options = options;
    const environment: NodeJS.ProcessEnv = {};
    for (const [name, value] of Object.entries(process.env)) if (!name.startsWith('SLUICE_')) environment[name] = value;
    const spawning: SpawnOptions = {
      cwd: options.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...environment,
        SLUICE_LISTEN: `smtp://127.0.0.1:${options.port}`,
        SLUICE_SPOOL_DIR: options.spool,
        // Small tmpfs file systems are what is filled here.
        SLUICE_SPOOL_ALLOW_TMPFS: 'yes',
        SLUICE_RETRY_MIN: '1s',
        SLUICE_RETRY_MAX: '3s',
        SLUICE_LOG_LEVEL: 'warn',
        SLUICE_LOG_FORMAT: 'json',
        SLUICE_HOSTNAME: 'relay.example',
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
        SLUICE_HTTP: 'off',
        ...options.environment,
      },
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    };
    const entry = options.entry ?? ENTRY;
    const [program, ...rest] = [...(options.wrap ?? []), process.execPath, ...(options.nodeArguments ?? []), entry];
    this.child = spawn(program!, rest, spawning);
    this.child.on('error', (error) => this.errors.push(error.message));
    this.read(this.child.stdout!, (line) => this.log(line));
    this.read(this.child.stderr!, (line) => this.errors.push(line));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  static async start(options: EngineOptions, limit = READY_LIMIT): Promise<Engine> {
    const engine = new Engine(options);
    const began = Date.now();
    let timer: NodeJS.Timeout | undefined;
    const ready = new Promise<true>((resolve) => {
      engine.onLine = (line) => {
        if (!line.includes('sluice ready')) return;
        engine.pid = Number((JSON.parse(line) as { pid: number }).pid);
        resolve(true);
      };
    });
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), limit);
    });
    const outcome = await Promise.race([ready, late, engine.ended]);
    clearTimeout(timer);
    if (outcome === true) {
      engine.readyAfter = Date.now() - began;
      return engine;
    }
    if (outcome === null) engine.child.kill('SIGKILL');
    throw new DidNotStart(outcome, engine.errors, engine.output);
  }

  /** Sends a signal to the engine itself. */
  signal(signal: NodeJS.Signals): void {
    if (!this.hasEnded) process.kill(this.pid, signal);
  }

  /** kill -9, and waits for its end. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** SIGTERM; what it ended with, null when it did not within `limit` ms (then it is killed). */
  async terminate(limit = 40_000): Promise<Ending | null> {
    if (this.hasEnded) return this.ended;
    this.signal('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), limit);
    });
    const ending = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (ending === null) await this.kill();
    return ending;
  }

  /** How often a message was logged. */
  count(message: string): number {
    return this.counts.get(message) ?? 0;
  }

  figures(): ProcessFigures {
    return figuresOf(this.pid);
  }

  /** Asks over the control socket. @throws when it does not answer. */
  async status(): Promise<EngineStatus> {
    const path = this.options.environment['SLUICE_CONTROL_SOCKET'] ?? join(this.options.spool, 'control.sock');
    const client = new ControlClient(await connectUnix(path));
    try {
      return await client.ask({ command: 'status' });
    } finally {
      client.close();
    }
  }

  private read(stream: NodeJS.ReadableStream, each: (line: string) => void): void {
    let tail = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (tail + chunk.toString()).split('\n');
      tail = lines.pop()!;
      for (const line of lines) each(line);
    });
  }

  private log(line: string): void {
    this.output.push(line);
    if (this.output.length > KEPT) this.output.shift();
    let message = /"msg":"([^"]*)"/.exec(line)?.[1] ?? '';
    if (message === 'outcome') message = /"status":"([^"]*)","dsn":"([^"]*)"/.exec(line)?.slice(1).join(' ') ?? message;
    this.counts.set(message, (this.counts.get(message) ?? 0) + 1);
    this.onLine(line);
  }
}
