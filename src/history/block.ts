/**
 * A block: some hundred events in a row as they lie in a segment file, with a head that says what they may be about.
 *
 *   head (72 bytes) | filter | events: a msgpack list of records
 *
 * Contract: `readHead` gives null for bytes that are no head; `isWhole` tells whether the whole block is as it was
 * written. Packing happens on the caller's thread (about 1 microsecond an event). Not compressed: that made a fifth of the
 * size and cost a tenth of the rate of mail (native-bench, 10k). Numbers are little-endian.
 */
import { xxh64 } from '@node-rs/xxhash';
import { Packr } from 'msgpackr';
import { parseQueueId } from '../core/queue-id.js';
import { type EventRecord, eventOf, isReturned, type KeptEvent, recipientsOf, recordOf } from './kept-event.js';
import { filterOf, keyHash } from './key-filter.js';

export const HEAD_BYTES = 72;
const MAGIC = 0x31424853; // 'SHB1'

const packer = new Packr({ useRecords: false });

/** What is known of a block without its events. */
export interface BlockHead {
  /** Counts up by one from block to block of a history. */
  readonly seq: number;
  readonly events: number;
  /** Wall clock of the first and the last event, ms. */
  readonly first: number;
  readonly last: number;
  /** The smallest id of a message, as a number; 0: of an unknown message. */
  readonly oldestId: number;
  readonly filterBytes: number;
  readonly bodyBytes: number;
}

/** Events packed, with what they are about; the events may go on to change place now. */
export interface Packed {
  readonly raw: Buffer;
  readonly filter: Buffer;
  readonly head: Omit<BlockHead, 'bodyBytes'>;
}

export function packEvents(seq: number, events: readonly KeptEvent[]): Packed {
  const keys = new Set<number>();
  const records: EventRecord[] = [];
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  let oldest: string | null = null;
  // Runs of mail from one sender are the rule.
  let [lastSender, lastTags, lastTenant]: [string | null, readonly string[] | null, string | null] = [null, null, null];
  for (const event of events) {
    records.push(recordOf(event));
    if (event.at < first) first = event.at;
    if (event.at > last) last = event.at;
    if (oldest === null || isOlder(event.id, oldest)) oldest = event.id;
    keys.add(keyHash('id', event.id));
    for (const recipient of recipientsOf(event)) keys.add(keyHash('recipient', recipient));
    if (event.tenant !== lastTenant) {
      lastTenant = event.tenant;
      keys.add(keyHash('tenant', lastTenant));
    }
    if (isReturned(event)) continue;
    if (event.sender !== lastSender) {
      lastSender = event.sender;
      keys.add(keyHash('sender', lastSender));
    }
    if (event.tags !== lastTags) {
      lastTags = event.tags;
      for (const tag of lastTags) keys.add(keyHash('tag', tag));
    }
  }
  const filter = filterOf(keys);
  if (events.length === 0) first = 0;
  const oldestId = parseQueueId(oldest ?? '') ?? 0;
  const head = { seq, events: events.length, first, last, oldestId, filterBytes: filter.length };
  return { raw: packer.pack(records), filter, head };
}

/** Ids count up in base 36. */
function isOlder(id: string, other: string): boolean {
  return id.length === other.length ? id < other : id.length < other.length;
}

/** The block as it is written. */
export function blockOf({ raw: body, filter, head }: Packed): { head: BlockHead; bytes: Buffer } {
  const whole: BlockHead = { ...head, bodyBytes: body.length };
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + filter.length + body.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(whole.events, 4);
  bytes.writeUInt32LE(filter.length, 8);
  bytes.writeUInt32LE(body.length, 12);
  bytes.writeDoubleLE(whole.seq, 16);
  bytes.writeDoubleLE(whole.first, 24);
  bytes.writeDoubleLE(whole.last, 32);
  bytes.writeDoubleLE(whole.oldestId, 40);
  bytes.writeDoubleLE(0, 48);
  filter.copy(bytes, HEAD_BYTES);
  body.copy(bytes, HEAD_BYTES + filter.length);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(HEAD_BYTES)), 56);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, 64)), 64);
  return { head: whole, bytes };
}

/** Length of a block on disk. */
export function lengthOf({ filterBytes, bodyBytes }: BlockHead): number {
  return HEAD_BYTES + filterBytes + bodyBytes;
}

/** The head at the beginning of `bytes`; null where there is none, or not all of it. */
export function readHead(bytes: Buffer): BlockHead | null {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC) return null;
  if (xxh64(bytes.subarray(0, 64)) !== bytes.readBigUInt64LE(64)) return null;
  return {
    events: bytes.readUInt32LE(4),
    filterBytes: bytes.readUInt32LE(8),
    bodyBytes: bytes.readUInt32LE(12),
    seq: bytes.readDoubleLE(16),
    first: bytes.readDoubleLE(24),
    last: bytes.readDoubleLE(32),
    oldestId: bytes.readDoubleLE(40),
  };
}

/** Whether `bytes` begin with a whole block of that head. */
export function isWhole(bytes: Buffer, head: BlockHead): boolean {
  const length = lengthOf(head);
  return bytes.length >= length && xxh64(bytes.subarray(HEAD_BYTES, length)) === bytes.readBigUInt64LE(56);
}

/** Filter of a whole block. */
export function filterIn(bytes: Buffer, { filterBytes }: BlockHead): Buffer {
  return bytes.subarray(HEAD_BYTES, HEAD_BYTES + filterBytes);
}

/** Events of a whole block as bytes: what can be searched before it is decoded. */
export function bodyIn(bytes: Buffer, { filterBytes, bodyBytes }: BlockHead): Buffer {
  const from = HEAD_BYTES + filterBytes;
  return bytes.subarray(from, from + bodyBytes);
}

/** Events of such bytes. @throws for what is none. */
export function unpackEvents(raw: Buffer): KeptEvent[] {
  const events: KeptEvent[] = [];
  for (const record of packer.unpack(raw) as EventRecord[]) {
    const event = eventOf(record);
    if (event !== null) events.push(event);
  }
  return events;
}
