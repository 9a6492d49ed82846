/**
 * Where log lines go: a file descriptor or a file that rotates (log-file.ts), written in the background.
 *
 * Contract: `write` never blocks, throws or grows without bound. Lines are gathered and written in one go after
 * `delay`, or once `chunk` characters are there. An output that is stuck or failing (a pipe nobody reads, EPIPE, a full
 * disk) costs lines, which are counted, never mail: past `limit` characters new lines are dropped, and when the output
 * takes bytes again one line made by `lostLine` says how many are missing.
 * Limits: pipes, terminals and a socket as standard output are written without blocking where the system allows it
 * (/proc), so that a stuck reader holds no thread of the pool that disk writes need, nor the exit of the process;
 * elsewhere a stuck output holds one such thread.
 */
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** A file that may become another between blocks. */
export interface LogOutput {
  readonly fd: number;
  /** Before a block of so many bytes: null when it can be written at once, else when it resolves. */
  ready(bytes: number): Promise<void> | null;
  /** The block is over; so many bytes of it were written. */
  done(bytes: number): void;
}

export interface LogWriterOptions {
  /** A descriptor, or what gives one for each block. */
  readonly output: number | LogOutput;
  /** Longest wait of a line, ms. */
  readonly delay: number;
  /** Characters gathered at which a write begins at once. */
  readonly chunk: number;
  /** Characters kept at most while the output is stuck. */
  readonly limit: number;
  /** The line that says how many lines were dropped, with its line end. */
  readonly lostLine: (lines: number) => string;
}

/** Wait before writing again to an output that took nothing, ms. */
const STUCK_WAIT = 50;
/** Wait before writing again to an output that failed, ms: there is little hope and no hurry. */
const FAILED_WAIT = 1000;
const LINE_END = 10;
const STDOUT = 1;

/**
 * A descriptor that does not block: the same pipe or terminal opened anew (its other users keep theirs as it is), `fd`
 * itself for files and where nothing better can be had.
 */
function withoutBlocking(fd: number): number {
  try {
    const kind = fstatSync(fd);
    // A socket cannot be opened anew; node makes the one of standard output non-blocking when its stream is made.
    if (kind.isSocket() && fd === STDOUT) process.stdout.on('error', () => undefined);
    if (!kind.isFIFO() && !isatty(fd)) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

function countLines(bytes: Uint8Array, from: number): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_END, from); at >= 0; at = bytes.indexOf(LINE_END, at + 1)) lines++;
  return lines;
}

export class LogWriter {
  private readonly options: LogWriterOptions;
  private readonly file: LogOutput | null;
  private readonly ownFd: number;
  private gathered = '';
  private writing: Buffer | null = null;
  /** Bytes of `writing` that the output has taken. */
  private taken = 0;
  private timer: NodeJS.Timeout | null = null;
  private soon = false;
  private inWrite = false;
  /** The output failed a moment ago and is left alone until the timer. */
  private resting = false;
  /** Dropped lines that no line has told of yet. */
  private lost = 0;
  /** Dropped lines that the block being written tells of. */
  private announced = 0;
  private lostInAll = 0;
  /** The output's last byte may be inside of a line. */
  private torn = false;
  private waiting: Array<() => void> = [];
  private closed = false;

  constructor(options: LogWriterOptions) {
    this.options = options;
    const { output } = options;
    this.file = typeof output === 'number' ? null : output;
    this.ownFd = typeof output === 'number' ? withoutBlocking(output) : -1;
  }

  private get fd(): number {
    return this.file === null ? this.ownFd : this.file.fd;
  }

  /** Lines dropped since the start. */
  get dropped(): number {
    return this.lostInAll;
  }

  /** Takes one line that ends in a line end. */
  write(line: string): void {
    const { options } = this;
    const held = this.gathered.length + (this.writing === null ? 0 : this.writing.length);
    if (held + line.length > options.limit || this.closed) {
      this.lose(1);
      return;
    }
    this.gathered += line;
    if (this.writing !== null || this.resting) return;
    if (this.gathered.length >= options.chunk) this.begin();
    else if (this.timer === null) this.arm(options.delay);
  }

