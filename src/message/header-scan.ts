/**
 * Finds the fields of a message header (RFC 5322 section 2.2) as offsets.
 *
 * Works on bytes in one piece (see readHeader for content in several) and reuses its arrays: one HeaderScan serves one
 * message after the other, and what it found holds until the next scan. No string is made.
 *
 * Only CRLF ends a line. The header ends at the first empty line; without one, everything is header. Content whose first
 * line is no field has an empty header (it begins with its body). A later line that is no field, and a line that begins
 * with a dot (which in wire form may be a stuffed one), is kept as a nameless entry: it is never edited or signed.
 */
import type { ContentLocation, ContentMemory } from './content-memory.js';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOT = 46;
const COLON = 58;

/** A field name made ready for comparison with the names in a scan; names match whatever their case. */
export class FieldName {
  readonly text: string;
  /** Lower case, for display and equality. */
  readonly lower: string;
  readonly hash: number;

  constructor(text: string) {
    this.text = text;
    this.lower = text.toLowerCase();
    let hash = 0;
    for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + (text.charCodeAt(i) | 32)) | 0;
    this.hash = hash;
  }
}

export class HeaderScan {
  /** The bytes that were scanned; offsets below are into it. */
  source: Buffer = Buffer.alloc(0);
  /** Entries found: fields and lines that are none. */
  count = 0;
  /** First byte of each entry. */
  starts = new Int32Array(64);
  /** Just past the field name, or the bytes of a line that is no field that could be one. */
  nameEnds = new Int32Array(64);
  /** The colon, -1 for an entry that is no field. */
  colons = new Int32Array(64);
  /** Just past the entry's last CRLF (or the end of the bytes). */
  ends = new Int32Array(64);
  /** FieldName.hash of the name. */
  hashes = new Int32Array(64);
  /** Just past the last entry: where the empty line begins, if there is one. */
  headerEnd = 0;
  /** First byte of the body. */
  bodyStart = 0;

  private words: Int32Array<ArrayBufferLike> = new Int32Array(0);
  private wordsBuffer: ArrayBufferLike | undefined;

  /**
   * Scans `source`. `complete`: there is no content behind these bytes.
   * @returns false when the header does not end within the bytes and they are not complete.
   */
  scan(source: Buffer, complete: boolean): boolean {
    const n = source.length;
    this.source = source;
    this.count = 0;
    if (source.buffer !== this.wordsBuffer) {
      this.wordsBuffer = source.buffer;
      this.words = new Int32Array(source.buffer, 0, source.buffer.byteLength >> 2);
    }
    let count = 0;
    let i = 0;
    while (i < n) {
      const start = i;
      let c = source[i]!;
      if (c === CR && i + 1 < n && source[i + 1] === LF) return this.finish(count, i, i + 2);
      let hash = 0;
      let colon = -1;
      let nameEnd = i;
      const continuation = c === SPACE || c === TAB;
      if (!continuation && c !== DOT) {
        while (c > SPACE && c < 127 && c !== COLON) {
          hash = (Math.imul(hash, 31) + (c | 32)) | 0;
          i++;
          if (i === n) break;
          c = source[i]!;
        }
        nameEnd = i;
        // White space before the colon is obsolete syntax that must be understood (RFC 5322 section 4.5).
        while (i < n && (c === SPACE || c === TAB)) {
          i++;
          if (i < n) c = source[i]!;
        }
        if (i < n && c === COLON && nameEnd > start) colon = i;
      }
      for (;;) {
        i = this.nextCr(source, i);
        if (i + 1 >= n) {
          if (!complete) return false;
          i = n;
          break;
        }
        if (source[i + 1] === LF) {
          i += 2;
          break;
        }
        i++;
      }
      if (colon < 0 && count === 0) return this.finish(0, 0, 0);
      if (continuation) {
        this.ends[count - 1] = i;
        continue;
      }
      if (count === this.starts.length) this.grow();
      this.starts[count] = start;
      this.nameEnds[count] = nameEnd;
      this.colons[count] = colon;
      this.ends[count] = i;
      this.hashes[count] = hash;
      count++;
    }
    return complete ? this.finish(count, n, n) : false;
  }

  /** Whether entry `index` is a field of this name. */
  is(index: number, name: FieldName): boolean {
    return this.hashes[index] === name.hash && this.colons[index]! >= 0 && this.beginsWith(index, name);
  }

  /** Whether entry `index` begins with this name, be it a field or a line without a colon where one belongs. */
  beginsWith(index: number, name: FieldName): boolean {
    const { lower } = name;
    const start = this.starts[index]!;
    if (this.nameEnds[index]! - start !== lower.length) return false;
    for (let i = 0; i < lower.length; i++) {
      const c = this.source[start + i]!;
      if ((c >= 65 && c <= 90 ? c | 32 : c) !== lower.charCodeAt(i)) return false;
    }
    return true;
  }

  /** A field's value: everything behind the colon, folds and last CRLF included, one character a byte. */
  value(index: number): string {
    return this.source.toString('latin1', this.colons[index]! + 1, this.ends[index]!);
  }

  /** The next CR from `i` on, or the end. Four bytes at a time where the bytes are aligned: half of a scan's time is here. */
  private nextCr(source: Buffer, from: number): number {
    const n = source.length;
    let i = from;
    if ((source.byteOffset & 3) === 0) {
      while ((i & 3) !== 0 && i < n) {
        if (source[i] === CR) return i;
        i++;
      }
      const { words } = this;
      const base = source.byteOffset / 4;
      const end = base + (n >> 2);
      let k = base + (i >> 2);
      while (k < end) {
        // Zero where a byte is a CR; the test for a zero byte may only err above one.
        const x = words[k]! ^ 0x0d0d0d0d;
        if (((x - 0x01010101) & ~x & 0x80808080) !== 0) break;
        k++;
      }
      i = Math.max(i, (k - base) << 2);
    }
    while (i < n && source[i] !== CR) i++;
    return i;
  }

  private finish(count: number, headerEnd: number, bodyStart: number): true {
    this.count = count;
    this.headerEnd = headerEnd;
    this.bodyStart = bodyStart;
    return true;
  }

  private grow(): void {
    for (const key of ['starts', 'nameEnds', 'colons', 'ends', 'hashes'] as const) {
      const bigger = new Int32Array(this[key].length * 2);
      bigger.set(this[key]);
      this[key] = bigger;
    }
  }
}

/**
 * Scans the header of content in shared segments: in place when it lies in one piece, which it nearly always does; else
 * the first bytes are copied together, at most twice as many as the header has.
 * @returns false when the header is longer than `maxHeaderSize` bytes.
 */
export function readHeader(
  scan: HeaderScan,
  memory: ContentMemory,
  location: ContentLocation,
  maxHeaderSize: number,
): boolean {
  const { length } = location;
  // The two bytes more are the empty line that ends a header of just the allowed size.
  const limit = Math.min(length, maxHeaderSize + 2);
  if (length === 0) return scan.scan(Buffer.alloc(0), true);
  let view = memory.piece(location, 0, limit);
  while (!scan.scan(view, view.length === length)) {
    if (view.length >= limit) return false;
    const copied = Buffer.allocUnsafe(Math.min(limit, Math.max(4096, view.length * 2)));
    memory.copyOut(location, 0, copied.length, copied, 0);
    view = copied;
  }
  return scan.headerEnd <= maxHeaderSize;
}
