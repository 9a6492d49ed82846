/**
 * The engine's side of the maildrop: takes what `sendmail` kept while the engine could not take it.
 *
 * Contract: a file is removed only when its message is durable in the spool. A process that is killed between the two
 * takes the message once more at its next start: it may double, it is not lost. What is no message, or refused for good,
 * goes to `corrupt` and is logged; what is refused for now waits for the next look. It never stops the engine.
 * Limits: LANES messages at once; a look takes BATCH names at most, then another begins; anybody may write there, so
 * nothing is believed: no links, no special files, no more bytes than a message may have.
 */
import { type FSWatcher, watch } from 'node:fs';
import { constants, type FileHandle, open, opendir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ANNOUNCEMENT, type Announcement } from './compat/place.js';
import { DROP_NAME, UNFINISHED_NAME } from './compat/sendmail/drop-format.js';
import { announce, CORRUPT, makeMaildrop } from './compat/sendmail/maildrop-folder.js';
import { messageOf } from './core/errors.js';
import type { Log } from './telemetry/log.js';
import { ToldLately } from './telemetry/told-lately.js';

/** What became of one file: taken with its queue id, refused for good, or to be tried again. */
export type DropFate =
  | { readonly kind: 'taken'; readonly id: string }
  | { readonly kind: 'wrong'; readonly reason: string }
  | { readonly kind: 'later'; readonly reason: string };

export interface MaildropParts {
  readonly folder: string;
  readonly spoolDir: string;
  readonly log: Log;
  readonly announcement: Announcement;
  /** Wall clock, ms. */
  now(): number;
  /** Submits the message in an open file of this many bytes. */
  submit(file: FileHandle, size: number): Promise<DropFate>;
}

/** Between looks where nothing tells of a file, ms. */
const POLL = 10_000;
const BATCH = 500;
const LANES = 8;
/** A file that nobody finished in this time is removed, ms. */
const ABANDONED = 24 * 3_600_000;
/** One log line about the same trouble in this time, ms. */
const SILENCE = 60_000;

export class Maildrop {
  private readonly parts: MaildropParts;
  private readonly told = new ToldLately(SILENCE);
  private watcher: FSWatcher | null = null;
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;
  private again = false;
  private closed = false;

  private constructor(parts: MaildropParts) {
    this.parts = parts;
  }

  /** Opens it and begins to look; where it cannot be, a log line says so and mail by SMTP flows all the same. */
  static open(parts: MaildropParts): Maildrop {
    const maildrop = new Maildrop(parts);
    try {
      makeMaildrop(parts.folder, parts.spoolDir);
      announce(parts.folder, parts.announcement);
    } catch (error) {
      parts.log.warn({ path: parts.folder, reason: messageOf(error) }, 'no maildrop: sendmail keeps no mail');
      return maildrop;
    }
    maildrop.watch();
    maildrop.timer = setInterval(() => maildrop.look(), POLL);
    maildrop.timer.unref();
    maildrop.look();
    return maildrop;
  }

  /** Begins nothing more; resolves when what is under way is over. */
  async close(): Promise<void> {
    this.closed = true;
    this.watcher?.close();
    if (this.timer !== null) clearInterval(this.timer);
    await this.looking;
  }

  private watch(): void {
    try {
      this.watcher = watch(this.parts.folder, (_event, name) => {
        if (name === null || DROP_NAME.test(name)) this.look();
      });
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      // No watches left in the system: the poll finds what comes.
    }
  }

  private look(): void {
    if (this.closed) return;
    this.again = true;
    this.looking ??= this.lookAround().finally(() => {
      this.looking = null;
    });
  }

  private async lookAround(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false;
      try {
        const names = await this.names();
        let blocked = false;
        for (let at = 0; at < names.length && !blocked && !this.closed; at += LANES) {
          const fates = await Promise.all(names.slice(at, at + LANES).map((name) => this.take(name)));
          blocked = fates.includes('later');
        }
        if (names.length >= BATCH && !blocked) this.again = true;
      } catch (error) {
        this.tell('', messageOf(error), 'the maildrop cannot be read');
      }
    }
  }

  private async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of await opendir(this.parts.folder)) {
      if (entry.name === CORRUPT || entry.name === ANNOUNCEMENT) continue;
      names.push(entry.name);
      if (names.length >= BATCH) break;
    }
    return names;
  }

  private async take(name: string): Promise<DropFate['kind']> {
    const path = join(this.parts.folder, name);
    if (UNFINISHED_NAME.test(name)) return this.clean(path);
    if (!DROP_NAME.test(name)) return this.setAside(name, 'its name is not one of a message');
    let file: FileHandle | null = null;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const facts = await file.stat();
      if (!facts.isFile() || facts.nlink !== 1) return await this.setAside(name, 'it is not a file by itself');
      const fate = await this.parts.submit(file, facts.size);
      if (fate.kind === 'taken') {
        await unlink(path);
        this.parts.log.info({ queueId: fate.id, uid: facts.uid }, 'taken from the maildrop');
      } else if (fate.kind === 'wrong') await this.setAside(name, fate.reason, facts.uid);
      else this.tell(fate.reason, fate.reason, 'mail in the maildrop is not taken yet');
      return fate.kind;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return 'wrong';
      return this.setAside(name, messageOf(error));
    } finally {
      await file?.close();
    }
  }

  /** Who died while writing answered nobody that it is kept. */
  private async clean(path: string): Promise<DropFate['kind']> {
    const facts = await stat(path).catch(() => null);
    if (facts !== null && this.parts.now() - facts.mtimeMs > ABANDONED) await unlink(path).catch(() => {});
    return 'wrong';
  }

  private async setAside(name: string, reason: string, uid?: number): Promise<DropFate['kind']> {
    const { folder } = this.parts;
    const to = join(folder, CORRUPT, name);
    try {
      await rename(join(folder, name), to);
      this.parts.log.error({ file: to, uid, reason }, 'set aside: no message that can be taken from the maildrop');
    } catch (error) {
      this.tell(name, `${reason}; ${messageOf(error)}`, 'a file in the maildrop can neither be taken nor set aside');
    }
    return 'wrong';
  }

  private tell(key: string, reason: string, text: string): void {
    if (this.told.due(key, this.parts.now())) this.parts.log.warn({ path: this.parts.folder, reason }, text);
  }
}