  /** Writes what is gathered at the end of this turn instead of after the delay. */
  hurry(): void {
    if (this.soon) return;
    this.soon = true;
    setImmediate(() => {
      this.soon = false;
      if (this.writing === null && !this.resting) this.begin();
    });
  }

  /** Resolves when everything given so far is written, when the output fails, or after `wait` ms. */
  flush(wait: number): Promise<void> {
    if (this.resting || (this.writing === null && this.gathered === '')) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = setTimeout(resolve, wait);
      this.waiting.push(() => {
        clearTimeout(deadline);
        resolve();
      });
      if (this.writing === null) this.begin();
    });
  }

  /** For the exit of the process: one last try to write what is left, without waiting for a stuck output. */
  flushSync(): void {
    // While a background write runs, what it has taken is unknown: writing it again would double lines.
    const ours = this.inWrite ? null : this.writing;
    const head = ours === null ? '' : ours.toString('utf8', this.taken);
    const rest = Buffer.from(head + this.gathered);
    this.gathered = '';
    if (!this.inWrite) this.writing = null;
    try {
      for (let at = 0; at < rest.length; ) at += writeSync(this.fd, rest, at);
    } catch {
      // Stuck or gone; the process is ending.
    }
  }

  /** Flushes for at most `wait` ms; lines given afterwards are dropped. */
  async close(wait: number): Promise<void> {
    await this.flush(wait);
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.file === null && this.ownFd !== this.options.output && !this.inWrite) closeSync(this.ownFd);
  }

  private lose(lines: number): void {
    this.lost += lines;
    this.lostInAll += lines;
  }

  private arm(wait: number): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      this.resting = false;
      if (this.writing === null) this.begin();
      else this.continue();
    }, wait);
    // A line that waits must not keep a finished process alive: the exit handler writes it.
    this.timer.unref();
  }

  private begin(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.gathered === '') {
      this.settle();
      return;
    }
    this.announced = this.lost;
    const missing = this.lost > 0 ? this.options.lostLine(this.lost) : '';
    this.lost = 0;
    this.writing = Buffer.from((this.torn ? '\n' : '') + missing + this.gathered);
    this.gathered = '';
    this.taken = 0;
    const wait = this.file === null ? null : this.file.ready(this.writing.length);
    if (wait === null) this.continue();
    else wait.finally(() => this.continue()).catch(() => undefined);
  }

  /** Everything that waited for a flush goes on. */
  private settle(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const done of waiting) done();
  }

  private continue(): void {
    const bytes = this.writing;
    if (bytes === null || this.closed) return;
    this.inWrite = true;
    write(this.fd, bytes, this.taken, bytes.length - this.taken, null, (error, count) => {
      this.inWrite = false;
      if (error === null) this.advance(bytes, count);
      else if (error.code === 'EAGAIN' || error.code === 'EINTR') this.arm(STUCK_WAIT);
      else this.fail(bytes);
    });
  }

  /** The output took `count` more bytes. */
  private advance(bytes: Buffer, count: number): void {
    this.taken += count;
    if (this.taken < bytes.length) {
      this.continue();
      return;
    }
    this.torn = false;
    this.writing = null;
    this.file?.done(bytes.length);
    if (this.gathered.length >= this.options.chunk || this.waiting.length > 0) this.begin();
    else if (this.gathered !== '' && this.timer === null) this.arm(this.options.delay);
  }

  /** The output failed: what it did not take is lost, and it is left alone for a while. */
  private fail(bytes: Buffer): void {
    const lines = countLines(bytes, this.taken) - (this.torn ? 1 : 0);
    this.lose(this.announced > 0 ? lines - 1 : lines);
    this.lost += this.announced;
    if (this.taken > 0) this.torn = bytes[this.taken - 1] !== LINE_END;
    this.writing = null;
    this.file?.done(this.taken);
    this.resting = true;
    this.settle();
    if (!this.closed) this.arm(FAILED_WAIT);
  }
}
