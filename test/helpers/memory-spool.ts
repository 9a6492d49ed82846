/**
 * A Spool in memory that keeps the interface's promises, for tests of the rooms above it: what is stored survives
 * `restarted()`, changes take effect in order, reads come a few turns later. It can be told to fail.
 */
import { SluiceError } from '../../src/core/errors.js';
import type { QueueId } from '../../src/core/queue-id.js';
import type { Envelope, Lane } from '../../src/message/envelope.js';
import type { KeyRow, KeyTable, RowKey } from '../../src/spool/key-table.js';
import type {
  DeliveryState,
  NewMessage,
  RecoveryReport,
  Spool,
  SpoolUsage,
  StoredContent,
  StoredLane,
  StoredMessage,
} from '../../src/spool/spool.js';
import { inlineContent, piecewiseContent } from './mail.js';

interface Row {
  readonly envelope: Envelope;
  readonly bytes: Buffer;
  state: DeliveryState | null;
  /** As the spool was told, not as the envelope has it: a start does not read envelopes. */
  lane: Lane;
}

/** Contents above this many bytes are read piece by piece. */
const INLINE_LIMIT = 16_384;

export class MemorySpool implements Spool {
  /** The next `store` fails with this. */
  failStore: SluiceError | null = null;
  /** The next `load` rejects with this. */
  failLoad: Error | null = null;
  loads = 0;
  private readonly rows: Map<QueueId, Row>;
  private alive = true;

  constructor(rows: Map<QueueId, Row> = new Map()) {
    this.rows = rows;
  }

  /** What a new process finds; the old one can do nothing any more. */
  restarted(): MemorySpool {
    this.alive = false;
    return new MemorySpool(this.rows);
  }

  get size(): number {
    return this.rows.size;
  }

  /** Messages by lane, as their rows have it. */
  lanes(): Record<StoredLane, number> {
    const counts = { immediate: 0, bulk: 0, deferred: 0 };
    for (const { state, envelope } of this.rows.values())
      counts[state !== null && state.attempts > 0 ? 'deferred' : envelope.handling.lane]++;
    return counts;
  }

  stateOf(id: QueueId): DeliveryState | null | undefined {
    return this.rows.get(id)?.state;
  }

  async store(batch: readonly NewMessage[]): Promise<StoredContent[]> {
    await null;
    const { failStore } = this;
    this.failStore = null;
    if (failStore !== null) throw failStore;
    return batch.map(({ envelope, header, body, bodyFrom, bodyTo }) => {
      const bytes = Buffer.alloc(header.length + bodyTo - bodyFrom);
      bytes.set(header);
      body.copyOut(bodyFrom, bodyTo, bytes, header.length);
      if (this.alive) this.rows.set(envelope.id, { envelope, bytes, state: null, lane: envelope.handling.lane });
      return contentOf(bytes);
    });
  }

  remove(id: QueueId): void {
    if (this.alive) this.rows.delete(id);
  }

  defer(id: QueueId, state: DeliveryState, lane: Lane = 'bulk'): void {
    const row = this.rows.get(id);
    if (row === undefined || !this.alive) return;
    row.state = structuredClone(state);
    row.lane = lane;
  }

  async load(id: QueueId): Promise<StoredMessage | undefined> {
    this.loads++;
    await null;
    const { failLoad } = this;
    this.failLoad = null;
    if (failLoad !== null) throw failLoad;
    const row = this.rows.get(id);
    const stored = row && {
      envelope: row.envelope,
      content: contentOf(row.bytes),
      state: row.state && structuredClone(row.state),
    };
    for (let i = 0; i < 3; i++) await null;
    return this.alive ? stored : undefined;
  }

  async recover(each: (id: QueueId, due: number, held: boolean, lane: StoredLane) => void): Promise<RecoveryReport> {
    await null;
    const ids = this.list(0, Number.POSITIVE_INFINITY);
    for (const id of ids) {
      const { state, envelope, lane } = this.rows.get(id)!;
      const { holdUntil } = envelope.handling;
      each(id, state?.due ?? holdUntil, state?.held ?? false, (state?.attempts ?? 0) > 0 ? 'deferred' : lane);
    }
    return { messages: ids.length, quarantined: 0, greatestId: ids.at(-1) ?? 0 };
  }

  isQuarantined(): boolean {
    return false;
  }

  list(after: QueueId, limit: number): QueueId[] {
    const ids = [...this.rows.keys()].filter((id) => id > after).sort((a, b) => a - b);
    return ids.slice(0, limit);
  }

  usage(): SpoolUsage {
    return { messages: this.rows.size, fileBytes: 0, availableBytes: Number.MAX_SAFE_INTEGER, flushes: 0 };
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.alive = false;
  }
}

/** A KeyTable in memory; ordered as one in the store where the keys are ASCII. */
export class MemoryKeyTable implements KeyTable {
  private readonly rows = new Map<string, KeyRow>();

  get size(): number {
    return this.rows.size;
  }

  get(key: RowKey): Buffer | undefined {
    return this.rows.get(key.join('\n'))?.value;
  }

  put(key: RowKey, value: Buffer): void {
    this.rows.set(key.join('\n'), { key, value });
  }

  remove(key: RowKey): void {
    this.rows.delete(key.join('\n'));
  }

  page(after: RowKey, limit: number): KeyRow[] {
    const behind = [...this.rows].filter(([text]) => text > after.join('\n'));
    return behind
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([, row]) => row);
  }
}

/** The error of a full disk. */
export function spoolFull(): SluiceError {
  return new SluiceError('spool-full', 'no room', { temporary: true });
}

function contentOf(bytes: Buffer): StoredContent {
  return bytes.length > INLINE_LIMIT ? piecewiseContent(bytes) : inlineContent(bytes.toString('latin1'));
}
