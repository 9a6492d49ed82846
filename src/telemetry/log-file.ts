/**
 * The log in a file that rotates itself: no logrotate, no copytruncate, no line lost in between.
 *
 * Contract: before a block of lines is written `ready` is asked and afterwards `done` told; a block waits for `ready` as
 * for a slow output, and none is cut in two by a rotation. A file that is full (`size`) or old (`age`) is renamed to
 * `<path>.<time>` and a new one begun; renamed ones past `keep`, or last written longer ago than `age`, are removed. A
 * file that somebody else moved or removed is begun anew within a second of the next line, and at the next line when
 * `reopen` was called (SIGHUP). Where a rotation fails the old file goes on, and it is tried again a minute later. A full
 * disk fails writes and so costs lines (see log-writer.ts), never mail. Nothing blocks but the first opening.
 * Files are readable for owner and group (0640). Limits: one process for each path.
 */
import { close, fstat, fstatSync, open, openSync } from 'node:fs';
import { readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SluiceError } from '../core/errors.js';
import { eraseFromFile } from './log-erasure.js';

export interface LogFileOptions {
  readonly path: string;
  /** Bytes at which a file is rotated, 0: never for its size. */
  readonly size: number;
  /** Rotated files that stay. */
  readonly keep: number;
  /** A file is rotated when it is this old and removed when its last line is, ms; 0: never for its age. */
  readonly age: number;
}

/** A file of the log. */
export interface KeptLogFile {
  readonly path: string;
  readonly bytes: number;
  /** Of its last line, ms since the epoch. */
  readonly writtenAt: number;
}

const MODE = 0o640;
/** How often it is looked whether the file is still in its place, ms. */
const LOOK_INTERVAL = 1000;
/** Wait after a rotation that failed, ms. */
const RETRY = 60_000;

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);

export class LogFile {
  /** The open file. */
  fd: number;
  private readonly options: LogFileOptions;
  private readonly now: () => number;
  private bytes: number;
  private begunAt: number;
  private lookedAt: number;
  private notBefore = 0;
  private moved = false;
  /** A block is being written. */
  private busy = false;
  private whenIdle: (() => void) | null = null;
  /** What changes the open file goes one after the other; blocks wait for it, so it must be short. */
  private turn: Promise<unknown> = Promise.resolve();
  /** The same for what is done with rotated files, which no block waits for. */
  private upkeep: Promise<unknown> = Promise.resolve();

  /** Opens or makes the file. `now`: wall clock. @throws SluiceError `log-file` naming the path and what is wrong. */
  constructor(options: LogFileOptions, now: () => number = Date.now) {
    this.options = options;
    this.now = now;
    try {
      this.fd = openSync(options.path, 'a', MODE);
      const { size, birthtimeMs } = fstatSync(this.fd);
      this.bytes = size;
      this.begunAt = size === 0 ? now() : birthtimeMs || now();
    } catch (error) {
      const remedy = 'make its folder writable for the user of the engine, or set another SLUICE_LOG_FILE';
      const why = `the log file ${options.path} cannot be written: ${messageOf(error)}; ${remedy}`;
      throw new SluiceError('log-file', why, { temporary: false, cause: error });
    }
    this.lookedAt = now();
  }

  /** Before a block of `bytes` is written to `fd`: null when that can be done at once, else when it resolves. */
  ready(bytes: number): Promise<void> | null {
    const now = this.now();
    const look = this.moved || now - this.lookedAt >= LOOK_INTERVAL;
    const rotate = this.isDue(bytes, now);
    if (!look && !rotate) {
      this.busy = true;
      return null;
    }
    return this.inTurn(async () => {
      if (look) await this.look();
      if (this.isDue(bytes, this.now()) && (await this.rename())) await this.begin();
      this.busy = true;
    });
  }

  /** The block is over; so many bytes of it were written. */
  done(bytes: number): void {
    this.bytes += bytes;
    this.busy = false;
    this.whenIdle?.();
    this.whenIdle = null;
  }

  /** Looks before the next block whether the file is still in its place. */
  reopen(): void {
    this.moved = true;
  }

