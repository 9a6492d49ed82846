/**
 * Content of stored messages: small ones in memory, large ones read from the store chunk by chunk.
 *
 * Contract: a chunk is verified each time it is read; one that is not what was stored is reported to `onDamage` and the
 * read rejects with `spool-damaged`. One chunk is read a call, so no call holds the thread for long.
 */
import { SluiceError } from '../core/errors.js';
import { CHUNK_BYTES, chunkIsIntact } from './record-codec.js';
import type { StoredContent } from './spool.js';

/** Content that lies whole in an ordinary Buffer, end of data included. */
export class InlineContent implements StoredContent {
  readonly size: number;
  inline: Buffer | null;
  private readonly give: ((inline: Buffer) => void) | null;

  /** `give`: where the memory goes when it is released, null: to the garbage collector. */
  constructor(size: number, inline: Buffer, give: ((inline: Buffer) => void) | null = null) {
    this.size = size;
    this.inline = inline;
    this.give = give;
  }

  read(offset: number): Promise<Buffer> {
    if (this.inline === null)
      return Promise.reject(
        new SluiceError('content-released', 'content was read after its release', { temporary: true }),
      );
    return Promise.resolve(this.inline.subarray(offset, this.size));
  }

  release(): void {
    const { inline } = this;
    this.inline = null;
    if (inline !== null) this.give?.(inline);
  }
}

/** Where chunks are read from. */
export interface ChunkReader {
  /** A copy of the chunk, undefined when there is none. */
  readChunk(id: number, n: number): Buffer | undefined;
  chunkDamaged(id: number, reason: string): void;
}

/** Content in the chunk table. */
export class ChunkedContent implements StoredContent {
  readonly size: number;
  inline: Buffer | null;
  private readonly reader: ChunkReader;
  private readonly id: number;
  private readonly checksums: Buffer;
  private readonly chunkBytes: number;
  private readonly give: ((inline: Buffer) => void) | null;

  /** `inline`: the content with its end of data where it is in memory all the same; `give`: where that memory goes then. */
  constructor(
    reader: ChunkReader,
    id: number,
    size: number,
    checksums: Buffer,
    inline: Buffer | null,
    chunkBytes = CHUNK_BYTES,
    give: ((inline: Buffer) => void) | null = null,
  ) {
    this.reader = reader;
    this.id = id;
    this.size = size;
    this.checksums = checksums;
    this.inline = inline;
    this.chunkBytes = chunkBytes;
    this.give = give;
  }

  /** It can still be read, from the store. */
  release(): void {
    const { inline } = this;
    this.inline = null;
    if (inline !== null) this.give?.(inline);
  }

  async read(offset: number): Promise<Buffer> {
    if (this.inline !== null) return this.inline.subarray(offset, this.size);
    const n = Math.floor(offset / this.chunkBytes);
    const start = n * this.chunkBytes;
    const chunk = this.reader.readChunk(this.id, n);
    const expected = Math.min(this.chunkBytes, this.size - start);
    if (chunk === undefined || chunk.length !== expected || !chunkIsIntact(this.checksums, n, chunk)) {
      const reason = chunk === undefined ? `chunk ${n} is missing` : `chunk ${n} does not match its checksum`;
      this.reader.chunkDamaged(this.id, reason);
      throw new SluiceError('spool-damaged', `stored content is damaged: ${reason}`, { temporary: false });
    }
    return chunk.subarray(offset - start);
  }
}
