/**
 * The drivers of ../shared/conformance, which are not part of the project: found or skipped with a word about it.
 *
 * Contract: children are ended by process id, at the latest when the test process ends.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

const FOLDER = join(process.cwd(), '../shared/conformance');
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** The path of a driver; skips the running test, loudly, where it or python3 is absent. */
export function driverOrSkip(ctx: TestContext, path: string): string {
  const file = join(FOLDER, path);
  const missing = !existsSync(file)
    ? `../shared/conformance/${path} is not here`
    : spawnSync('python3', ['-c', '']).status === 0
      ? ''
      : 'there is no python3';
  if (missing !== '') {
    console.warn(`SKIPPED: ${ctx.task.name}: ${missing}`);
    ctx.skip(missing);
  }
  return file;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Runs a Python program to its end. */
export function runDriver(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn('python3', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part;
    });
  return new Promise((resolve) =>
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code, output });
    }),
  );
}

/** A Python server in the background. */
export interface BackgroundDriver {
  readonly port: number;
  stop(): Promise<void>;
}

/** raw-sink.py on a free port, writing to `folder`; resolves when it takes connections. */
export async function startRawSink(file: string, folder: string, flags: readonly string[]): Promise<BackgroundDriver> {
  const port = await freePort();
  const child = spawn('python3', [file, String(port), folder, ...flags], { stdio: 'ignore' });
  children.add(child);
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  for (let attempt = 0; !(await accepts(port)); attempt++) {
    if (attempt > 100 || child.exitCode !== null) throw new Error('raw-sink.py does not listen');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
      children.delete(child);
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
