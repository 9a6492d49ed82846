/**
 * Purpose: what a relay's processes cost: CPU time and memory, short-lived processes included.
 * Contract: commands wrapped by command() run in a control group of their own, so that every process they ever start
 *   is counted, also those that have ended. Works with cgroup v1 (cpuacct) and v2 (cpu.stat); where no group can be
 *   made it falls back to the process tree in /proc, which misses processes that were re-parented or ended unwaited.
 * Limits: Linux. Memory is the proportional set size (PSS), so shared pages are counted once.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from './programs.js';

/** Clock ticks per second in /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // processes end while we look
  }
}

function processStat(pid: number): { parent: number; ticks: number } | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === '') return undefined;
  // The name may hold blanks and brackets: fields are counted from the last bracket. Field 3 (state) is index 0.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return { parent: Number(fields[1]), ticks };
}

/** CPU milliseconds of one thread, from schedstat (nanoseconds) or, where the kernel has none, in ticks from stat. */
export function threadMs(pid: number, thread: number): number {
  const nanoseconds = Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]);
  if (nanoseconds > 0) return nanoseconds / 1e6;
  const text = read(`/proc/${pid}/task/${thread}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

function makeGroup(name: string): { folder: string; version: 1 | 2 } | undefined {
  const places = [
    { base: '/sys/fs/cgroup/cpuacct', version: 1 as const },
    { base: '/sys/fs/cgroup/cpu,cpuacct', version: 1 as const },
    { base: '/sys/fs/cgroup', version: 2 as const },
  ];
  for (const { base, version } of places) {
    if (!existsSync(join(base, version === 1 ? 'cpuacct.usage' : 'cgroup.controllers'))) continue;
    const folder = join(base, name);
    try {
      mkdirSync(folder);
    } catch {
      continue; // not permitted here
    }
    // In v2 a group takes part in cpu accounting always, but may refuse processes (a threaded or busy parent).
    if (existsSync(join(folder, version === 1 ? 'cpuacct.usage' : 'cpu.stat'))) return { folder, version };
    rmdirSync(folder);
  }
  return undefined;
}

export class ProcessAccount {
  private readonly group: { folder: string; version: 1 | 2 } | undefined;
  private readonly roots: number[] = [];
  private sampler: NodeJS.Timeout | undefined;
  private peakKilobytes = 0;

  constructor(name: string) {
    this.group = makeGroup(`sluice-bench-${process.pid}-${name}`);
  }

  /** How CPU time is counted, for the report. */
  get method(): string {
    return this.group === undefined ? 'process tree' : `cgroup v${this.group.version}`;
  }

  /** The command, changed so that it begins its life in the group. */
  command(command: readonly string[]): string[] {
    if (this.group === undefined) return [...command];
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', join(this.group.folder, 'cgroup.procs'), ...command];
  }

  /** Names the first process of a tree; only used where there is no group. */
  addRoot(pid: number): void {
    this.roots.push(pid);
  }

  pids(): number[] {
    if (this.group !== undefined) {
      return read(join(this.group.folder, 'cgroup.procs'))
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
    }
    const parents = new Map<number, number>();
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry);
      const stat = Number.isInteger(pid) ? processStat(pid) : undefined;
      if (stat !== undefined) parents.set(pid, stat.parent);
    }
    const found = new Set(this.roots.filter((pid) => parents.has(pid)));
    for (let grown = true; grown; ) {
      grown = false;
      for (const [pid, parent] of parents) {
        if (found.has(parent) && !found.has(pid)) {
          found.add(pid);
          grown = true;
        }
      }
    }
    return [...found];
  }

  /** CPU seconds used so far, user and system. */
  cpuSeconds(): number {
    if (this.group?.version === 1) return Number(read(join(this.group.folder, 'cpuacct.usage'))) / 1e9;
    if (this.group?.version === 2) {
      return Number(/usage_usec (\d+)/.exec(read(join(this.group.folder, 'cpu.stat')))?.[1] ?? 0) / 1e6;
    }
    return this.pids().reduce((sum, pid) => sum + (processStat(pid)?.ticks ?? 0), 0) / ticksPerSecond;
  }

  /** Memory of all processes in kilobytes: one field of smaps_rollup, summed. */
  memoryKilobytes(field: 'Pss' | 'Rss' | 'Pss_Anon' = 'Pss'): number {
    const pattern = new RegExp(`^${field}:\\s+(\\d+)`, 'm');
    return this.pids().reduce((sum, pid) => {
      return sum + Number(pattern.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
    }, 0);
  }

  /** Samples PSS every `everyMs` until stopSampling(); reading it costs the sampled processes a little. */
  startSampling(everyMs: number): void {
    this.peakKilobytes = 0;
    const sample = () => {
      this.peakKilobytes = Math.max(this.peakKilobytes, this.memoryKilobytes());
    };
    this.sampler = setInterval(sample, everyMs);
  }

  /** Ends sampling; the greatest PSS seen, this moment's included, in megabytes. */
  stopSampling(): number {
    clearInterval(this.sampler);
    return Math.max(this.peakKilobytes, this.memoryKilobytes()) / 1024;
  }

  /** Ends by pid whatever still runs in the group, and removes the group. */
  async close(): Promise<void> {
    clearInterval(this.sampler);
    for (let attempt = 0; attempt < 50; attempt++) {
      for (const pid of this.pids()) {
        try {
          process.kill(pid, attempt < 20 ? 'SIGTERM' : 'SIGKILL');
        } catch {
          // it has ended by itself
        }
      }
      if (this.pids().length === 0) break;
      await sleep(100);
    }
    if (this.group === undefined) return;
    try {
      rmdirSync(this.group.folder);
    } catch {
      process.stderr.write(`native-bench: could not remove ${this.group.folder}\n`);
    }
  }
}
