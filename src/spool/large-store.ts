/**
 * Storing a message that is too large for one row.
 *
 * Its content goes to the chunk table first, in windows of about a megabyte, each in a commit that it shares with
 * whatever else is ready, so that small messages of other sessions wait for a window at most. The message exists only
 * when its row is committed; chunks without a row are swept at the next start. One window of copies is held at a time:
 * lmdb is done with a buffer when its commit has settled, so the same memory serves every window.
 */
import type { CommitQueue, Work } from './commit-queue.js';
import {
  CHUNK_BYTES,
  checksumBytes,
  copyContent,
  encodeChunked,
  endOfData,
  writeChunkChecksum,
} from './record-codec.js';
import type { NewMessage } from './spool.js';
import type { Tables } from './tables.js';

const WINDOW_CHUNKS = 16;

/** Up to this size the content is also kept in one buffer for delivery, and goes in the commit of its row. */
export const WHOLE_IN_MEMORY = 4 * CHUNK_BYTES;

/** What is left to put with the message's own row. */
export interface PreparedLarge {
  readonly row: Buffer;
  readonly checksums: Buffer;
  /** The content with its end of data where it was small enough to keep; its chunks are put with the row. */
  readonly inline: Buffer | null;
}

/** Lays out a message of up to WHOLE_IN_MEMORY bytes: one buffer, from `allocate`, for LMDB and for delivery. */
export function prepareWhole(message: NewMessage, allocate: (bytes: number) => Buffer): PreparedLarge {
  const { size, endsWithCrlf } = message.envelope.content;
  const end = endOfData(endsWithCrlf);
  const inline = allocate(size + end.length);
  copyContent(message, 0, size, inline, 0);
  inline.set(end, size);
  const checksums = Buffer.allocUnsafeSlow(checksumBytes(size));
  for (let n = 0; n * CHUNK_BYTES < size; n++) writeChunkChecksum(checksums, n, chunkOf(inline, size, n));
  return { row: encodeChunked(message.envelope, checksums), checksums, inline };
}

/** Puts the chunks of a whole message; called inside the commit of its row. */
export function putWholeChunks(tables: Tables, id: number, size: number, inline: Buffer): void {
  for (let n = 0; n * CHUNK_BYTES < size; n++) void tables.chunk.put([id, n], chunkOf(inline, size, n));
}

/** Stores the chunks of a larger message, window by window. Rejects as the commit does; its chunks are then removed. */
export async function storeWindows(tables: Tables, queue: CommitQueue, message: NewMessage): Promise<PreparedLarge> {
  const { id, content } = message.envelope;
  const { size } = content;
  const checksums = Buffer.allocUnsafeSlow(checksumBytes(size));
  const window = Buffer.allocUnsafeSlow(Math.min(WINDOW_CHUNKS * CHUNK_BYTES, size));
  const count = Math.ceil(size / CHUNK_BYTES);
  try {
    for (let first = 0; first < count; first += WINDOW_CHUNKS) {
      const from = first * CHUNK_BYTES;
      const length = Math.min(window.length, size - from);
      copyContent(message, from, from + length, window, 0);
      const chunks = Math.ceil(length / CHUNK_BYTES);
      for (let n = 0; n < chunks; n++) writeChunkChecksum(checksums, first + n, chunkOf(window, length, n));
      await new Promise<void>((resolve, reject) => {
        queue.submit({
          settlement: false,
          id: 0,
          write: () => {
            let committed: Promise<boolean> | undefined;
            for (let n = 0; n < chunks; n++) committed = tables.chunk.put([id, first + n], chunkOf(window, length, n));
            return committed;
          },
          done: resolve,
          failed: reject,
        });
      });
    }
  } catch (error) {
    queue.submit(removeChunks(tables, id, count));
    throw error;
  }
  return { row: encodeChunked(message.envelope, checksums), checksums, inline: null };
}

/** The removal of the first `count` chunks of a message. */
export function removeChunks(tables: Tables, id: number, count: number): Work {
  return {
    settlement: true,
    id: 0,
    write: () => {
      let committed: Promise<boolean> | undefined;
      for (let n = 0; n < count; n++) committed = tables.chunk.remove([id, n]);
      return committed;
    },
  };
}

function chunkOf(content: Buffer, size: number, n: number): Buffer {
  return content.subarray(n * CHUNK_BYTES, Math.min(size, (n + 1) * CHUNK_BYTES));
}
