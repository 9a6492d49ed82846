/**
 * Memory for rows on their way to LMDB and to delivery.
 *
 * Rows are cut from slabs of ordinary memory (LMDB must never see shared memory): a tenth of the allocations, and
 * lmdb-js looks up an address once a slab. A row pins its slab while delivery holds it, so slabs are small: measured
 * with 11 KiB rows, 64 KiB slabs cost 0.86 us a row, 1 MiB slabs 0.72 us, a buffer of its own for each row 1.74 us.
 * A slab whose rows were all released is used again: memory outside of V8's heap that comes and goes at a hundred
 * megabytes a second makes V8 collect the whole heap every second, which cost an eighth of the engine's CPU time. A row
 * that is never released keeps its slab from that; the garbage collector takes the slab when the last row is gone.
 */

const SLAB_BYTES = 64 * 1024;
/** Greater rows get memory of their own, in powers of two up to the second bound; beyond it nothing is used again. */
const LARGEST_SHARED = 24 * 1024;
const LARGEST_KEPT = 512 * 1024;

/** Bytes kept for use again, in slabs and in each size of own memory. */
const FREE_BYTES = 16 * 1024 * 1024;

/** Memory of one size for rows of their own. */
interface OwnSize {
  readonly bytes: number;
  readonly free: Buffer[];
}

interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Rows not released. */
  rows: number;
}

export class RowMemory {
  private slab: Slab = newSlab();
  private readonly free: Slab[] = [];
  private readonly slabs = new WeakMap<ArrayBufferLike, Slab>();
  private readonly ownSizes = new Map<number, OwnSize>();
  private readonly ownSizeOf = new WeakMap<ArrayBufferLike, OwnSize>();

  /** Uninitialised memory of `bytes` bytes that is the caller's until released. */
  readonly allocate = (bytes: number): Buffer => {
    if (bytes > LARGEST_SHARED) return this.allocateOwn(bytes);
    if (this.slab.used + bytes > SLAB_BYTES) this.renew();
    const { slab } = this;
    const at = slab.used;
    slab.used = (at + bytes + 7) & ~7;
    slab.rows++;
    return slab.bytes.subarray(at, at + bytes);
  };

  /** Gives back what `allocate` gave, or any part of it; once, when neither lmdb nor delivery looks at it any more. */
  readonly release = (row: Buffer): void => {
    const slab = this.slabs.get(row.buffer);
    if (slab === undefined) {
      const size = this.ownSizeOf.get(row.buffer);
      if (size !== undefined && size.free.length * size.bytes < FREE_BYTES)
        size.free.push(Buffer.from(row.buffer, 0, size.bytes));
      return;
    }
    if (--slab.rows > 0 || slab === this.slab) return;
    slab.used = 0;
    if (this.free.length * SLAB_BYTES < FREE_BYTES) this.free.push(slab);
  };

  private allocateOwn(bytes: number): Buffer {
    if (bytes > LARGEST_KEPT) return Buffer.allocUnsafeSlow(bytes);
    const rounded = 2 ** Math.ceil(Math.log2(bytes));
    let size = this.ownSizes.get(rounded);
    if (size === undefined) {
      size = { bytes: rounded, free: [] };
      this.ownSizes.set(rounded, size);
    }
    let memory = size.free.pop();
    if (memory === undefined) {
      memory = Buffer.allocUnsafeSlow(rounded);
      this.ownSizeOf.set(memory.buffer, size);
    }
    return memory.subarray(0, bytes);
  }

  private renew(): void {
    if (this.slab.rows === 0) {
      this.slab.used = 0;
      if (this.slab.bytes.length > 0) return;
    }
    this.slab = this.free.pop() ?? newSlab(SLAB_BYTES);
    this.slabs.set(this.slab.bytes.buffer, this.slab);
  }
}

function newSlab(bytes = 0): Slab {
  return { bytes: Buffer.allocUnsafeSlow(bytes), used: bytes === 0 ? SLAB_BYTES : 0, rows: 0 };
}
