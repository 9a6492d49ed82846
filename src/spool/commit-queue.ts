/**
 * Group commit.
 *
 * Contract: exactly one transaction is in flight, and what is submitted meanwhile makes up the next one, which begins the
 * moment the one before it is done. While none is in flight a store begins one at once, with every settlement that waits;
 * settlements alone wait for the end of the turn. So everything that became ready together shares one flush, and a lone
 * message waits for nothing.
 *
 * lmdb is made to start writing at once: by itself it waits for the end of the turn, in which a commit under load would
 * lose the time that the answers to the commit before it take (a third of the cycle).
 *
 * Failures: lmdb aborts a transaction that fails and changes nothing. Where the store is full, the stores of the batch
 * are rejected and its settlements (removals and deferrals, which are idempotent) are tried again alone, at once and then
 * with growing pauses. Any other failure is fatal: after a failed sync nothing may be tried again and acknowledged, and
 * lmdb itself stands still after a failed write of its meta page, so no further write is given to it.
 */
import { messageOf, SluiceError } from '../core/errors.js';
import type { Tables } from './tables.js';

/** One unit of work: `write` calls put and remove on the tables, synchronously, and may be called again after a failure. */
export interface Work {
  /** A settlement is never dropped while the store lives; other work is rejected when the store is full. */
  readonly settlement: boolean;
  /** The message that a settlement is about, 0 when none. */
  readonly id: number;
  /** Anything but undefined when it has put or removed something. */
  write(): Promise<boolean> | undefined;
  done?(): void;
  failed?(error: SluiceError): void;
}

export interface CommitQueueOptions {
  /** Whether a failed commit is due to a full store. */
  isFull(error: unknown): Promise<boolean>;
  /** The store can no longer write. Called once. */
  onFatal(error: SluiceError): void;
}

/** Pauses between attempts to commit settlements on a full store, ms. */
const RETRY_FIRST = 50;
const RETRY_LONGEST = 2_000;

/** By how much a failed slice of settlements is made smaller. */
const SHRINK = 8;

/** Work with which the next transaction begins at once; less waits for what the rest of the turn brings. */
const WORTH_STARTING = 8;

/** A key that nothing is stored under. */
const NO_KEY = 'none';

/** How long to wait for lmdb's own description of a failed commit, ms. */
const DESCRIPTION_DEADLINE = 1_000;

export class CommitQueue {
  /** Commits made durable since start. */
  commits = 0;
  private readonly options: CommitQueueOptions;
  private readonly tables: Tables;
  /** A transaction is in flight, or waits to be tried again. */
  private busy = false;
  private endOfTurn: NodeJS.Immediate | undefined;
  /** A transaction begins as soon as the present call is over. */
  private beginning = false;
  private current: Work[] = [];
  private next: Work[] = [];
  /** Settlements of a failed commit that wait for the slices before them. */
  private rest: Work[] = [];
  private slice = 0;
  private retryPause = 0;
  private retryTimer: NodeJS.Timeout | undefined;
  private fatal: SluiceError | null = null;

  constructor(tables: Tables, options: CommitQueueOptions) {
    this.options = options;
    this.tables = tables;
  }

  /** The failure that stopped the store, null while it works. */
  get failure(): SluiceError | null {
    return this.fatal;
  }

  /** Pieces of work that wait for a later commit than the one under way. */
  get waiting(): number {
    return this.next.length + this.rest.length;
  }

  /** Adds work to the next transaction. */
  submit(work: Work): void {
    if (this.fatal !== null) {
      work.failed?.(this.fatal);
      return;
    }
    this.next.push(work);
    if (this.busy) return;
    if (work.settlement) this.endOfTurn ??= setImmediate(this.beginIfIdle);
    else if (!this.beginning) {
      this.beginning = true;
      // Stores of one call after the other share it.
      queueMicrotask(this.beginIfIdle);
    }
  }

  /** Resolves when everything submitted so far is durable, or the store has failed. */
  flush(): Promise<void> {
    if ((!this.busy && this.next.length === 0) || this.fatal !== null) return Promise.resolve();
    return new Promise((resolve) => {
      // Settlements keep their order, so a settlement that does nothing is reached when all before it are durable.
      this.submit({ settlement: true, id: 0, write: () => undefined, done: resolve, failed: () => resolve() });
    });
  }

