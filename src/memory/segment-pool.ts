/**
 * Shared memory for message bodies on their way in.
 *
 * One SharedArrayBuffer of fixed size, reserved at start and touched only where used, cut into equal segments. A
 * segment is leased, written by the main thread, read by worker threads, and released; free segments are a stack, so
 * the warm ones are used again first. Workers get the buffer once (workerData) and after that only segment numbers.
 * Views are made once: nothing is allocated per lease.
 */

export class SegmentPool {
  readonly shared: SharedArrayBuffer;
  readonly segmentSize: number;
  readonly count: number;
  private readonly bytes: Buffer;
  private readonly free: Int32Array;
  private freeCount: number;

  /** `bytes`: total, rounded down to whole segments; `segmentSize`: bytes of each. */
  constructor(bytes: number, segmentSize: number) {
    this.segmentSize = segmentSize;
    this.count = Math.max(1, Math.floor(bytes / segmentSize));
    this.shared = new SharedArrayBuffer(this.count * segmentSize);
    this.bytes = Buffer.from(this.shared as unknown as ArrayBuffer);
    this.free = new Int32Array(this.count);
    for (let i = 0; i < this.count; i++) this.free[i] = this.count - 1 - i;
    this.freeCount = this.count;
  }

  /** Segments that can still be leased. */
  get available(): number {
    return this.freeCount;
  }

  /** Leases a segment: its number, or -1 when none is left. */
  lease(): number {
    return this.freeCount === 0 ? -1 : this.free[--this.freeCount]!;
  }

  /** Gives a leased segment back. The caller keeps no view of it. */
  release(segment: number): void {
    this.free[this.freeCount++] = segment;
  }

  /**
   * Copies `source[start, end)` into a segment at `offset`. The range must fit. By `fill`, one native copy (0.3
   * microseconds for 10 KiB): `set` to or from shared memory goes byte by byte where source and target are aligned
   * differently (5 microseconds).
   */
  write(segment: number, offset: number, source: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    const at = segment * this.segmentSize + offset;
    this.bytes.fill(source.subarray(start, end), at, at + end - start);
  }

  /** The byte offset of a segment in `shared`. */
  offsetOf(segment: number): number {
    return segment * this.segmentSize;
  }
}
