/**
 * The rows of the `message`, `schedule` and `state` tables as bytes.
 *
 * A message row is 32 fixed bytes, the msgpack envelope, and then either the content with its end of data (small
 * messages: one row, one buffer, which delivery sends from) or the checksums of its chunks. xxh64 covers everything
 * behind the checksum itself. Row layout, little endian:
 *
 *     0 u64 xxh64 of [8, end)   8 u8 'S'   9 u8 version   10 u8 kind   11 u8 bytes of the end of data
 *     12 u32 bytes of envelope  16 f64 bytes of content   24 u32 number of chunks   28 u32 bytes of a chunk
 *
 * Contract: decode functions throw DamagedRecord, naming what is wrong, for any bytes that encode did not write.
 */
import { xxh64 } from '@node-rs/xxhash';
import type { QueueId } from '../core/queue-id.js';
import type { Envelope } from '../message/envelope.js';
import { packDeliveryState, packEnvelope, unpackDeliveryState, unpackEnvelope } from './envelope-codec.js';
import type { DeliveryState, NewMessage, StoredLane } from './spool.js';

/** Layout of the rows. Part of each row, so that rows of several versions can be in one store. */
export const RECORD_VERSION = 3;
/** The oldest that is still read. */
const OLDEST_RECORD_VERSION = 1;

/**
 * LMDB's overflow pages carry one 24 byte header for a run of pages (data version 2, mdb.c PAGEHDRSZ), so a value of
 * 4096 n - 24 bytes fills n pages exactly.
 */
const PAGE_BYTES = 4096;
const OVERFLOW_HEADER_BYTES = 24;

/** Content bytes of a chunk: 16 pages. Fixed, so that freed runs of pages fit the next chunk. */
export const CHUNK_BYTES = 16 * PAGE_BYTES - OVERFLOW_HEADER_BYTES;

/** Greatest size of a message row with its content inside: 8 pages. */
export const INLINE_ROW_BYTES = 8 * PAGE_BYTES - OVERFLOW_HEADER_BYTES;

const PREFIX_BYTES = 32;
const CHECKSUM_BYTES = 8;
const MAGIC = 0x53;
const KIND_INLINE = 0;
const KIND_CHUNKED = 1;

const END_AFTER_CRLF = Buffer.from('.\r\n', 'latin1');
const END_AFTER_OTHER = Buffer.from('\r\n.\r\n', 'latin1');

/** A row that is not what was written. */
export class DamagedRecord extends Error {
  override readonly name = 'DamagedRecord';
}

/** The end of data that fits a content (RFC 5321 section 4.1.1.4). */
export function endOfData(endsWithCrlf: boolean): Buffer {
  return endsWithCrlf ? END_AFTER_CRLF : END_AFTER_OTHER;
}

/** Copies content bytes `[from, to)` of a new message (its header block, then its body) into `target` at `offset`. */
export function copyContent(message: NewMessage, from: number, to: number, target: Buffer, offset: number): void {
  const headerLength = message.header.length;
  let at = from;
  let out = offset;
  if (at < headerLength) {
    const end = Math.min(to, headerLength);
    target.set(at === 0 && end === headerLength ? message.header : message.header.subarray(at, end), out);
    out += end - at;
    at = end;
  }
  if (at < to) {
    const shift = message.bodyFrom - headerLength;
    message.body.copyOut(at + shift, to + shift, target, out);
  }
}

/** A message row and where its content with end of data begins. */
export interface InlineRow {
  readonly row: Buffer;
  /** The content and end of data, a view of `row`. */
  readonly content: Buffer;
}

