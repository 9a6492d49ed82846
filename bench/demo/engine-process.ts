/**
 * The engine of a demo run: a real child process with a spool and settings of its own.
 *
 * Contract: settings of whoever runs the demo, and a .env file in the project, do not reach it. `start` resolves when
 * the engine has said `sluice ready`; it rejects with the end of its log when that does not come. `stop` ends it by its
 * own pid, the second time or after the limit at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ControlClient } from '../../src/control/control-client.js';
import type { EngineStatus } from '../../src/control/engine-control.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const PRELOAD = fileURLToPath(new URL('name-threads.cjs', import.meta.url));
const READY_LIMIT = 20_000;

export interface EngineSetup {
  /** Folder of the run; the spool, the log and the names of threads go there. */
  readonly directory: string;
  readonly sinkPort: number;
  readonly durability: 'fsync' | 'commit';
  readonly connections: number;
  /** Folder of signing keys, '' for none. */
  readonly dkimDirectory: string;
}

export class EngineProcess {
  readonly pid: number;
  /** Port it listens on. */
  readonly port: number;
  private readonly child: ChildProcess;
  private readonly control: string;

  private constructor(child: ChildProcess, port: number, control: string) {
    this.child = child;
    this.pid = child.pid!;
    this.port = port;
    this.control = control;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** `started` gets the child at once, so that an interrupted start can be ended too. */
  static async start(setup: EngineSetup, started: (child: ChildProcess) => void): Promise<EngineProcess> {
    const { directory } = setup;
    mkdirSync(directory, { recursive: true });
    const spool = join(directory, 'spool');
    const log = join(directory, 'engine.log');
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    const output = openSync(log, 'w');
    const child = spawn(process.execPath, ['--require', PRELOAD, MAIN], {
      // Not the project folder: a .env file there must not change the run.
      cwd: directory,
      stdio: ['ignore', output, output],
      env: {
        ...Object.fromEntries(inherited),
        SLUICE_LISTEN: 'smtp://127.0.0.1:0',
        SLUICE_UPSTREAM: `smtp://127.0.0.1:${setup.sinkPort}?pool=50`,
        SLUICE_SPOOL_DIR: spool,
        SLUICE_SPOOL_ALLOW_TMPFS: 'yes',
        // Both sides use a relative path: that of a socket must be short, and the project may lie deep.
        SLUICE_CONTROL_SOCKET: 'spool/control.sock',
        SLUICE_HOSTNAME: 'relay.demo.example',
        SLUICE_HTTP: 'off',
        SLUICE_DURABILITY: setup.durability,
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
        SLUICE_MAX_CONNECTIONS_PER_CLIENT: '0',
        // Should a delivery fail, its next attempt belongs to this run.
        SLUICE_RETRY_MIN: '1s',
        SLUICE_LOG_FORMAT: 'json',
        ...(setup.dkimDirectory === '' ? {} : { SLUICE_DKIM_DIR: setup.dkimDirectory }),
      },
    });
    closeSync(output);
    started(child);
    let failure: Error | null = null;
    child.once('error', (error) => {
      failure = error;
    });
    const end = Date.now() + READY_LIMIT;
    for (;;) {
      if (failure !== null) throw failure;
      const ready = readyLine(readFileSync(log, 'utf8'));
      if (ready !== undefined) return new EngineProcess(child, ready, relative('', join(spool, 'control.sock')));
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        const said = readFileSync(log, 'utf8').trim().split('\n').slice(-5).join('\n  ');
        throw new Error(`the engine did not become ready; it said:\n  ${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Its figures, over the control socket; undefined when it does not answer. */
  async status(): Promise<EngineStatus | undefined> {
    const client = new ControlClient(connect(this.control));
    const timer = setTimeout(() => client.close(), 5_000);
    try {
      return await client.ask({ command: 'status' });
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      client.close();
    }
  }
}

/** Ends a child by its pid: asks, and after `limit` ms insists. */
export async function stopProcess(child: ChildProcess, limit: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  await ended;
  clearTimeout(timer);
}

/** The port in the line that says the engine is ready. */
function readyLine(log: string): number | undefined {
  const line = log.split('\n').find((text) => text.includes('sluice ready') && text.endsWith('}'));
  const port = line === undefined ? null : /"listen":\["[^"]*:(\d+)"/.exec(line);
  return port === null ? undefined : Number(port[1]);
}
