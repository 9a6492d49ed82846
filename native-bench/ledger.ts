/**
 * Purpose: the driver's side of the ledger in shared memory that source and sink write (see bench.h).
 * Contract: createLedger() makes the file; summary() reads a range of ids. Times inside are CLOCK_MONOTONIC nanoseconds.
 * Limits: the layout is that of struct ledger_header and struct record in bench.h: change both together.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const headerBytes = 4096;
const recordBytes = 32;

/** What the source and the sink have counted so far, over all ids. */
export interface LedgerCounters {
  readonly accepted: number;
  readonly delivered: number;
  readonly duplicates: number;
  readonly tempfailed: number;
  readonly foreign: number;
}

/** What became of a range of ids. Latencies are milliseconds. */
export interface LedgerSummary {
  readonly accepted: number;
  /** Ids that arrived, whether the source has read the 250 or not. */
  readonly delivered: number;
  /** Accepted, but not arrived. */
  readonly lost: number;
  readonly duplicates: number;
  /** From the first submission to the last acceptance, seconds. */
  readonly acceptSeconds: number;
  /** From the first submission to the last arrival, seconds. */
  readonly deliverSeconds: number;
  /** Submission (MAIL is sent) to arrival (the sink has the whole message). */
  readonly arrival: Percentiles;
  /** Submission to the reply to the final dot. */
  readonly acceptance: Percentiles;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest-rank percentiles of unsorted values (which are sorted in place); zeros where there are none. */
export function percentiles(values: Float64Array): Percentiles {
  values.sort();
  const rank = (percent: number) => values[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)] ?? 0;
  return { p50: rank(50), p99: rank(99), max: values[values.length - 1] ?? 0 };
}

export class Ledger {
  readonly path: string;
  private readonly file: number;

  constructor(
    name: string,
    readonly capacity: number,
  ) {
    const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.path = join(folder, `sluice-bench-${process.pid}-${name}`);
    this.file = openSync(this.path, 'w+', 0o600);
    ftruncateSync(this.file, headerBytes + recordBytes * capacity);
    const first = Buffer.alloc(8);
    first.writeBigUInt64LE(BigInt(capacity));
    writeSync(this.file, first, 0, 8, 0);
  }

  counters(): LedgerCounters {
    const page = Buffer.alloc(56);
    readSync(this.file, page, 0, page.length, 0);
    const word = (index: number) => Number(page.readBigUInt64LE(index * 8));
    return { accepted: word(1), delivered: word(2), duplicates: word(3), tempfailed: word(4), foreign: word(5) };
  }

  /** Reads the ids from `first` on, `length` of them. */
  summary(first: number, length: number): LedgerSummary {
    const bytes = Buffer.alloc(length * recordBytes);
    readSync(this.file, bytes, 0, bytes.length, headerBytes + (first - 1) * recordBytes);
    const time = (at: number) => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    const arrivals: number[] = [];
    const acceptances: number[] = [];
    let lost = 0;
    let duplicates = 0;
    let firstSent = Number.POSITIVE_INFINITY;
    let lastAccepted = 0;
    let lastArrived = 0;
    for (let at = 0; at < bytes.length; at += recordBytes) {
      const sent = time(at);
      const accepted = time(at + 8);
      const arrived = time(at + 16);
      const deliveries = bytes.readUInt32LE(at + 24);
      if (sent === 0) continue;
      firstSent = Math.min(firstSent, sent);
      if (accepted > 0) {
        acceptances.push((accepted - sent) / 1e6);
        lastAccepted = Math.max(lastAccepted, accepted);
        if (deliveries === 0) lost++;
      }
      if (deliveries > 0) {
        arrivals.push((arrived - sent) / 1e6);
        lastArrived = Math.max(lastArrived, arrived);
        duplicates += deliveries - 1;
      }
    }
    return {
      accepted: acceptances.length,
      delivered: arrivals.length,
      lost,
      duplicates,
      acceptSeconds: Math.max(0, lastAccepted - firstSent) / 1e9,
      deliverSeconds: Math.max(0, lastArrived - firstSent) / 1e9,
      arrival: percentiles(Float64Array.from(arrivals)),
      acceptance: percentiles(Float64Array.from(acceptances)),
    };
  }

  close(): void {
    closeSync(this.file);
    rmSync(this.path, { force: true });
  }
}
