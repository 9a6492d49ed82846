/**
 * The threads that prepare messages: piscina behind a promise of an answer for every message.
 *
 * A batch becomes as many tasks as threads can work on at once, none smaller than is worth a hop between threads. No
 * more tasks than threads are handed out, so that a task's deadline measures work and not waiting; what waits meanwhile
 * is put together. A thread that crashes
 * or is not done by the deadline is replaced and its messages are tried once more, each by itself: a message that does it
 * again fails alone. Everything is bounded: past `maxQueued` waiting messages a batch is refused at once.
 *
 * A configuration is for life: a reload makes a new pool and closes the old one, which finishes what it has.
 */
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import {
  type CapturedFields,
  FAILED,
  HAS_FIELDS,
  type PackedAnswer,
  PREPARE_STATUSES,
  type PrepareConfig,
  type PreparedMessage,
  type PrepareRequest,
  type PrepareWorkerData,
  TLS_OPTIONAL,
  WORDS_PER_MESSAGE,
} from '../../workers/contract.js';
import { messageOf, SluiceError } from '../core/errors.js';

export interface PreparePoolOptions {
  readonly threads: number;
  readonly shared: SharedArrayBuffer;
  readonly segmentSize: number;
  readonly config: PrepareConfig;
  /** Milliseconds a task may take; default 30,000. */
  readonly deadline?: number;
  /** Messages that may wait for a thread; default 10,000. */
  readonly maxQueued?: number;
  /** Told of each lost thread, for the log. */
  readonly onThreadLost?: (reason: string) => void;
  /** Another worker file, for tests of failure. */
  readonly workerFile?: string;
}

/** One message's answer: an error has code `prepare-failed` and is temporary (451). */
export type PrepareResult = PreparedMessage | SluiceError;

interface Task {
  readonly requests: readonly PrepareRequest[];
  /** The second try: of one message. */
  readonly again: boolean;
  readonly done: (results: PrepareResult[]) => void;
}

/** A hop costs the main thread about as much as signing a few messages with Ed25519. */
const MIN_TASK = 4;
/** Larger tasks save nothing more and delay the batch's first message. */
const MAX_TASK = 32;

function failed(why: string, cause?: unknown): SluiceError {
  return new SluiceError('prepare-failed', `message could not be prepared: ${why}`, { temporary: true, cause });
}

/**
 * The compiled file of a worker, by its path from the project's root without `dist`. Works from the build and from
 * sources that a test runner loads, which needs the build too.
 * @throws SluiceError `worker-missing`.
 */
export function builtWorkerFile(path: string): string {
  const root = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../';
  const file = fileURLToPath(new URL(root + path, import.meta.url));
  if (existsSync(file)) return file;
  throw new SluiceError('worker-missing', `${file} does not exist; run: npm run build`, { temporary: false });
}

export class PreparePool {
  private readonly piscina: Piscina<readonly PrepareRequest[], PackedAnswer>;
  private readonly threads: number;
  private readonly deadline: number;
  private readonly maxQueued: number;
  private readonly onThreadLost: (reason: string) => void;
  private readonly waiting: Task[] = [];
  private queued = 0;
  private running = 0;
  private closing = false;
  private idle: (() => void) | undefined;

  constructor(options: PreparePoolOptions) {
    this.threads = Math.max(1, options.threads);
    this.deadline = options.deadline ?? 30_000;
    this.maxQueued = options.maxQueued ?? 10_000;
    this.onThreadLost = options.onThreadLost ?? (() => {});
    const workerData: PrepareWorkerData = {
      shared: options.shared,
      segmentSize: options.segmentSize,
      config: options.config,
    };
    this.piscina = new Piscina({
      filename: options.workerFile ?? builtWorkerFile('workers/prepare-message.js'),
      minThreads: this.threads,
      maxThreads: this.threads,
      // Only while threads are being replaced does anything wait in there.
      maxQueue: this.threads * 2,
      recordTiming: false,
      workerData,
    });
    // A thread that dies while it has no task.
    this.piscina.on('error', (error: unknown) => this.onThreadLost(messageOf(error)));
  }

  /** Messages that wait for a thread. */
  get queueSize(): number {
    return this.queued;
  }

  /**
   * Prepares a batch; answers in its order. The segments must stay leased until the promise settles.
   * Rejects with `prepare-failed` (temporary) when too much is waiting or the pool is closed.
   */
  prepare(batch: readonly PrepareRequest[]): Promise<PrepareResult[]> {
    if (this.closing) return Promise.reject(failed('the pool is closed'));
    if (this.queued + batch.length > this.maxQueued && this.queued > 0) {
      return Promise.reject(failed(`${this.queued} messages wait for a thread already`));
    }
    if (batch.length === 0) return Promise.resolve([]);
    const size = Math.min(MAX_TASK, Math.max(MIN_TASK, Math.ceil(batch.length / this.threads)));
    return new Promise((resolve) => {
      const results: PrepareResult[] = new Array(batch.length);
      let missing = batch.length;
      for (let from = 0; from < batch.length; from += size) {
        const requests = size >= batch.length ? batch : batch.slice(from, from + size);
        const done = (part: PrepareResult[]) => {
          for (let i = 0; i < part.length; i++) results[from + i] = part[i]!;
          missing -= part.length;
          if (missing === 0) resolve(results);
        };
        this.enqueue({ requests, again: false, done });
      }
    });
  }

