/**
 * What room the spool has, as all threads see it: the main thread says so, the others read.
 */

const MIB = 1024 * 1024;
/** Largest number of MiB that 32 bits hold. */
const MAX = 2 ** 31 - 1;

export class SharedRoom {
  readonly memory: SharedArrayBuffer;
  private readonly word: Int32Array;

  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.word = new Int32Array(memory);
  }

  /** Bytes, in whole MiB. */
  get bytes(): number {
    return Atomics.load(this.word, 0) * MIB;
  }

  set bytes(room: number) {
    Atomics.store(this.word, 0, Math.min(MAX, Math.max(0, Math.floor(room / MIB))));
  }
}
