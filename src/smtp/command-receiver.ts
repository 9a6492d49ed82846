/**
 * Command lines out of the stream. Only CRLF ends a line (RFC 5321 section 2.3.8).
 *
 * A line that lies whole in the chunk is looked at where it lies; one that is split is gathered in a small buffer that
 * exists only meanwhile. A line that is too long is dropped as it comes, up to a bound. A bare CR or LF never splits a
 * line: the line they are in is faulty as a whole.
 */

/** What is wrong or special with a line, as bits. */
export const LINE_BARE_NEWLINE = 1;
/** NUL or another control character; a tab is not counted. */
export const LINE_CONTROL = 2;
export const LINE_TOO_LONG = 4;
/** A byte above 127. */
export const LINE_EIGHT_BIT = 8;

/** Bytes of one line before the client is cut off. */
const ENDLESS = 64 * 1024;
const FIRST_CARRY = 256;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
/** First byte of a TLS record that holds a handshake: somebody speaks TLS to a plain port. */
const TLS_HANDSHAKE = 0x16;

const NOTHING = Buffer.alloc(0);

/** What `receive` found. */
export const LINE_INCOMPLETE = 0;
export const LINE_COMPLETE = 1;
export const LINE_ENDLESS = 2;
export const LINE_TLS = 3;

export class CommandReceiver {
  /** The complete line is `bytes[start, end)`, without CRLF and trailing blanks; valid until `clear`. */
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  /** Bytes of the complete line with all that was cut off its end. */
  length = 0;
  /** LINE_* bits of the line so far. */
  flaws = 0;
  /** Index in the chunk of the first byte that was not taken. */
  next = 0;
  /** Bytes of this line that came in earlier chunks. */
  private earlier = 0;
  private carry: Buffer | null = null;
  private endsWithCr = false;

  /** Takes bytes of one line from `chunk[start, end)`; `maxLine` counts CRLF. Returns LINE_INCOMPLETE and so on. */
  receive(chunk: Buffer, start: number, end: number, maxLine: number): number {
    if (this.earlier === 0 && start < end && chunk[start] === TLS_HANDSHAKE) {
      this.next = end;
      return LINE_TLS;
    }
    let { flaws, endsWithCr } = this;
    let i = start;
    while (i < end) {
      const b = chunk[i++]!;
      if (b >= SPACE && b < 0x7f && !endsWithCr) continue;
      if (b === LF && endsWithCr) return this.complete(chunk, start, i, flaws, maxLine);
      // CR without LF, or LF without CR.
      if (endsWithCr || b === LF) flaws |= LINE_BARE_NEWLINE;
      endsWithCr = b === CR;
      if (b > 0x7f) flaws |= LINE_EIGHT_BIT;
      else if (b === 0x7f || (b < SPACE && b !== TAB && b !== CR && b !== LF)) flaws |= LINE_CONTROL;
    }
    this.next = end;
    this.flaws = flaws;
    this.endsWithCr = endsWithCr;
    this.keep(chunk, start, end, maxLine);
    return this.earlier > ENDLESS ? LINE_ENDLESS : LINE_INCOMPLETE;
  }

  /** The line was dealt with. */
  clear(): void {
    this.bytes = NOTHING;
    this.carry = null;
    this.earlier = 0;
    this.flaws = 0;
    this.endsWithCr = false;
  }

  private complete(chunk: Buffer, start: number, next: number, flaws: number, maxLine: number): number {
    this.next = next;
    const length = this.earlier + next - start;
    this.length = length;
    if (length > ENDLESS) return LINE_ENDLESS;
    if (length > maxLine) {
      this.flaws = flaws | LINE_TOO_LONG;
      return LINE_COMPLETE;
    }
    if (this.earlier === 0) {
      this.bytes = chunk;
      this.start = start;
      this.end = next - 2;
    } else {
      this.keep(chunk, start, next, maxLine);
      this.bytes = this.carry!;
      this.start = 0;
      this.end = length - 2;
    }
    this.flaws = flaws;
    const { bytes } = this;
    while (this.end > this.start && (bytes[this.end - 1] === SPACE || bytes[this.end - 1] === TAB)) this.end--;
    return LINE_COMPLETE;
  }

  /** Adds a part of a line to the carry buffer; past `maxLine` only the count goes on. */
  private keep(chunk: Buffer, start: number, end: number, maxLine: number): void {
    const before = this.earlier;
    const length = before + end - start;
    this.earlier = length;
    if (length > maxLine) {
      this.carry = null;
      return;
    }
    if (this.carry === null || this.carry.length < length) {
      // Not from Node's shared slab: a few carried bytes would keep the whole slab alive.
      const larger = Buffer.allocUnsafeSlow(Math.min(maxLine, Math.max(FIRST_CARRY, length * 2)));
      if (this.carry !== null) this.carry.copy(larger, 0, 0, before);
      this.carry = larger;
    }
    chunk.copy(this.carry, before, start, end);
  }
}
