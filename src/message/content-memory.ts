/**
 * Reads message content where it lies: in equal segments of one shared buffer, named by number.
 *
 * One ContentMemory per thread, made once. It allocates one view per message or run of segments and copies nothing
 * unless asked to. Offsets of content are bytes from its beginning.
 */

/** Where one message's content lies; a PrepareRequest is one. */
export interface ContentLocation {
  readonly segments: readonly number[];
  /** Bytes of content. */
  readonly length: number;
}

export class ContentMemory {
  readonly bytes: Buffer;
  readonly segmentSize: number;

  /** `shared`: the pool's buffer; `segmentSize`: bytes of each segment. */
  constructor(shared: SharedArrayBuffer | ArrayBuffer, segmentSize: number) {
    this.bytes = Buffer.from(shared as ArrayBuffer);
    this.segmentSize = segmentSize;
  }

  /**
   * The longest view of content that starts at `from`, ends at `to` or before, and lies in one piece: to the end of its
   * segment, and on through the segments that follow it in memory too. Never empty while from < to.
   */
  piece(location: ContentLocation, from: number, to: number): Buffer {
    const { segmentSize } = this;
    const { segments } = location;
    const inSegment = from % segmentSize;
    let index = (from - inSegment) / segmentSize;
    const first = segments[index]!;
    let length = segmentSize - inSegment;
    while (length < to - from && segments[index + 1] === segments[index]! + 1) {
      index++;
      length += segmentSize;
    }
    const start = first * segmentSize + inSegment;
    return this.bytes.subarray(start, start + Math.min(length, to - from));
  }

  /**
   * Copies content bytes `[from, to)` into `target` at `offset`. By `fill`, which is one native copy: `set` from shared
   * memory goes byte by byte where source and target are aligned differently, and costs ten times as much.
   */
  copyOut(location: ContentLocation, from: number, to: number, target: Buffer, offset: number): void {
    let at = from;
    while (at < to) {
      const piece = this.piece(location, at, to);
      const out = offset + at - from;
      target.fill(piece, out, out + piece.length);
      at += piece.length;
    }
  }

  /** The content byte at `offset`. */
  at(location: ContentLocation, offset: number): number {
    const inSegment = offset % this.segmentSize;
    return this.bytes[location.segments[(offset - inSegment) / this.segmentSize]! * this.segmentSize + inSegment]!;
  }
}
