/**
 * What is known of every message of a demo run, in memory that the source, the sink and the main thread share.
 *
 * Contract: the source alone writes submissions, answers and refusals, the sink alone arrivals; the main thread reads
 * while they run only the counters, and the rest when they are done. Times are milliseconds of one monotonic clock.
 */

/** Recipients of one message at most. */
export const MAX_RECIPIENTS = 4;

const SUBMITTED = 0;
const ACKNOWLEDGED = 1;
const REFUSED = 2;
const ARRIVED = 3;
const SIGNED = 4;
const STOP = 5;
const COUNTERS = 6;

/** Milliseconds on a clock that all threads of this machine share. */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export class Ledger {
  readonly shared: SharedArrayBuffer;
  /** When MAIL was sent, 0: never. By message. */
  readonly submittedAt: Float64Array;
  /** When 250 for the content came, 0: never. By message. */
  readonly acknowledgedAt: Float64Array;
  /** When the sink had the message for the first time, 0: never. By message. */
  readonly arrivedAt: Float64Array;
  /** How often it arrived, by message * MAX_RECIPIENTS + recipient. */
  readonly arrivals: Uint8Array;
  private readonly counters: Int32Array;

  /** A new one for so many messages, or the one in `shared`. */
  constructor(messages: number, shared?: SharedArrayBuffer) {
    const times = messages * 8;
    const head = COUNTERS * 8;
    this.shared = shared ?? new SharedArrayBuffer(head + 3 * times + messages * MAX_RECIPIENTS);
    this.counters = new Int32Array(this.shared, 0, COUNTERS);
    this.submittedAt = new Float64Array(this.shared, head, messages);
    this.acknowledgedAt = new Float64Array(this.shared, head + times, messages);
    this.arrivedAt = new Float64Array(this.shared, head + 2 * times, messages);
    this.arrivals = new Uint8Array(this.shared, head + 3 * times, messages * MAX_RECIPIENTS);
  }

  get submitted(): number {
    return Atomics.load(this.counters, SUBMITTED);
  }

  get acknowledged(): number {
    return Atomics.load(this.counters, ACKNOWLEDGED);
  }

  get refused(): number {
    return Atomics.load(this.counters, REFUSED);
  }

  /** Transactions that the sink has answered. */
  get arrived(): number {
    return Atomics.load(this.counters, ARRIVED);
  }

  /** Those of them that began with a DKIM signature. */
  get signed(): number {
    return Atomics.load(this.counters, SIGNED);
  }

  /** The source is to begin no further message. */
  get stopped(): boolean {
    return Atomics.load(this.counters, STOP) !== 0;
  }

  stop(): void {
    Atomics.store(this.counters, STOP, 1);
  }

  submit(message: number): void {
    this.submittedAt[message] = monotonic();
    Atomics.add(this.counters, SUBMITTED, 1);
  }

  acknowledge(message: number): void {
    this.acknowledgedAt[message] = monotonic();
    Atomics.add(this.counters, ACKNOWLEDGED, 1);
  }

  refuse(): void {
    Atomics.add(this.counters, REFUSED, 1);
  }

  /** `recipients`: which of the message's recipients the transaction was for. */
  arrive(message: number, recipients: readonly number[], signed: boolean): void {
    if (this.arrivedAt[message] === 0) this.arrivedAt[message] = monotonic();
    for (const recipient of recipients) {
      const at = message * MAX_RECIPIENTS + recipient;
      if (this.arrivals[at]! < 255) this.arrivals[at] = this.arrivals[at]! + 1;
    }
    if (signed) Atomics.add(this.counters, SIGNED, 1);
    Atomics.add(this.counters, ARRIVED, 1);
  }
}
