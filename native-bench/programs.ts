/**
 * Purpose: builds the C programs and starts child processes for the whole-process benchmarks.
 * Contract: programs are compiled with gcc into native-bench/bin/ when missing or older than their source. Source and
 *   sink speak TLS where OpenSSL's headers are installed, and are built without it otherwise: tlsMissing() says so.
 *   Every child is ended by its own pid, first by SIGTERM and after a limit by SIGKILL.
 * Limits: Linux with gcc.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project folder: two levels above dist/native-bench. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));
const sourceFolder = join(projectRoot, 'native-bench');
const headers = ['bench.h', 'bench-message.h', 'bench-tls.h', 'sink-figures.h', 'source-figures.h', 'source-options.h'];
/** How the programs were built. */
const mode = join(sourceFolder, 'bin/mode');

export type ProgramName = 'source' | 'http-source' | 'sink' | 'null-relay';

/** Where a compiled program lies. */
export function programPath(name: ProgramName): string {
  return join(sourceFolder, 'bin', name);
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Compiles what is missing or stale. Throws with the compiler's output where gcc is missing or complains. */
export function buildPrograms(): void {
  mkdirSync(join(sourceFolder, 'bin'), { recursive: true });
  const [define, libraries] = hasOpenSslHeaders() ? [['-DBENCH_TLS'], ['-lssl', '-lcrypto']] : [[], []];
  // Headers that come or go change what is built, though no source changes.
  const sameWay = changedAt(mode) > 0 && readFileSync(mode, 'utf8') === define.join(' ');
  for (const name of ['source', 'http-source', 'sink', 'null-relay'] as const) {
    const sources = [`${name}.c`, ...headers].map((file) => join(sourceFolder, file));
    if (sameWay && changedAt(programPath(name)) > Math.max(...sources.map(changedAt))) continue;
    const words = ['-O2', '-Wall', '-Wextra', '-Werror', ...define, '-o', programPath(name), sources[0]!, ...libraries];
    execFileSync('gcc', words, { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  writeFileSync(mode, define.join(' '));
}

function hasOpenSslHeaders(): boolean {
  const words = ['-fsyntax-only', '-include', 'openssl/ssl.h', '-x', 'c', '/dev/null'];
  return spawnSync('gcc', words, { stdio: 'ignore' }).status === 0;
}

/** Why the source and the sink that were built speak no TLS, or undefined. */
export function tlsMissing(): string | undefined {
  if (readFileSync(mode, 'utf8') === '')
    return 'source and sink are built without TLS: install libssl-dev (install.sh)';
  return commandExists('openssl') ? undefined : 'openssl is not installed: no certificates can be made';
}

/** True where a command is found in PATH or the system folders (a user's PATH often lacks /usr/sbin). */
export function commandExists(command: string): boolean {
  return commandPath(command) !== undefined;
}

/** Full path of a command, or undefined. */
export function commandPath(command: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin'];
  return folders.map((folder) => join(folder, command)).find((path) => changedAt(path) > 0);
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A port that was free on 127.0.0.1 a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject()));
    });
  });
}

export interface ChildOptions {
  /** File that receives standard output and error, instead of memory. */
  readonly log?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
}

/** A child process with its output, its exit, and an orderly end. */
export class Child {
  /** Standard output so far; empty where it goes to a log file. */
  output = '';
  readonly exited: Promise<number | null>;
  private readonly process: ChildProcess;

  constructor(command: readonly string[], options: ChildOptions = {}) {
    const log = options.log === undefined ? undefined : openSync(options.log, 'a');
    this.process = spawn(command[0]!, command.slice(1), {
      cwd: options.directory ?? projectRoot,
      env: { ...process.env, ...options.environment },
      stdio: log === undefined ? ['ignore', 'pipe', 'inherit'] : ['ignore', log, log],
    });
    if (log !== undefined) closeSync(log);
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.exited = new Promise((resolve) => {
      this.process.once('close', (code) => resolve(code));
      this.process.once('error', (error) => {
        process.stderr.write(`${command[0]}: ${error.message}\n`);
        resolve(null);
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null && this.process.pid !== undefined;
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** Waits until standard output matches; the first group, or the match. Throws after `limitMs` or on exit. */
  async waitFor(pattern: RegExp, limitMs = 30_000): Promise<string> {
    const end = Date.now() + limitMs;
    while (Date.now() < end) {
      const match = pattern.exec(this.output);
      if (match !== null) return match[1] ?? match[0];
      if (!this.running) break;
      await sleep(5);
    }
    throw new Error(`${this.process.spawnfile} did not print ${pattern} (it printed: ${this.output.slice(-300)})`);
  }

  /** SIGTERM, after `limitMs` SIGKILL; resolves when the process has ended. */
  async stop(limitMs = 10_000): Promise<void> {
    if (this.running) this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), limitMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** The last line of standard output as JSON. */
  json(): Record<string, unknown> {
    const line = this.output.trim().split('\n').at(-1) ?? '';
    return JSON.parse(line) as Record<string, unknown>;
  }
}