  /** All files of this log: the current one, then the rotated ones, youngest first. */
  async files(): Promise<KeptLogFile[]> {
    const all: KeptLogFile[] = [];
    for (const path of [this.options.path, ...(await this.rotated()).reverse()]) {
      const facts = await stat(path).catch(() => null);
      if (facts !== null) all.push({ path, bytes: facts.size, writtenAt: facts.mtimeMs });
    }
    return all;
  }

  /**
   * Takes an address out of every line written so far, see log-erasure.ts; how many lines had it. The current file is
   * rotated first, and mail is logged meanwhile. @throws Error when a file cannot be read or written; those done stay so.
   */
  async erase(address: string): Promise<number> {
    await this.inTurn(async () => {
      if (this.bytes === 0) return;
      if (!(await this.rename())) throw new Error(`${this.options.path} could not be renamed`);
      // A block under way still goes to the renamed file, which is read after it.
      if (this.busy)
        await new Promise<void>((resolve) => {
          this.whenIdle = resolve;
        });
      if (!(await this.begin())) throw new Error(`${this.options.path} could not be begun anew`);
    });
    return this.inUpkeep(async () => {
      let lines = 0;
      for (const file of await this.rotated()) lines += await eraseFromFile(file, address);
      return lines;
    });
  }

  /** Removes rotated files that are too many or too old. */
  prune(): Promise<void> {
    return this.inUpkeep(async () => {
      const { keep, age } = this.options;
      const files = await this.rotated();
      for (const [index, file] of files.entries()) {
        const written = (await stat(file).catch(() => null))?.mtimeMs ?? 0;
        const old = age > 0 && this.now() - written >= age;
        if (index < files.length - keep || old) await unlink(file).catch(() => undefined);
      }
    });
  }

  /** After the last block; more than once is the same. */
  async close(): Promise<void> {
    await this.turn;
    await this.upkeep;
    const { fd } = this;
    this.fd = -1;
    if (fd >= 0) await closeFile(fd);
  }

  private isDue(bytes: number, now: number): boolean {
    const { size, age } = this.options;
    const full = size > 0 && this.bytes + bytes > size;
    return this.bytes > 0 && now >= this.notBefore && (full || (age > 0 && now - this.begunAt >= age));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private inUpkeep<T>(work: () => Promise<T>): Promise<T> {
    const done = this.upkeep.then(work);
    this.upkeep = done.catch(() => undefined);
    return done;
  }

  /** Begins the file anew where another one, or none, is in its place. */
  private async look(): Promise<void> {
    this.lookedAt = this.now();
    this.moved = false;
    const there = await stat(this.options.path).catch(() => null);
    const ours = await statFile(this.fd);
    if (there === null || there.ino !== ours.ino || there.dev !== ours.dev) await this.begin();
  }

  /** Whether the file has another name now. */
  private async rename(): Promise<boolean> {
    try {
      await rename(this.options.path, await this.freeName());
    } catch {
      this.notBefore = this.now() + RETRY;
      return false;
    }
    void this.prune().catch(() => undefined);
    return true;
  }

  /** Opens the path anew; where that fails the old file goes on, and the next look tries again. */
  private async begin(): Promise<boolean> {
    let fd: number;
    try {
      fd = await openFile(this.options.path, 'a', MODE);
    } catch {
      this.notBefore = this.now() + RETRY;
      return false;
    }
    const old = this.fd;
    this.fd = fd;
    this.bytes = (await statFile(fd)).size;
    this.begunAt = this.now();
    await closeFile(old);
    return true;
  }

  private async freeName(): Promise<string> {
    const stamp = new Date(this.now()).toISOString().replace(/[-:.]/g, '');
    for (let more = 0; ; more++) {
      const name = `${this.options.path}.${stamp}${more === 0 ? '' : `-${String(more).padStart(3, '0')}`}`;
      if ((await stat(name).catch(() => null)) === null) return name;
    }
  }

  /** Paths of the rotated files, the oldest first. */
  private async rotated(): Promise<string[]> {
    const { path } = this.options;
    const [folder, name] = [dirname(path), `${basename(path)}.`];
    const names = (await readdir(folder)).filter(
      (one) => one.startsWith(name) && /^\d{8}T\d{9}Z(-\d{3,})?$/.test(one.slice(name.length)),
    );
    return names.sort().map((one) => join(folder, one));
  }
}
