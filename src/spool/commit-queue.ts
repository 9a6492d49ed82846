/**
 * Group commit.
 *
 * Contract: exactly one transaction is in flight. What is submitted while none is goes straight to lmdb, which closes the
 * transaction at the end of this turn of the event loop; what is submitted while one is in flight makes up the next one.
 * So everything that became ready together shares one flush, and a lone message waits for nothing.
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
  /** The promise of its first put or remove; undefined when it has none. */
  write(): Promise<boolean> | undefined;
  done?(): void;
  failed?(error: SluiceError): void;
}

export interface CommitQueueOptions {
  /** Pause after a commit while more than one piece of work waits, ms; 0: none. */
  readonly gather: number;
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

/** How long to wait for lmdb's own description of a failed commit, ms. */
const DESCRIPTION_DEADLINE = 1_000;

export class CommitQueue {
  /** Commits made durable since start. */
  commits = 0;
  private readonly options: CommitQueueOptions;
  /** `idle`: nothing given to lmdb; `open`: this turn's transaction still takes work; `busy`: it does not. */
  private phase: 'idle' | 'open' | 'busy' = 'idle';
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
    // lmdb calls this right before it closes the transaction of this turn.
    const { environment } = tables;
    const ignore = (): void => {};
    environment.on('beforecommit', () => {
      if (this.phase === 'open') this.phase = 'busy';
      // Closing, lmdb makes one more promise for the same commit and drops it; its rejection would end the process.
      process.nextTick(() => environment.committed.then(ignore, ignore));
    });
  }

  /** The failure that stopped the store, null while it works. */
  get failure(): SluiceError | null {
    return this.fatal;
  }

  /** Pieces of work that wait for a later commit than the one under way. */
  get waiting(): number {
    return this.next.length + this.rest.length;
  }

  /** Adds work to the open transaction or to the next one. */
  submit(work: Work): void {
    if (this.fatal !== null) {
      work.failed?.(this.fatal);
      return;
    }
    if (this.phase === 'busy') this.next.push(work);
    else if (this.phase === 'open') {
      this.current.push(work);
      work.write();
    } else this.begin([work]);
  }

  /** Resolves when everything submitted so far is durable, or the store has failed. */
  flush(): Promise<void> {
    if (this.phase === 'idle' || this.fatal !== null) return Promise.resolve();
    return new Promise((resolve) => {
      // Settlements keep their order, so a settlement that does nothing is reached when all before it are durable.
      const end: Work = { settlement: true, id: 0, write: () => undefined, done: resolve, failed: () => resolve() };
      if (this.phase === 'busy') this.next.push(end);
      else this.current.push(end);
    });
  }

  /** Whether a settlement of this message is not yet durable. */
  hasPending(id: number): boolean {
    const settles = (work: Work): boolean => work.id === id;
    return this.phase !== 'idle' && (this.current.some(settles) || this.rest.some(settles) || this.next.some(settles));
  }

  /** `closed`: nothing more may join this transaction. */
  private begin(batch: Work[], closed = false): void {
    this.current = batch;
    this.phase = 'open';
    // Every write of a turn shares one promise: committed, and synced where durability is 'fsync'.
    let committed: Promise<boolean> | undefined;
    for (const work of batch) {
      const promise = work.write();
      committed ??= promise;
    }
    if (committed === undefined) {
      this.succeeded();
      return;
    }
    if (closed) this.phase = 'busy';
    committed.then(
      () => {
        this.commits += 1;
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
    this.phase = 'idle';
    const next = this.next;
    if (next.length === 0) return;
    if (this.options.gather > 0 && next.length > 1) {
      this.phase = 'busy';
      setTimeout(() => this.beginNext(), this.options.gather);
    } else this.beginNext();
  }

  private beginNext(): void {
    const next = this.next;
    this.next = [];
    this.begin(next);
  }

  private async aborted(error: unknown): Promise<void> {
    this.phase = 'busy';
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
    this.begin(settlements.slice(0, slice), true);
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
    this.phase = 'idle';
    clearTimeout(this.retryTimer);
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
