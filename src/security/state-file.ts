/**
 * A small JSON file that keeps what is known over restarts: policies, results for reports.
 *
 * Contract: what was read is what one `write` wrote, never a mixture (written aside, flushed, renamed). A file that is
 * absent reads as null; one that is damaged or too large too, with a warning: it is worth less than a start. Writes are
 * gathered: `changed` writes within DELAY, at most once in that time; `close` writes what is left.
 */
import { type FileHandle, open, readFile, rename, stat } from 'node:fs/promises';
import { messageOf } from '../core/errors.js';

export interface StateFileOptions {
  readonly path: string;
  /** The content to be written, JSON. */
  snapshot(): unknown;
  warn(fields: Record<string, unknown>, line: string): void;
  /** Time in which changes are gathered, ms. */
  readonly delay?: number;
}

/** A larger file is not ours. */
const MAX_SIZE = 256 * 1024 * 1024;
const DELAY = 5000;

export class StateFile {
  private readonly options: StateFileOptions;
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: StateFileOptions) {
    this.options = options;
  }

  /** What the file holds, null when there is nothing of use. Never rejects. */
  async read(): Promise<unknown> {
    const { path, warn } = this.options;
    try {
      if ((await stat(path)).size > MAX_SIZE) throw new Error('it is too large');
      const found: unknown = JSON.parse(await readFile(path, 'utf8'));
      return found;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        warn({ path, reason: messageOf(error) }, 'a file of remembered state is damaged and was ignored');
      return null;
    }
  }

  /** The content changed: it is written soon. */
  changed(): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => void this.write(), this.options.delay ?? DELAY);
    this.timer.unref();
  }

  /** Writes what is not written yet. Never rejects. */
  async close(): Promise<void> {
    if (this.timer !== null) await this.write();
    await this.writing;
  }

  private write(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const { path, warn } = this.options;
    this.writing = this.writing
      .then(() => writeAside(path, JSON.stringify(this.options.snapshot())))
      .catch((error: unknown) => warn({ path, reason: messageOf(error) }, 'remembered state could not be written'));
    return this.writing;
  }
}

async function writeAside(path: string, text: string): Promise<void> {
  const aside = `${path}.new`;
  let file: FileHandle | undefined;
  try {
    file = await open(aside, 'w', 0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file?.close();
  }
  await rename(aside, path);
}