/** Builds the row of a small message in memory from `allocate`; null when it is greater than INLINE_ROW_BYTES. */
export function encodeInline(message: NewMessage, allocate: (bytes: number) => Buffer): InlineRow | null {
  const { size, endsWithCrlf } = message.envelope.content;
  if (size > INLINE_ROW_BYTES) return null;
  const envelope = packEnvelope(message.envelope);
  const end = endOfData(endsWithCrlf);
  const contentAt = PREFIX_BYTES + envelope.length;
  const length = contentAt + size + end.length;
  if (length > INLINE_ROW_BYTES) return null;
  const row = allocate(length);
  writePrefix(row, KIND_INLINE, end.length, envelope.length, size, 0);
  row.set(envelope, PREFIX_BYTES);
  copyContent(message, 0, size, row, contentAt);
  row.set(end, contentAt + size);
  seal(row);
  return { row, content: row.subarray(contentAt) };
}

/** Builds the row of a chunked message. `checksums`: 8 bytes for each chunk. */
export function encodeChunked(envelope: Envelope, checksums: Buffer): Buffer {
  const packed = packEnvelope(envelope);
  const chunks = checksums.length / CHECKSUM_BYTES;
  const row = Buffer.allocUnsafeSlow(PREFIX_BYTES + packed.length + checksums.length);
  writePrefix(row, KIND_CHUNKED, 0, packed.length, envelope.content.size, chunks);
  row.set(packed, PREFIX_BYTES);
  row.set(checksums, PREFIX_BYTES + packed.length);
  seal(row);
  return row;
}

/** A message row as read. Exactly one of `content` and `checksums` is not null. */
export interface DecodedRow {
  readonly envelope: Envelope;
  readonly content: Buffer | null;
  readonly checksums: Buffer | null;
  readonly chunkBytes: number;
}

/** Verifies and reads a message row. The result holds views of `row`. @throws DamagedRecord */
export function decodeMessageRow(row: Buffer): DecodedRow {
  if (row.length < PREFIX_BYTES) throw new DamagedRecord(`message row of ${row.length} bytes`);
  verifySeal(row, 'message row');
  const version = row[9]!;
  if (row[8] !== MAGIC || version < OLDEST_RECORD_VERSION || version > RECORD_VERSION)
    throw new DamagedRecord(`message row of unknown version ${version}; this is version ${RECORD_VERSION}`);
  const kind = row[10];
  const endLength = row[11]!;
  const contentAt = PREFIX_BYTES + row.readUInt32LE(12);
  const size = row.readDoubleLE(16);
  const chunks = row.readUInt32LE(24);
  const rest = kind === KIND_INLINE ? size + endLength : chunks * CHECKSUM_BYTES;
  if (contentAt + rest !== row.length) throw new DamagedRecord('message row with lengths that do not fit');
  let envelope: Envelope;
  try {
    envelope = unpackEnvelope(row.subarray(PREFIX_BYTES, contentAt), version);
  } catch (cause) {
    throw new DamagedRecord(`message row with an unreadable envelope: ${String(cause)}`);
  }
  const tail = row.subarray(contentAt);
  return kind === KIND_INLINE
    ? { envelope, content: tail, checksums: null, chunkBytes: 0 }
    : { envelope, content: null, checksums: tail, chunkBytes: row.readUInt32LE(28) };
}

/** The checksum of a chunk, written into `checksums` at the place of chunk `n`. */
export function writeChunkChecksum(checksums: Buffer, n: number, chunk: Uint8Array): void {
  checksums.writeBigUInt64LE(xxh64(chunk), n * CHECKSUM_BYTES);
}

/** Whether `chunk` is what chunk `n` was when it was stored. */
export function chunkIsIntact(checksums: Buffer, n: number, chunk: Uint8Array): boolean {
  return checksums.readBigUInt64LE(n * CHECKSUM_BYTES) === xxh64(chunk);
}

/** Bytes of checksums for a content of `size` bytes. */
export function checksumBytes(size: number): number {
  return Math.ceil(size / CHUNK_BYTES) * CHECKSUM_BYTES;
}

/** Bytes of a `schedule` row: f64 id, f64 due, u32 flags, u32 check. So few, that a start reads little for each message. */
const SCHEDULE_BYTES = 24;

const HELD = 1;
/** Never tried, and of this lane. Rows from before lanes have neither: what they are about was tried. */
const NEW_IMMEDIATE = 2;
const NEW_BULK = 4;

