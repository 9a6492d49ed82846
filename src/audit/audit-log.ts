/**
 * The audit log as it is written.
 *
 * Contract: `append` resolves once its entry is on disk (fdatasync) and rejects with SluiceError `audit-unwritable` when
 * it cannot be; then it does not stand in the log either. What is asked for while a write is under way goes together with
 * one flush. Opens at the first entry, and again at the next one after a failure. One writer: the caller gives a lock.
 * Limits: MAX_WAITING entries wait; full files are set aside as `<path>.<n>` and never removed.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import { type AuditEvent, chainedLine, ORIGIN, type Position } from './audit-entry.js';
import { fullFiles, headPath, headText } from './audit-files.js';
import { recoverLog } from './recover-log.js';

const OWNER_ONLY = 0o600;
const MAX_WAITING = 10_000;
const { O_APPEND, O_CREAT, O_RDWR } = constants;

export interface AuditLogOptions {
  readonly path: string;
  /** Bytes after which a file is full. */
  readonly maxSize: number;
  readonly clock: Pick<Clock, 'wall'>;
  /** Takes a lock of that name and gives the way to release it; rejects when another process holds it. */
  acquireLock(name: string): Promise<() => void>;
}

interface Waiting {
  readonly event: AuditEvent;
  readonly resolve: (at: Position) => void;
  readonly reject: (error: SluiceError) => void;
}

interface Open {
  readonly log: FileHandle;
  readonly head: FileHandle;
  readonly inode: number;
}

export class AuditLog {
  private readonly options: AuditLogOptions;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | null = null;
  private files: Open | null = null;
  private release: (() => void) | null = null;
  private last: Position = ORIGIN;
  private size = 0;
  /** Something may stand behind `size` that does not count. */
  private dirty = false;
  private closed = false;

  constructor(options: AuditLogOptions) {
    this.options = options;
  }

  /** The last entry that is on disk. */
  get head(): Position {
    return this.last;
  }

  /** Resolves to the entry's place once it is on disk. @throws SluiceError `audit-unwritable`. */
  append(event: AuditEvent): Promise<Position> {
    if (this.closed) return Promise.reject(unwritable(this.options.path, 'it is closed'));
    if (this.waiting.length >= MAX_WAITING)
      return Promise.reject(unwritable(this.options.path, `${MAX_WAITING} entries wait to be written`));
    return new Promise((resolve, reject) => {
      this.waiting.push({ event, resolve, reject });
      this.writing ??= this.write();
    });
  }

  /** Writes what waits and closes. */
  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    await this.shut();
    this.release?.();
    this.release = null;
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      // What comes in the same turn goes along.
      await Promise.resolve();
      const batch = this.waiting;
      this.waiting = [];
      try {
        const places = await this.writeAll(batch.map(({ event }) => event));
        for (const [i, { resolve }] of batch.entries()) resolve(places[i]!);
      } catch (error) {
        const refusal = unwritable(this.options.path, messageOf(error), error);
        for (const { reject } of batch) reject(refusal);
      }
    }
    this.writing = null;
  }

  private async writeAll(events: readonly AuditEvent[]): Promise<Position[]> {
    const files = await this.ready();
    const places: Position[] = [];
    let text = '';
    let last = this.last;
    for (const event of events) {
      const { line, at } = chainedLine(last, event, this.options.clock.wall());
      text += line;
      last = at;
      places.push(at);
    }
    const bytes = Buffer.from(text);
    this.dirty = true;
    await writeWhole(files.log, bytes, null);
    await files.log.datasync();
    this.dirty = false;
    this.size += bytes.length;
    this.last = last;
    await writeWhole(files.head, Buffer.from(headText(last)), 0);
    return places;
  }

  /** The files, opened, whole, and with room. */
  private async ready(): Promise<Open> {
    const { path, maxSize } = this.options;
    if (this.files !== null && this.dirty) {
      await this.files.log.truncate(this.size);
      this.dirty = false;
    }
    if (this.files !== null && !(await this.isOurs(this.files))) await this.shut();
    this.files ??= await this.open();
    if (this.size < maxSize) return this.files;
    const full = await fullFiles(path);
    await this.shut();
    await rename(path, `${path}.${(full.at(-1) ?? 0) + 1}`);
    this.size = 0;
    this.files = await this.openFiles();
    return this.files;
  }

  /** Nobody has moved it away, cut it off or written to it. */
  private async isOurs({ inode }: Open): Promise<boolean> {
    const there = await stat(this.options.path).catch(() => null);
    return there !== null && there.ino === inode && there.size === this.size;
  }

  private async open(): Promise<Open> {
    const { path, acquireLock } = this.options;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (this.release === null) {
      const { dev, ino } = await stat(dirname(path));
      this.release = await acquireLock(`sluice-audit-${dev}-${ino}-${resolve(path).split('/').at(-1)}`);
    }
    const found = await recoverLog(path);
    const files = await this.openFiles();
    this.last = found.last;
    this.size = found.size;
    try {
      // Before the first line: a log without it later was tampered with.
      await writeWhole(files.head, Buffer.from(headText(this.last)), 0);
      await files.head.sync();
      const repairs: AuditEvent[] = [];
      if (found.damage !== '') repairs.push(ofEngine('audit.damaged', { found: found.damage }));
      if (found.torn !== null) repairs.push(ofEngine('audit.repaired', { torn: found.torn }));
      if (found.unended) this.size += await writeWhole(files.log, Buffer.from('\n'), null);
      this.files = files;
      if (repairs.length > 0) await this.writeOpen(repairs);
      return files;
    } catch (error) {
      this.files = files;
      await this.shut();
      throw error;
    }
  }

  /** Entries of its own, while it opens. */
  private async writeOpen(events: readonly AuditEvent[]): Promise<void> {
    const { size } = await this.files!.log.stat();
    this.size = size;
    await this.writeAll(events);
  }

  private async openFiles(): Promise<Open> {
    const { path } = this.options;
    const log = await open(path, O_APPEND | O_CREAT | O_RDWR, OWNER_ONLY);
    try {
      const head = await open(headPath(path), O_CREAT | O_RDWR, OWNER_ONLY);
      const folder = await open(dirname(path));
      await folder.sync().finally(() => folder.close());
      return { log, head, inode: (await log.stat()).ino };
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  private async shut(): Promise<void> {
    const { files } = this;
    this.files = null;
    this.dirty = false;
    await files?.log.close();
    await files?.head.close();
  }
}

function ofEngine(action: string, details: AuditEvent['details']): AuditEvent {
  return { actor: 'engine', action, details };
}

async function writeWhole(file: FileHandle, bytes: Buffer, position: number | null): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const at = position === null ? null : position + done;
    done += (await file.write(bytes, done, bytes.length - done, at)).bytesWritten;
  }
  return bytes.length;
}

function unwritable(path: string, why: string, cause?: unknown): SluiceError {
  const words = `the audit log ${path} cannot be written: ${why}; nothing was done`;
  return new SluiceError('audit-unwritable', words, { temporary: true, cause });
}
