/**
 * One process for a spool.
 *
 * Two guards. The first is a lock that the caller provides by name (an abstract Unix socket: atomic, and gone with the
 * process by whatever way it ends). The second is `sluice.pid` in the directory, for processes that do not share the
 * first (another network namespace): it names process, boot and start time, so that it cannot go stale and a reused
 * process number is not taken for the old process.
 */
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../core/errors.js';

export const PID_NAME = 'sluice.pid';

/** Takes a lock of that name and gives the way to release it; rejects when another process holds it. */
export type AcquireLock = (name: string) => Promise<() => void>;

interface Owner {
  readonly pid: number;
  readonly boot: string;
  readonly started: string;
}

/** Takes a spool directory for this process. The result releases it. @throws SluiceError `spool-in-use` */
export async function lockSpool(directory: string, acquireLock?: AcquireLock): Promise<() => void> {
  const path = join(directory, PID_NAME);
  let release = (): void => {};
  if (acquireLock !== undefined) {
    const { dev, ino } = statSync(directory);
    try {
      release = await acquireLock(`sluice-spool-${dev}-${ino}`);
    } catch (cause) {
      throw inUse(directory, readOwner(path)?.pid, cause);
    }
  }
  try {
    const owner = readOwner(path);
    if (owner !== undefined && isAlive(owner)) throw inUse(directory, owner.pid, undefined);
    const self: Owner = { pid: process.pid, boot: bootId(), started: startTime(process.pid) ?? '' };
    writeFileSync(path, `${JSON.stringify(self)}\n`, { mode: 0o600 });
  } catch (error) {
    release();
    throw error;
  }
  return () => {
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or the directory is: either way nobody is kept out by it.
    }
    release();
  };
}

function inUse(directory: string, pid: number | undefined, cause: unknown): SluiceError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new SluiceError(
    'spool-in-use',
    `the spool ${directory} is in use by ${who}; two engines on one spool would deliver everything twice. ` +
      'Stop the other one, or give this one a directory of its own',
    { temporary: true, cause },
  );
}

function readOwner(path: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, boot, started } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof boot !== 'string' || typeof started !== 'string') return undefined;
    return { pid, boot, started };
  } catch {
    return undefined;
  }
}

/** The owner lives: the same boot, and a process of that number that started at that time. */
function isAlive(owner: Owner): boolean {
  if (owner.boot !== bootId()) return false;
  const started = startTime(owner.pid);
  return started !== undefined && started === owner.started;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** Start time of a process in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)); undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
