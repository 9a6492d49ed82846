/**
 * The content of one message while it is being received, in leased shared segments.
 *
 * Append-only; released exactly once, by whoever holds it last (the session until it hands it to intake, then intake).
 */
import type { SegmentPool } from './segment-pool.js';

const { fill } = Buffer.prototype;

export class BodyBuffer {
  readonly segments: number[] = [];
  /** Bytes written. */
  length = 0;
  private room = 0;
  private readonly pool: SegmentPool;

  constructor(pool: SegmentPool) {
    this.pool = pool;
  }

  /** A body that another thread received: its segments are this pool's to release from now on. */
  static adopt(pool: SegmentPool, segments: readonly number[], length: number): BodyBuffer {
    pool.adopt(segments);
    const body = new BodyBuffer(pool);
    for (const segment of segments) body.segments.push(segment);
    body.length = length;
    return body;
  }

  /** Copies `source[start, end)` to the end. False, with nothing promised about a part of it, when memory ran out. */
  append(source: Uint8Array, start: number, end: number): boolean {
    const { pool } = this;
    let from = start;
    while (from < end) {
      if (this.room === 0) {
        const segment = pool.lease();
        if (segment < 0) return false;
        this.segments.push(segment);
        this.room = pool.segmentSize;
      }
      const n = Math.min(this.room, end - from);
      pool.write(this.segments[this.segments.length - 1]!, pool.segmentSize - this.room, source, from, from + n);
      this.room -= n;
      this.length += n;
      from += n;
    }
    return true;
  }

  /** Copies content bytes `[from, to)` out of shared memory into `target` at `offset`. */
  copyOut(from: number, to: number, target: Uint8Array, offset: number): void {
    const { segmentSize, shared } = this.pool;
    let at = from;
    let out = offset;
    while (at < to) {
      const inSegment = at % segmentSize;
      const n = Math.min(segmentSize - inSegment, to - at);
      const segment = this.segments[(at - inSegment) / segmentSize]!;
      // As in SegmentPool.write: a native copy, whatever kind of byte array the target is.
      fill.call(target as Buffer, new Uint8Array(shared, segment * segmentSize + inSegment, n), out, out + n);
      at += n;
      out += n;
    }
  }

  /** Gives every segment back. */
  release(): void {
    for (const segment of this.segments) this.pool.release(segment);
    this.segments.length = 0;
    this.length = 0;
    this.room = 0;
  }
}
