/**
 * One BDAT chunk (RFC 3030 section 2): exactly as many octets as announced are taken off the stream, also where the
 * chunk is refused, because they are not commands.
 */
import type { ContentReceiver } from './content-receiver.js';
import type { Reply } from './replies.js';

/** What BDAT says. */
export interface ChunkArguments {
  readonly size: number;
  readonly last: boolean;
  /** Something other than LAST follows the size: the chunk is refused, but its length is known. */
  readonly malformed: boolean;
}

/** Parses `octets [LAST]`; undefined when the size is none, and nobody knows where the next command begins. */
export function parseBdat(text: string): ChunkArguments | undefined {
  const match = /^(\d{1,15})(?: +(.*))?$/.exec(text);
  if (match === null) return undefined;
  const last = match[2]?.toUpperCase() === 'LAST';
  return { size: Number(match[1]), last, malformed: match[2] !== undefined && !last };
}

export class ChunkReceiver {
  /** Octets of this chunk that have not come yet. */
  remaining: number;
  readonly last: boolean;
  /** Null when the chunk is refused. */
  readonly content: ContentReceiver | null;
  /** The answer when the chunk is refused. */
  readonly refusal: Reply | null;
  private readonly size: number;

  constructor(size: number, last: boolean, content: ContentReceiver | null, refusal: Reply | null) {
    this.size = size;
    this.remaining = size;
    this.last = last;
    this.content = content;
    this.refusal = refusal;
  }

  /** Octets taken for the message so far, or of this chunk when it is refused. */
  get received(): number {
    return this.content === null ? this.size - this.remaining : this.content.received;
  }

  /** Takes from `chunk[start, end)`; returns the index after the last octet of the BDAT chunk in it. */
  receive(chunk: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.remaining);
    this.remaining -= stop - start;
    this.content?.receive(chunk, start, stop);
    return stop;
  }
}
