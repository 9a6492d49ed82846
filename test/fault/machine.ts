/**
 * What this machine lets a fault case do: programs, mounts, name spaces, limits, and figures of a process from /proc.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SkipCase, within } from './fault-case.js';

/** Whether a program can be started. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

/** @throws SkipCase when the program is missing. */
export function need(program: string, what: string): void {
  if (!has(program)) throw new SkipCase(`${program} is not installed: ${what}`);
}

/** Runs a program to its end. @throws Error with its output when it fails. */
export function execute(program: string, ...args: string[]): string {
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}

/** Whether this user may mount in a mount namespace of its own. */
export function mountsAllowed(): boolean {
  const trial = 'mount -t tmpfs -o size=1m tmpfs /mnt';
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'sh', '-c', trial], { stdio: 'ignore' }).status === 0;
}

/** Mounts a tmpfs of `size` (as mount takes it). The mount is in the harness's own namespace and goes with it. */
export function mountTmpfs(path: string, size: string): void {
  mkdirSync(path, { recursive: true });
  execute('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path);
}

/** Unmounts; false when something still uses it after `limit` ms. */
export function unmount(path: string, limit = 10_000): Promise<boolean> {
  return within(limit, () => spawnSync('umount', [path], { stdio: 'ignore' }).status === 0);
}

/** A file system in a file that can be cut from its power. ext4, mounted by loop. */
export class LoopDisk {
  readonly mount: string;
  private readonly image: string;
  private readonly bootId: string;

  /** `directory`: where the image lies and the mount point is made. @throws SkipCase where loop mounts do not work. */
  constructor(directory: string, bytes: number) {
    need('mkfs.ext4', 'no file system can be made to be cut');
    need('python3', 'Node has no ioctl, so the shutdown of a file system is asked for by python3');
    this.image = join(directory, 'disk.img');
    this.mount = join(directory, 'disk');
    this.bootId = join(directory, 'boot-id');
    mkdirSync(this.mount, { recursive: true });
    writeFileSync(this.image, '');
    truncateSync(this.image, bytes);
    try {
      execute('mkfs.ext4', '-q', '-F', this.image);
      execute('mount', '-o', 'loop', this.image, this.mount);
    } catch (error) {
      throw new SkipCase(`no loop mount of ext4 here: ${String(error).slice(0, 200)}`);
    }
  }

  /** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (linux/fs/ext4/ext4.h): what was not synced is gone. */
  async cut(): Promise<void> {
    const program =
      'import fcntl,os,struct,sys;fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack("I",2))';
    // Not synchronously: the load must go on until the very moment.
    await promisify(execFile)('python3', ['-c', program, this.mount]);
  }

  /** Power again: the journal is replayed, and the machine has a new boot id, as after a real reboot. */
  async powerUp(): Promise<void> {
    if (!(await unmount(this.mount))) throw new Error(`${this.mount} cannot be unmounted`);
    execute('mount', '-o', 'loop', this.image, this.mount);
    const path = '/proc/sys/kernel/random/boot_id';
    spawnSync('umount', [path], { stdio: 'ignore' });
    writeFileSync(this.bootId, `${crypto.randomUUID()}\n`);
    execute('mount', '--bind', this.bootId, path);
  }

  /** Unmounts it, and gives the machine its own boot id back. */
  async close(): Promise<void> {
    spawnSync('umount', ['/proc/sys/kernel/random/boot_id'], { stdio: 'ignore' });
    await unmount(this.mount);
  }
}

/** A memory limit for processes (cgroup v1 or v2). @throws SkipCase where groups cannot be made. */
export class MemoryGroup {
  private readonly path: string;

  constructor(bytes: number) {
    const v1 = '/sys/fs/cgroup/memory';
    const v2 = '/sys/fs/cgroup';
    const old = existsSync(join(v1, 'memory.limit_in_bytes'));
    this.path = join(old ? v1 : v2, `sluice-fault-${process.pid}`);
    try {
      mkdirSync(this.path, { recursive: true });
      writeFileSync(join(this.path, old ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
    } catch (error) {
      throw new SkipCase(`no memory group can be made: ${String(error).slice(0, 120)}`);
    }
  }

  /** A command line that runs a program inside the group. */
  get wrap(): string[] {
    return ['sh', '-c', `echo $$ > ${join(this.path, 'cgroup.procs')} && exec "$@"`, 'sh'];
  }

  /** Most memory it ever used, bytes; 0 where the kernel does not say. */
  get peak(): number {
    for (const name of ['memory.max_usage_in_bytes', 'memory.peak'])
      if (existsSync(join(this.path, name))) return Number(readFileSync(join(this.path, name), 'utf8'));
    return 0;
  }

  close(): void {
    spawnSync('rmdir', [this.path], { stdio: 'ignore' });
  }
}

export interface ProcessFigures {
  /** Resident memory, bytes. */
  readonly resident: number;
  readonly descriptors: number;
  /** CPU used so far, ms. */
  readonly cpu: number;
  readonly threads: number;
}

/** Figures of a living process from /proc(5). */
export function figuresOf(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return {
    resident: number('VmRSS') * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    // Fields 14 and 15 of stat, in ticks of 10 ms.
    cpu: (Number(fields[11]) + Number(fields[12])) * 10,
    threads: number('Threads'),
  };
}

/** Names of what a process has open, for a message about a leak. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\[\d+\]/, '');
    } catch {
      return 'gone';
    }
  });
}
