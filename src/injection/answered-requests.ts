/**
 * Which requests were answered 202 before, by tenant and idempotency key, so that one that is sent again is not taken
 * again (draft-ietf-httpapi-idempotency-key-header-07).
 *
 * A row is written by the commit that makes its message durable: a crash leaves both or none. Rows lie under the period
 * of their making, and live through the next one: a key counts for `lifetime` at least and twice that at most, and what is
 * over lies in front of the table, where the sweep finds it. `most` rows: past that no request with a key is taken.
 */
import type { Clock } from '../core/clock.js';
import type { QueueId } from '../core/queue-id.js';
import type { KeyTable } from '../spool/key-table.js';
import type { RowBeside } from '../spool/spool.js';

export interface AnsweredOptions {
  readonly table: Pick<KeyTable, 'size' | 'get' | 'remove' | 'page'>;
  readonly clock: Pick<Clock, 'wall'>;
  /** ms. */
  readonly lifetime: number;
  readonly most: number;
}

export interface Answered {
  readonly id: QueueId;
  readonly digest: Buffer;
}

const DIGEST = 16;
/** Rows taken out at once. */
const SWEPT = 1000;
/** Digits of a period: as text they sort as numbers do. */
const DIGITS = 12;

export class AnsweredRequests {
  private readonly options: AnsweredOptions;

  constructor(options: AnsweredOptions) {
    this.options = options;
  }

  get full(): boolean {
    return this.options.table.size >= this.options.most;
  }

  /** What was answered, null: nothing yet. */
  find(tenant: string, key: string): Answered | null {
    const { table } = this.options;
    const period = this.period;
    const row = table.get(keyOf(period, tenant, key)) ?? table.get(keyOf(period - 1, tenant, key));
    if (row === undefined || row.length !== DIGEST + 8) return null;
    return { digest: row.subarray(0, DIGEST), id: row.readDoubleLE(DIGEST) };
  }

  /** The row that says so of a message. `digest`: its first 16 bytes count. */
  row(tenant: string, key: string, digest: Buffer, id: QueueId): RowBeside {
    const value = Buffer.alloc(DIGEST + 8);
    digest.copy(value, 0, 0, DIGEST);
    value.writeDoubleLE(id, DIGEST);
    return { key: keyOf(this.period, tenant, key), value };
  }

  /** Takes out some of what is over; true: there may be more. */
  sweep(): boolean {
    const { table } = this.options;
    if (table.size === 0) return false;
    const oldest = padded(this.period - 1);
    const rows = table.page(['', ''], SWEPT);
    let gone = 0;
    for (const { key } of rows) {
      if (key[0].slice(0, DIGITS) >= oldest) break;
      table.remove(key);
      gone++;
    }
    return gone === SWEPT;
  }

  private get period(): number {
    return Math.floor(this.options.clock.wall() / this.options.lifetime);
  }
}

/** Whether two requests are the same. */
export function sameRequest(known: Buffer, digest: Buffer): boolean {
  return known.compare(digest, 0, DIGEST, 0, DIGEST) === 0;
}

function keyOf(period: number, tenant: string, key: string): readonly [string, string] {
  return [`${padded(period)} ${tenant}`, key];
}

function padded(period: number): string {
  return String(period).padStart(DIGITS, '0');
}
