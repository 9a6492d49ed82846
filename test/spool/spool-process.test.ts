/** The spool across processes: locks, kill -9, a full disk, a write that fails. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireInstanceLock } from '../../src/net/instance-lock.js';
import { checkDataFile } from '../../src/spool/data-file-check.js';
import { DATA_NAME, openSpool } from '../../src/spool/open-spool.js';
import { CHUNK_BYTES } from '../../src/spool/record-codec.js';
import { patternBytes, readAll, stateOf, temporaryDirectory } from './helpers.js';

const PROGRAM = join(process.cwd(), 'dist/test/spool/fixtures/spool-process.js');

let directory: { path: string; drop: () => void };
let children: ChildProcessWithoutNullStreams[];
beforeEach(() => {
  directory = temporaryDirectory();
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  directory.drop();
});

/** Starts the program; `lines` fills as it prints. */
function start(command: string[], wrap: string[] = []): { child: ChildProcessWithoutNullStreams; lines: string[] } {
  const [file, ...rest] = [...wrap, process.execPath, PROGRAM, ...command];
  const child = spawn(file!, rest);
  children.push(child);
  const lines: string[] = [];
  let tail = '';
  child.stdout.on('data', (bytes: Buffer) => {
    const parts = (tail + bytes.toString()).split('\n');
    tail = parts.pop()!;
    lines.push(...parts);
  });
  return { child, lines };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const ended = (child: ChildProcessWithoutNullStreams): Promise<void> =>
  new Promise((resolve) =>
    child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('close', () => resolve()),
  );

describe('a second process on the same spool', () => {
  it('is refused by the lock and named, and gets in when the first is killed', async () => {
    const { child, lines } = start(['hold', directory.path]);
    await until(() => lines.includes('open'));
    const again = { directory: directory.path, durability: 'fsync' as const };
    const refusal = { code: 'spool-in-use', message: expect.stringContaining(`process ${child.pid}`) };
    await expect(openSpool({ ...again, acquireLock: acquireInstanceLock })).rejects.toMatchObject(refusal);
    await expect(openSpool(again)).rejects.toMatchObject(refusal);
    child.kill('SIGKILL');
    await ended(child);
    expect(existsSync(join(directory.path, 'sluice.pid'))).toBe(true);
    const spool = await openSpool({ ...again, acquireLock: acquireInstanceLock });
    await expect(openSpool(again)).rejects.toMatchObject({ code: 'spool-in-use' });
    await spool.close();
  });

  it('is not taken for one by the number of a process that is gone', async () => {
    const stale = {
      pid: process.ppid,
      boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
      started: '1',
    };
    writeFileSync(join(directory.path, 'sluice.pid'), JSON.stringify(stale));
    await (await openSpool({ directory: directory.path, durability: 'fsync' })).close();
  });
});

describe('kill -9 of a writer', () => {
  it('loses nothing that was told to be durable', { timeout: 60_000 }, async () => {
    const stored = new Map<number, 'fresh' | 'deferred' | 'removed'>();
    for (let round = 0; round < 3; round++) {
      const { child, lines } = start(['store', directory.path, String(1_000_000 * (round + 1))]);
      await until(() => lines.length > 200 || child.exitCode !== null);
      child.kill('SIGKILL');
      await ended(child);
      for (const line of lines) {
        const [what, id] = line.split(' ');
        expect(['stored', 'removed', 'deferred']).toContain(what);
        stored.set(Number(id), what === 'stored' ? 'fresh' : what === 'removed' ? 'removed' : 'deferred');
      }
      checkDataFile(join(directory.path, DATA_NAME));
    }
    const damage: string[] = [];
    const spool = await openSpool({
      directory: directory.path,
      durability: 'fsync',
      onDamage: (_, reason) => damage.push(reason),
    });
    const found = new Map<number, number>();
    await spool.recover((id, due) => found.set(id, due));
    const sizes = [900, 30_000, 40_000, 3 * CHUNK_BYTES, 5 * CHUNK_BYTES];
    expect(stored.size).toBeGreaterThan(100);
    for (const [id, what] of stored) {
      if (what === 'removed') {
        expect(found.has(id)).toBe(false);
        continue;
      }
      const message = await spool.load(id);
      // Its removal or deferral may have become durable without a word before the kill.
      if (what === 'fresh' && id % 3 === 0 && message === undefined) continue;
      expect(found.has(id)).toBe(true);
      expect((await readAll(message!.content)).equals(patternBytes(sizes[id % sizes.length]!, id))).toBe(true);
      if (what === 'deferred') expect(message!.state).toEqual(stateOf(id));
    }
    expect(damage).toEqual([]);
    await spool.close();
  });
});

/** Whether this user may mount in a namespace of its own. */
function mountsAllowed(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a full disk', () => {
  it('refuses with spool-full, loses nothing, drains and takes mail again', { timeout: 60_000 }, async (context) => {
    if (!mountsAllowed()) {
      console.warn('skipped: unshare -m is not permitted here, so no small tmpfs can be mounted');
      return context.skip();
    }
    const wrap = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=32m tmpfs ${directory.path} && exec "$@"`, 'sh'];
    const { child, lines } = start(['full', directory.path], wrap);
    await ended(child);
    expect(child.signalCode).toBeNull();
    expect(lines.filter((line) => line.startsWith('lost') || line.startsWith('failure'))).toEqual([]);
    const rounds = lines.filter((line) => line.startsWith('round')).map((line) => line.split(' '));
    expect(rounds).toHaveLength(3);
    for (const round of rounds) {
      expect(round[5]).toBe('spool-full');
      expect(Number(round[3])).toBeGreaterThan(200);
    }
    expect(lines.at(-1)).toBe('drained');
  });

  it('without a reserve comes to the same end by failed commits', { timeout: 60_000 }, async (context) => {
    if (!mountsAllowed()) {
      console.warn('skipped: unshare -m is not permitted here, so no small tmpfs can be mounted');
      return context.skip();
    }
    const wrap = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=32m tmpfs ${directory.path} && exec "$@"`, 'sh'];
    const { child, lines } = start(['full', directory.path, '1'], wrap);
    await ended(child);
    expect(child.signalCode).toBeNull();
    expect(lines.filter((line) => line.startsWith('lost') || line.startsWith('failure'))).toEqual([]);
    expect(lines.filter((line) => line.includes('spool-full'))).toHaveLength(3);
    expect(lines.at(-1)).toBe('drained');
  });
});

it('stops for good when a write fails for another reason, and opens again with all that was acknowledged', {
  timeout: 60_000,
}, async () => {
  const { child, lines } = start(['store', directory.path, '1000'], ['prlimit', '--fsize=8000000']);
  await ended(child);
  expect(child.signalCode).toBeNull();
  expect(lines).toContain('failure spool-failed');
  expect(lines.filter((line) => line.startsWith('failure'))).toHaveLength(1);
  expect(lines).toContain('ended spool-failed');
  const spool = await openSpool({ directory: directory.path, durability: 'fsync' });
  const found = new Set<number>();
  await spool.recover((id) => found.add(id));
  const removed = new Set(lines.filter((line) => line.startsWith('removed')).map((line) => Number(line.split(' ')[1])));
  const acknowledged = lines.filter((line) => line.startsWith('stored')).map((line) => Number(line.split(' ')[1]));
  expect(acknowledged.length).toBeGreaterThan(20);
  for (const id of acknowledged) if (!removed.has(id) && id % 3 !== 0) expect(found.has(id)).toBe(true);
  await spool.close();
});