  /** Resolves when every thread has begun to work, so that the first messages need not wait for that. Never rejects. */
  async ready(): Promise<void> {
    await Promise.allSettled(Array.from({ length: this.threads }, () => this.piscina.run([])));
  }

  /** Takes nothing more, finishes what it has, ends the threads. */
  async close(): Promise<void> {
    this.closing = true;
    if (this.running > 0 || this.waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.idle = resolve;
      });
    }
    await this.piscina.destroy();
  }

  private enqueue(task: Task): void {
    if (this.running < this.threads) {
      this.run(task);
      return;
    }
    this.waiting.push(task);
    this.queued += task.requests.length;
  }

  private run(task: Task): void {
    this.running++;
    const signal = new EventEmitter();
    const timer = setTimeout(() => signal.emit('abort'), this.deadline);
    this.piscina.run(task.requests, { signal }).then(
      (answer) => {
        clearTimeout(timer);
        this.settle(task, unpack(answer, task.requests.length));
      },
      (error: unknown) => {
        clearTimeout(timer);
        const late = error instanceof Error && error.name === 'AbortError';
        const why = late ? `a thread was not done after ${this.deadline} ms` : messageOf(error);
        this.onThreadLost(why);
        this.retry(task, failed(why, error));
      },
    );
  }

  private settle(task: Task, results: PrepareResult[]): void {
    this.next();
    task.done(results);
  }

  private retry(task: Task, error: SluiceError): void {
    if (task.again) {
      this.settle(task, [error]);
      return;
    }
    // What failed goes in front: its clients have waited longest.
    const results: PrepareResult[] = new Array(task.requests.length);
    let missing = results.length;
    const singles = task.requests.map((request, index): Task => {
      const done = (part: PrepareResult[]) => {
        results[index] = part[0]!;
        missing--;
        if (missing === 0) task.done(results);
      };
      return { requests: [request], again: true, done };
    });
    this.waiting.unshift(...singles);
    this.queued += singles.length;
    this.next();
  }

  /** After a task: the next one. */
  private next(): void {
    this.running--;
    while (this.running < this.threads && this.waiting.length > 0) {
      this.run(this.takeWaiting());
    }
    if (this.running === 0) this.idle?.();
  }

  /** The next task: first tries that wait together become one, as far as that leaves work for the other threads. */
  private takeWaiting(): Task {
    const share = Math.min(MAX_TASK, Math.max(MIN_TASK, Math.ceil(this.queued / this.threads)));
    const first = this.waiting.shift()!;
    const tasks = [first];
    let count = first.requests.length;
    for (let next = this.waiting[0]; !first.again && next !== undefined && !next.again; next = this.waiting[0]) {
      if (count + next.requests.length > share) break;
      tasks.push(next);
      count += next.requests.length;
      this.waiting.shift();
    }
    this.queued -= count;
    return tasks.length === 1 ? first : together(tasks);
  }
}

/** Several tasks as one. */
function together(tasks: readonly Task[]): Task {
  return {
    requests: tasks.flatMap((task) => task.requests),
    again: false,
    done(results) {
      let from = 0;
      for (const task of tasks) {
        task.done(results.slice(from, from + task.requests.length));
        from += task.requests.length;
      }
    },
  };
}

/** Takes an answer apart; headers are views of it. */
function unpack(answer: PackedAnswer, count: number): PrepareResult[] {
  const words = new Uint32Array(answer.buffer, answer.byteOffset, count * WORDS_PER_MESSAGE);
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  const results: PrepareResult[] = [];
  let at = words.byteLength;
  for (let i = 0; i < words.length; i += WORDS_PER_MESSAGE) {
    const word = words[i]!;
    const header = bytes.subarray(at, at + words[i + 1]!);
    at += header.length;
    const resumeAt = words[i + 2]!;
    const status = PREPARE_STATUSES[word & ~(TLS_OPTIONAL | HAS_FIELDS)];
    const tlsOptional = (word & TLS_OPTIONAL) !== 0;
    if (word === FAILED || status === undefined) results.push(failed(header.toString()));
    else if ((word & HAS_FIELDS) === 0) results.push({ status, header, resumeAt, tlsOptional });
    else {
      const end = at + 4 + bytes.readUInt32LE(at);
      const fields = JSON.parse(bytes.toString('utf8', at + 4, end)) as CapturedFields;
      at = end;
      results.push({ status, header, resumeAt, tlsOptional, fields });
    }
  }
  return results;
}
