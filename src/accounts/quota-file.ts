/**
 * What accounts have used of their limits, kept over a restart: `account-quotas` in the spool directory.
 *
 * Lines of JSON: a head, one line for each account and limit, an end with their number. Written beside and renamed, at
 * intervals when something changed and at the end; a crash loses what was counted since the last writing. A file that is
 * damaged in any way counts for nothing, with a warning: it is never a reason not to start.
 * Limits: 256 MiB; writing and reading give the thread back every few milliseconds.
 */
import { createReadStream } from 'node:fs';
import { open, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { AccountLog } from './account-log.js';
import type { AccountQuotas, KeptCount } from './account-quotas.js';

const NAME = 'account-quotas';
const HEAD = '{"file":"sluice account quotas","version":1}';
const INTERVAL = 30_000;
const MAX_FILE = 256 * 1024 * 1024;
const LINES_A_TURN = 500;
const OWNER_ONLY = 0o600;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const line = z.tuple([z.string().max(1000), z.string().max(50), z.array(count).max(200)]);
const end = z.strictObject({ end: count });

export class QuotaFile {
  private readonly path: string;
  private readonly quotas: AccountQuotas;
  private readonly log: AccountLog;
  private readonly timer: NodeJS.Timeout;
  private writing: Promise<void> = Promise.resolve();
  private failing = false;

  private constructor(directory: string, quotas: AccountQuotas, log: AccountLog) {
    this.path = join(directory, NAME);
    this.quotas = quotas;
    this.log = log;
    this.timer = setInterval(() => void this.save(), INTERVAL);
    this.timer.unref();
  }

  /** Takes over what was kept in `directory`, and keeps it there from now on. Never rejects. */
  static async open(directory: string, quotas: AccountQuotas, clock: Clock, log: AccountLog): Promise<QuotaFile> {
    const file = new QuotaFile(directory, quotas, log);
    try {
      for (const kept of await readKept(file.path)) quotas.restore(kept, clock.now());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        log.warn({ path: file.path, reason: messageOf(error) }, 'what accounts have used of their limits is not known');
    }
    return file;
  }

  /** Writes what changed; one writing after the other. Never rejects. */
  save(): Promise<void> {
    this.writing = this.writing.then(async () => {
      if (!this.quotas.changed) return;
      try {
        await this.write();
        this.failing = false;
      } catch (error) {
        this.quotas.changed = true;
        if (!this.failing)
          this.log.warn({ path: this.path, reason: messageOf(error) }, 'limits of accounts cannot be written down');
        this.failing = true;
      }
    });
    return this.writing;
  }

  /** Writes for the last time. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.save();
  }

  private async write(): Promise<void> {
    const fresh = `${this.path}.new`;
    const handle = await open(fresh, 'w', OWNER_ONLY);
    try {
      let lines = [HEAD];
      let written = 0;
      for (const { account, limit, slots } of this.quotas.keptCounts()) {
        lines.push(JSON.stringify([account, limit, slots]));
        written++;
        if (lines.length < LINES_A_TURN) continue;
        await handle.write(`${lines.join('\n')}\n`);
        lines = [];
      }
      lines.push(JSON.stringify({ end: written }));
      await handle.write(`${lines.join('\n')}\n`);
      await handle.sync();
    } catch (error) {
      await unlink(fresh).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
    await rename(fresh, this.path);
  }
}

/** All counts of a file. @throws Error that says what is wrong with it. */
async function readKept(path: string): Promise<KeptCount[]> {
  if ((await stat(path)).size > MAX_FILE) throw new Error('the file is larger than 256 MiB');
  const kept: KeptCount[] = [];
  let number = 0;
  let ended = false;
  for await (const text of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: 0 })) {
    number++;
    if (number === 1 && text !== HEAD) throw new Error('the file does not begin as one of this version');
    if (number === 1) continue;
    const data: unknown = JSON.parse(text);
    const entry = line.safeParse(data);
    if (ended) throw new Error(`line ${number} follows the end`);
    if (entry.success) {
      kept.push({ account: entry.data[0], limit: entry.data[1], slots: entry.data[2] });
      continue;
    }
    const last = end.safeParse(data);
    if (!last.success || last.data.end !== kept.length) throw new Error(`line ${number} is damaged`);
    ended = true;
  }
  if (!ended) throw new Error('the file has no end');
  return kept;
}
