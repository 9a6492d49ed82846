/**
 * CPU time by thread and peak memory of a process, from /proc. Gives undefined where that is absent (not Linux).
 *
 * Names come from name-threads.cts; threads that came later without a name (LMDB, crypto) are shown by what the kernel
 * calls them. Threads that ended before they were looked at are missing from the sum.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Clock ticks a second in /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** CPU seconds, user and system, by thread id. */
export type ThreadTimes = ReadonlyMap<number, number>;

/** One line of the summary: threads that do the same work. */
export interface ThreadGroup {
  readonly name: string;
  readonly threads: number;
  readonly seconds: number;
}

export function threadTimes(pid: number): ThreadTimes | undefined {
  try {
    const times = new Map<number, number>();
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
      // The name may hold blanks and brackets: fields are counted from the last bracket.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      times.set(Number(task), (Number(fields[11]) + Number(fields[12])) / TICKS);
    }
    return times;
  } catch {
    return undefined;
  }
}

/** What each group of threads used between two looks, busiest first; the main thread is always there. */
export function threadGroups(pid: number, directory: string, before: ThreadTimes, after: ThreadTimes): ThreadGroup[] {
  const names = threadNames(pid, directory);
  const groups = new Map<string, { threads: number; seconds: number }>();
  for (const [id, seconds] of after) {
    const name = id === pid ? 'main thread' : (names.get(id) ?? kernelName(pid, id));
    const group = groups.get(name) ?? { threads: 0, seconds: 0 };
    group.threads++;
    group.seconds += seconds - (before.get(id) ?? 0);
    groups.set(name, group);
  }
  return [...groups]
    .map(([name, { threads, seconds }]) => ({ name, threads, seconds }))
    .filter(({ name, seconds }) => name === 'main thread' || seconds > 0)
    .sort((a, b) => b.seconds - a.seconds);
}

/** Greatest resident memory so far, bytes. */
export function peakMemory(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

function threadNames(pid: number, directory: string): Map<number, string> {
  const names = new Map<number, string>();
  try {
    for (const line of readFileSync(join(directory, `threads-${pid}`), 'utf8')
      .trim()
      .split('\n')) {
      const { name, ids } = JSON.parse(line) as { name: string; ids: string[] };
      for (const id of ids) names.set(Number(id), name);
    }
  } catch {
    // Nobody wrote names: the kernel's will do.
  }
  return names;
}

function kernelName(pid: number, id: number): string {
  try {
    const name = readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim();
    return name === 'node' ? 'other threads' : name;
  } catch {
    return 'other threads';
  }
}
