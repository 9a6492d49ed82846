/**
 * One segment: a file of blocks, with an index of them at its end once it is full.
 *
 *   block | block | ... | index: entries (48 bytes each), filters | tail (64 bytes)
 *
 * Contract: the index is read with one read and tells for each block what it may be about. A file without a whole tail
 * is read block by block; what comes after the last whole block is to be cut off. Numbers are little-endian.
 */
import { xxh64 } from '@node-rs/xxhash';
import { type BlockHead, filterIn, HEAD_BYTES, isWhole, lengthOf, readHead } from './block.js';
import type { OpenFile } from './files.js';

/** A block of a segment and where it is. */
export interface BlockEntry extends BlockHead {
  readonly offset: number;
  readonly filter: Buffer;
}

/** What is kept in memory of a full segment. */
export interface SegmentTail {
  readonly blocks: number;
  readonly lastSeq: number;
  /** Bytes of the index without the tail. */
  readonly indexBytes: number;
  /** Wall clock of its first and last event, ms. */
  readonly first: number;
  readonly last: number;
  /** Events that are kept for up to this time, ms, and are older are gone already (see retention.ts). */
  readonly swept: number;
}

const ENTRY_BYTES = 48;
export const TAIL_BYTES = 64;
const MAGIC = 0x31544853; // 'SHT1'

/** Index and tail, to be written behind the last block. `end`: where that ends. */
export function indexOf(entries: readonly BlockEntry[], swept: number): { bytes: Buffer; tail: SegmentTail } {
  const filters = entries.reduce((sum, { filterBytes }) => sum + filterBytes, 0);
  const indexBytes = entries.length * ENTRY_BYTES + filters;
  const bytes = Buffer.alloc(indexBytes + TAIL_BYTES);
  let filterAt = entries.length * ENTRY_BYTES;
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  entries.forEach((entry, i) => {
    const at = i * ENTRY_BYTES;
    bytes.writeUInt32LE(entry.offset, at);
    bytes.writeUInt32LE(entry.bodyBytes, at + 4);
    bytes.writeUInt32LE(entry.filterBytes, at + 8);
    bytes.writeUInt32LE(entry.events, at + 12);
    bytes.writeDoubleLE(entry.seq, at + 16);
    bytes.writeDoubleLE(entry.first, at + 24);
    bytes.writeDoubleLE(entry.last, at + 32);
    bytes.writeDoubleLE(entry.oldestId, at + 40);
    entry.filter.copy(bytes, filterAt);
    filterAt += entry.filterBytes;
    if (entry.events === 0) return;
    first = Math.min(first, entry.first);
    last = Math.max(last, entry.last);
  });
  if (last === 0) first = 0;
  const tail = { blocks: entries.length, lastSeq: entries.at(-1)?.seq ?? 0, indexBytes, first, last, swept };
  bytes.writeUInt32LE(MAGIC, indexBytes);
  bytes.writeUInt32LE(entries.length, indexBytes + 4);
  bytes.writeUInt32LE(indexBytes, indexBytes + 8);
  bytes.writeDoubleLE(first, indexBytes + 16);
  bytes.writeDoubleLE(last, indexBytes + 24);
  bytes.writeDoubleLE(swept, indexBytes + 32);
  bytes.writeDoubleLE(tail.lastSeq, indexBytes + 40);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, indexBytes)), indexBytes + 48);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(indexBytes, indexBytes + 56)), indexBytes + 56);
  return { bytes, tail };
}

/** The tail of a full segment; null: it has none. */
export async function readTail(file: OpenFile, size: number): Promise<SegmentTail | null> {
  if (size < TAIL_BYTES) return null;
  const bytes = await file.read(size - TAIL_BYTES, TAIL_BYTES);
  if (bytes.length < TAIL_BYTES || bytes.readUInt32LE(0) !== MAGIC) return null;
  if (xxh64(bytes.subarray(0, 56)) !== bytes.readBigUInt64LE(56)) return null;
  const indexBytes = bytes.readUInt32LE(8);
  if (indexBytes + TAIL_BYTES > size) return null;
  return {
    blocks: bytes.readUInt32LE(4),
    indexBytes,
    first: bytes.readDoubleLE(16),
    last: bytes.readDoubleLE(24),
    swept: bytes.readDoubleLE(32),
    lastSeq: bytes.readDoubleLE(40),
  };
}

/** The entries of a full segment; null: the index is damaged. */
export async function readIndex(file: OpenFile, size: number): Promise<BlockEntry[] | null> {
  const tail = await readTail(file, size);
  if (tail === null) return null;
  const { indexBytes, blocks } = tail;
  const bytes = await file.read(size - TAIL_BYTES - indexBytes, indexBytes + TAIL_BYTES);
  if (bytes.length < indexBytes + TAIL_BYTES) return null;
  const index = bytes.subarray(0, indexBytes);
  if (xxh64(index) !== bytes.readBigUInt64LE(indexBytes + 48)) return null;
  const entries: BlockEntry[] = [];
  let filterAt = blocks * ENTRY_BYTES;
  for (let i = 0; i < blocks; i++) {
    const at = i * ENTRY_BYTES;
    const filterBytes = index.readUInt32LE(at + 8);
    entries.push({
      offset: index.readUInt32LE(at),
      bodyBytes: index.readUInt32LE(at + 4),
      filterBytes,
      events: index.readUInt32LE(at + 12),
      seq: index.readDoubleLE(at + 16),
      first: index.readDoubleLE(at + 24),
      last: index.readDoubleLE(at + 32),
      oldestId: index.readDoubleLE(at + 40),
      filter: index.subarray(filterAt, filterAt + filterBytes),
    });
    filterAt += filterBytes;
  }
  return entries;
}

/** The whole blocks at the beginning of a file that has no index, and where they end. */
export async function scanBlocks(file: OpenFile, size: number): Promise<{ entries: BlockEntry[]; end: number }> {
  const entries: BlockEntry[] = [];
  let offset = 0;
  while (offset + HEAD_BYTES <= size) {
    const head = readHead(await file.read(offset, HEAD_BYTES));
    if (head === null || offset + lengthOf(head) > size) break;
    const bytes = await file.read(offset, lengthOf(head));
    if (!isWhole(bytes, head)) break;
    // A copy: what is kept of a block must not keep all of it.
    entries.push({ ...head, offset, filter: Buffer.from(filterIn(bytes, head)) });
    offset += lengthOf(head);
  }
  return { entries, end: offset };
}

/** The bytes of a block; null: it is damaged, or another one is there. */
export async function readBlock(file: OpenFile, entry: BlockEntry): Promise<Buffer | null> {
  const bytes = await file.read(entry.offset, lengthOf(entry));
  const head = readHead(bytes);
  return head !== null && head.seq === entry.seq && isWhole(bytes, head) ? bytes : null;
}