/** Makes a `schedule` row. It names its id again, so that reading the table at start decodes no keys. */
export function encodeSchedule(id: QueueId, due: number, held: boolean, lane: StoredLane): Buffer {
  const row = Buffer.allocUnsafe(SCHEDULE_BYTES);
  row.writeDoubleLE(id, 0);
  row.writeDoubleLE(due, 8);
  const kind = lane === 'immediate' ? NEW_IMMEDIATE : lane === 'bulk' ? NEW_BULK : 0;
  row.writeUInt32LE((held ? HELD : 0) | kind, 16);
  row.writeUInt32LE(scheduleCheck(row, 0), 20);
  return row;
}

/** Whether `[at, end)` of `page` is a whole `schedule` row. */
export function isSchedule(page: Buffer, at: number, end: number): boolean {
  return end - at === SCHEDULE_BYTES && page.readUInt32LE(at + 20) === scheduleCheck(page, at);
}

/** Id, next attempt and flags of a `schedule` row at `at` that `isSchedule`. */
export function scheduleId(page: Buffer, at: number): QueueId {
  return page.readDoubleLE(at);
}
export function scheduleDue(page: Buffer, at: number): number {
  return page.readDoubleLE(at + 8);
}
export function scheduleFlags(page: Buffer, at: number): number {
  return page.readUInt32LE(at + 16);
}
export function isHeld(flags: number): boolean {
  return (flags & HELD) !== 0;
}
export function laneOf(flags: number): StoredLane {
  return (flags & NEW_IMMEDIATE) !== 0 ? 'immediate' : (flags & NEW_BULK) !== 0 ? 'bulk' : 'deferred';
}

/** Murmur3's finalizer over the words of the row: noise passes once in 2^32, and no native call for a million rows. */
function scheduleCheck(page: Buffer, at: number): number {
  let mixed = 0x5353_4c31;
  for (let word = at; word < at + 20; word += 4) {
    mixed = Math.imul(mixed ^ page.readUInt32LE(word), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    mixed ^= mixed >>> 16;
  }
  return mixed >>> 0;
}

/** A `state` row: u64 xxh64 and the msgpack state. */
export function encodeState(state: DeliveryState): Buffer {
  const packed = packDeliveryState(state);
  const row = Buffer.allocUnsafe(CHECKSUM_BYTES + packed.length);
  row.set(packed, CHECKSUM_BYTES);
  seal(row);
  return row;
}

/** Verifies and reads a `state` row. @throws DamagedRecord */
export function decodeState(row: Buffer, due: number, held: boolean): DeliveryState {
  if (row.length < CHECKSUM_BYTES) throw new DamagedRecord(`state row of ${row.length} bytes`);
  verifySeal(row, 'state row');
  try {
    return unpackDeliveryState(row.subarray(CHECKSUM_BYTES), due, held);
  } catch (cause) {
    throw new DamagedRecord(`unreadable state row: ${String(cause)}`);
  }
}

function writePrefix(
  row: Buffer,
  kind: number,
  endLength: number,
  envelopeLength: number,
  size: number,
  chunks: number,
): void {
  row[8] = MAGIC;
  row[9] = RECORD_VERSION;
  row[10] = kind;
  row[11] = endLength;
  row.writeUInt32LE(envelopeLength, 12);
  row.writeDoubleLE(size, 16);
  row.writeUInt32LE(chunks, 24);
  row.writeUInt32LE(kind === KIND_CHUNKED ? CHUNK_BYTES : 0, 28);
}

function seal(row: Buffer): void {
  row.writeBigUInt64LE(xxh64(row.subarray(CHECKSUM_BYTES)), 0);
}

function verifySeal(row: Buffer, what: string): void {
  if (row.readBigUInt64LE(0) !== xxh64(row.subarray(CHECKSUM_BYTES)))
    throw new DamagedRecord(`${what} whose checksum does not match`);
}