  /** Whether a settlement of this message is not yet durable. */
  hasPending(id: number): boolean {
    const settles = (work: Work): boolean => work.id === id;
    return this.current.some(settles) || this.rest.some(settles) || this.next.some(settles);
  }

  private begin(batch: Work[]): void {
    const { environment, meta } = this.tables;
    this.current = batch;
    this.busy = true;
    let writes = false;
    // The first write of a transaction makes lmdb wait for the end of the turn, any further one makes it start. The batch
    // keeps the transaction open until all of it is there.
    void meta.remove(NO_KEY);
    const committed = environment.batch(() => {
      for (const work of batch) if (work.write() !== undefined) writes = true;
    });
    committed.then(
      () => {
        if (writes) this.commits += 1;
        this.succeeded();
      },
      (error: unknown) => void this.aborted(error),
    );
  }

  private succeeded(): void {
    const batch = this.current;
    this.retryPause = 0;
    if (this.rest.length > 0) this.settle(this.rest, this.slice * 2);
    else this.advance();
    for (const work of batch) work.done?.();
  }

  private advance(): void {
    this.current = [];
    this.busy = false;
    const { next } = this;
    if (next.length >= WORTH_STARTING) this.beginNext();
    else if (next.length > 0) this.endOfTurn ??= setImmediate(this.beginIfIdle);
  }

  private readonly beginIfIdle = (): void => {
    this.beginning = false;
    if (!this.busy) this.beginNext();
  };

  private beginNext(): void {
    clearImmediate(this.endOfTurn);
    this.endOfTurn = undefined;
    if (this.fatal !== null) return;
    const { next } = this;
    this.next = [];
    if (next.length > 0) this.begin(next);
    else this.busy = false;
  }

  private async aborted(error: unknown): Promise<void> {
    const cause = await describe(error);
    const full = await this.options.isFull(cause);
    const batch = this.current;
    if (!full) {
      this.stop(batch, cause);
      return;
    }
    const refused = new SluiceError('spool-full', 'the spool has no room for the message', { temporary: true, cause });
    const settlements = batch.filter((work) => work.settlement);
    for (const work of batch) if (!work.settlement) work.failed?.(refused);
    const all = [...settlements, ...this.rest];
    // Settlements go first and alone, in ever smaller slices: one needs few pages and frees many.
    if (all.length === 0) this.advance();
    else if (settlements.length < batch.length) this.settle(all, all.length);
    else if (settlements.length > 1) this.settle(all, Math.ceil(settlements.length / SHRINK));
    else this.pause(all, refused);
  }

  /** Commits the first `slice` of the settlements, and the others after them. */
  private settle(settlements: Work[], slice: number): void {
    this.slice = slice;
    this.rest = settlements.slice(slice);
    this.begin(settlements.slice(0, slice));
  }

  /** Not even one settlement went through: waits, and refuses the stores that have been waiting for it. */
  private pause(settlements: Work[], refused: SluiceError): void {
    const waiting = this.next;
    this.next = waiting.filter((work) => work.settlement);
    for (const work of waiting) if (!work.settlement) work.failed?.(refused);
    this.rest = settlements;
    this.current = [];
    this.retryPause = this.retryPause === 0 ? RETRY_FIRST : Math.min(this.retryPause * 2, RETRY_LONGEST);
    this.retryTimer = setTimeout(() => this.settle(settlements, 1), this.retryPause);
  }

  private stop(batch: readonly Work[], cause: unknown): void {
    const failure = new SluiceError('spool-failed', `the spool cannot be written: ${messageOf(cause)}`, {
      temporary: true,
      cause,
    });
    this.fatal = failure;
    this.busy = false;
    this.current = [];
    clearTimeout(this.retryTimer);
    clearImmediate(this.endOfTurn);
    const all = [...batch, ...this.rest.splice(0), ...this.next.splice(0)];
    for (const work of all) work.failed?.(failure);
    this.options.onFatal(failure);
  }
}

/** The error behind lmdb's "Commit failed (see commitError for details)". */
async function describe(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  const described = Promise.resolve(error.commitError).then(
    () => error,
    (detail: unknown) => detail,
  );
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => resolve(error), DESCRIPTION_DEADLINE);
  });
  const cause = await Promise.race([described, deadline]);
  clearTimeout(timer);
  return cause;
}
