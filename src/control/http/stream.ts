/**
 * An answer of any length, in pieces.
 */

export class Stream {
  readonly type: string;
  readonly pieces: AsyncIterable<Buffer>;

  constructor(type: string, pieces: AsyncIterable<Buffer>) {
    this.type = type;
    this.pieces = pieces;
  }
}
