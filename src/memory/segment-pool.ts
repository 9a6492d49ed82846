/**
 * Shared memory for message bodies on their way in.
 *
 * One SharedArrayBuffer of fixed size, reserved at start and touched only where used, cut into equal segments. A segment
 * is leased by the thread that receives, read by worker threads, and released by whoever has it last. The lowest free
 * segment goes first, so that the warm ones are used again. Every thread has a pool of its own over the same memory:
 * who leased a segment stands in a byte of shared memory, changed by compare-and-swap, so that what a thread held can be
 * reclaimed when it is lost. Workers get the memory once (workerData) and after that only segment numbers.
 * Limits: 254 owners.
 */

/** What threads share: plain data for workerData. */
export interface SharedSegments {
  readonly shared: SharedArrayBuffer;
  /** 32-bit count of free segments, then a byte for each segment: its owner, 0 when free. */
  readonly control: SharedArrayBuffer;
  readonly segmentSize: number;
}

/** Owner number of the main thread. */
export const MAIN_OWNER = 1;

const COUNTER_BYTES = 4;

/** Makes the memory. `bytes`: total, rounded down to whole segments; `segmentSize`: bytes of each. */
export function shareSegments(bytes: number, segmentSize: number): SharedSegments {
  const count = Math.max(1, Math.floor(bytes / segmentSize));
  const control = new SharedArrayBuffer(COUNTER_BYTES + count);
  new Int32Array(control, 0, 1)[0] = count;
  return { shared: new SharedArrayBuffer(count * segmentSize), control, segmentSize };
}

export class SegmentPool {
  readonly memory: SharedSegments;
  readonly shared: SharedArrayBuffer;
  readonly segmentSize: number;
  readonly count: number;
  private readonly owner: number;
  private readonly bytes: Buffer;
  private readonly free: Int32Array;
  private readonly owners: Uint8Array;
  /** The same bytes: its indexOf is native. */
  private readonly search: Buffer;

  /** A pool over memory that threads share; `owner`: 1 to 254, another for each thread. */
  constructor(memory: SharedSegments, owner: number = MAIN_OWNER) {
    this.memory = memory;
    this.shared = memory.shared;
    this.segmentSize = memory.segmentSize;
    this.count = memory.control.byteLength - COUNTER_BYTES;
    this.owner = owner;
    this.bytes = Buffer.from(this.shared as unknown as ArrayBuffer);
    this.free = new Int32Array(memory.control, 0, 1);
    this.owners = new Uint8Array(memory.control, COUNTER_BYTES);
    this.search = Buffer.from(memory.control as unknown as ArrayBuffer, COUNTER_BYTES);
  }

  /** A pool over memory of its own. */
  static create(bytes: number, segmentSize: number): SegmentPool {
    return new SegmentPool(shareSegments(bytes, segmentSize));
  }

  /** Segments that can still be leased. */
  get available(): number {
    return Atomics.load(this.free, 0);
  }

  /** Leases a segment: its number, or -1 when none is left. */
  lease(): number {
    for (let at = this.search.indexOf(0); at >= 0; at = this.search.indexOf(0, at)) {
      // Another thread may have been faster.
      if (Atomics.compareExchange(this.owners, at, 0, this.owner) !== 0) continue;
      Atomics.sub(this.free, 0, 1);
      return at;
    }
    return -1;
  }

  /** Gives a leased segment back, whoever leased it. The caller keeps no view of it. */
  release(segment: number): void {
    Atomics.store(this.owners, segment, 0);
    Atomics.add(this.free, 0, 1);
  }

  /** Takes over segments that another thread leased. */
  adopt(segments: readonly number[]): void {
    for (const segment of segments) Atomics.store(this.owners, segment, this.owner);
  }

  /** Releases all that a lost thread still held. */
  reclaim(owner: number): void {
    for (let at = this.search.indexOf(owner); at >= 0; at = this.search.indexOf(owner, at + 1)) this.release(at);
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
