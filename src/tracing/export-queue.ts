/**
 * Spans on their way to a collector: batched, bounded, never waited for.
 *
 * Contract: `put` never throws or waits. One batch is under way at a time; what does not fit meanwhile is dropped and
 * counted. A collector that fails is told of once, and once when it takes spans again. `close` gives what is left a limit.
 */

export interface ExportLog {
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
}

/** Spans that wait at most: some MB. */
const MAX_WAITING = 8192;
/** Of one request. */
const MAX_BATCH = 512;
/** A batch that is not full waits so long, ms. */
const DELAY = 2000;
/** For the last batches at the end, ms. */
const LAST = 2000;

export class ExportQueue<T> {
  /** Items lost since the start. */
  lost = 0;
  private waiting: T[] = [];
  private sending: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private failing = false;
  private readonly send: (batch: readonly T[]) => Promise<void>;
  private readonly log: ExportLog;

  /** `send` rejects with words on why a batch was not taken; it must settle. */
  constructor(send: (batch: readonly T[]) => Promise<void>, log: ExportLog) {
    this.send = send;
    this.log = log;
  }

  put(item: T): void {
    if (this.waiting.length >= MAX_WAITING) {
      this.lost++;
      return;
    }
    this.waiting.push(item);
    if (this.sending !== null) return;
    if (this.waiting.length >= MAX_BATCH) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), DELAY).unref();
  }

  /** Sends what waits, as far as there is time. */
  async close(): Promise<void> {
    this.flush();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST);
    });
    await Promise.race([this.sending ?? Promise.resolve(), limit]);
    clearTimeout(timer);
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.waiting.length > 0) this.sending ??= this.sendAll();
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MAX_BATCH);
      try {
        await this.send(batch);
        if (this.failing) this.log.info({ lost: this.lost }, 'the collector takes traces again');
        this.failing = false;
      } catch (error) {
        this.lost += batch.length;
        if (!this.failing)
          this.log.warn(
            { reason: error instanceof Error ? error.message : String(error) },
            'the collector does not take traces: they are lost, mail flows',
          );
        this.failing = true;
        // What came meanwhile waits for its time.
        break;
      }
    }
    this.sending = null;
    if (this.waiting.length > 0) this.timer ??= setTimeout(() => this.flush(), DELAY).unref();
  }
}
