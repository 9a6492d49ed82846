/**
 * The scanner of message content: one pass over each chunk, whatever way the stream is cut into chunks.
 *
 * In wire form (DATA) it finds the end, which is CRLF.CRLF and nothing else; in plain form (BDAT) the caller knows it.
 * On the way it notes what the envelope must say about the content and what may be a reason to refuse it, and hands the
 * bytes on in spans as long as the chunk. A dot or CR at the end of a chunk, which may yet turn out to be part of the
 * end of data or a bare CR, is held back until the next byte decides.
 *
 * Smuggling: to a lenient server a line may end with a bare CR or LF, and NULs may count as nothing. Every line in that
 * wide sense that holds one dot, perhaps NULs, and nothing else, is noted as a false end (unless converting makes it
 * harmless), so that no content that passes can end early anywhere.
 *
 * Speed: within a line four bytes are tested at once through an Int32Array over the chunk's memory; only CR, LF, NUL, and
 * the few other bytes below 14 leave that loop (bench/data-scanner.ts compares it with other ways).
 */

import { FLAW_BARE_CR, FLAW_BARE_LF, FLAW_FALSE_END, FLAW_LONG_HEADER, FLAW_LONG_LINE } from './content-flaws.js';

/** Takes content in order. `source` is not kept. */
export interface SpanSink {
  span(source: Uint8Array, start: number, end: number): void;
}

export interface ScannerSettings {
  /** Dot-stuffed, ended by CRLF.CRLF. */
  readonly wire: boolean;
  /** Bare CR and bare LF become CRLF in what is handed on. */
  readonly convert: boolean;
  /** Longest line with its CRLF, 0: any. */
  readonly maxTextLine: number;
  /** Bytes before the first empty line, 0: any. */
  readonly maxHeaderSize: number;
}

const CR = 0x0d;
const LF = 0x0a;
const NUL = 0;
const DOT = 0x2e;

// States: what came before the next byte. "Line start" in TRUE states means after CRLF (or nothing), in BARE states after
// a bare CR or LF.
const TEXT = 0;
const START_TRUE = 1;
const START_BARE = 2;
/** A line of NULs so far. */
const NULS = 3;
/** A line that is one dot so far. */
const DOT_TRUE = 4;
const DOT_BARE = 5;
/** A line of one dot and NULs so far. */
const DOT_NUL = 6;
/** CR that ends an empty line, a lone dot at a true line start, anything else; LF is still to come. */
const CR_EMPTY = 7;
const CR_DOT = 8;
const CR_TEXT = 9;

const HELD_DOT = Buffer.from('.');
const HELD_CR = Buffer.from('\r');
const HELD_DOT_CR = Buffer.from('.\r');
const CRLF = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);

/** A byte below 14 is in the word: (w - 0x0e0e0e0e) & ~w & 0x80808080, exact for the word as a whole. */
const FOURTEENS = 0x0e0e0e0e;
const TOP_BITS = 0x80808080 | 0;
/** Makes the first 0 to 3 bytes of a little-endian word ordinary. */
const PAINT = new Int32Array([0, 0x7f, 0x7f7f, 0x7f7f7f]);

// Chunks are mostly views of one read buffer: its word view is made once. It is only a cache, kept for all scanners.
let viewed: ArrayBufferLike = NOTHING.buffer;
let words: Int32Array = new Int32Array(0);

function wordsOf(buffer: ArrayBufferLike): Int32Array {
  if (buffer !== viewed) {
    words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    viewed = buffer;
  }
  return words;
}

export class ContentScanner {
  /** FLAW_* bits. */
  flaws = 0;
  /** Lines (in the form handed on) whose first byte is a dot. */
  dotLines = 0;
  /** A NUL was in it. */
  nul = false;
  /** The end of data was found; `scan` is not called again. */
  ended = false;
  private headerSize = 0;
  private inHeader = true;
  private topBits = 0;
  private state = START_TRUE;
  /** Bytes of the current line that came in earlier chunks. */
  private lineBytes = 0;
  private readonly settings: ScannerSettings;
  private readonly sink: SpanSink;

  constructor(settings: ScannerSettings, sink: SpanSink) {
    this.settings = settings;
    this.sink = sink;
  }

  /** A byte above 127 was in it. */
  get eightBit(): boolean {
    return (this.topBits & TOP_BITS) !== 0;
  }

  /** What was handed on is empty or ends with CRLF. */
  get atLineStart(): boolean {
    return this.state === START_TRUE || (this.state === START_BARE && this.settings.convert);
  }

  /** Scans `chunk[start, end)`. Returns the index after the end of data, or `end` where that has not come. */
  scan(chunk: Buffer, start: number, end: number): number {
    if (start >= end) return end;
    const view = wordsOf(chunk.buffer);
    const offset = chunk.byteOffset;
    const { wire, convert } = this.settings;
    const longest = this.longestLine;
    const held = this.heldBack();
    let state = this.state;
    let bits = 0;
    /** First byte that is not handed on yet; bytes held back count as standing before `start`. */
    let from = start - held.length;
    let lineStart = start - this.lineBytes;
    let i = start;
    /** Words before this one lie wholly before `end`. */
    const lastWord = (end + offset) >> 2;

    while (i < end) {
      if (state === TEXT) {
        // To the next byte below 14. The first word may hold bytes before `i`: they are painted over.
        let w = (i + offset) >> 2;
        let low = 0;
        if (w < lastWord) {
          let word = view[w]! | PAINT[(i + offset) & 3]!;
          low = (word - FOURTEENS) & ~word & TOP_BITS;
          if (low === 0) {
            bits |= word;
            w++;
            // Four words at once are nearly twice as fast as one by one.
            while (w + 3 < lastWord) {
              const p = view[w]!;
              const q = view[w + 1]!;
              const r = view[w + 2]!;
              const s = view[w + 3]!;
              const special =
                ((p - FOURTEENS) & ~p) | ((q - FOURTEENS) & ~q) | ((r - FOURTEENS) & ~r) | ((s - FOURTEENS) & ~s);
              if ((special & TOP_BITS) !== 0) break;
              bits |= p | q | r | s;
              w += 4;
            }
            while (w < lastWord) {
              word = view[w]!;
              low = (word - FOURTEENS) & ~word & TOP_BITS;
              if (low !== 0) break;
              bits |= word;
              w++;
            }
          }
          if (low !== 0) {
            // The lowest bit is right, those above it need not be.
            low &= -low;
            bits |= word & (low - 1);
            i = (w << 2) - offset + ((31 - Math.clz32(low)) >> 3);
          } else i = (w << 2) - offset;
        }
        if (low === 0) {
          while (i < end && chunk[i]! >= 14) bits |= chunk[i++]! << 24;
          if (i >= end) break;
        }
      }
      const b = chunk[i++]!;

      if (b === CR) {
        if (state === TEXT) {
          // The ordinary end of a line, followed by an ordinary character, at once.
          if (i + 1 < end && chunk[i] === LF) {
            if (i - 1 - lineStart > longest) this.flaws |= FLAW_LONG_LINE;
            lineStart = ++i;
            if (chunk[i]! > DOT) bits |= chunk[i++]! << 24;
            else state = START_TRUE;
          } else state = CR_TEXT;
          continue;
        }
        if (state >= CR_EMPTY) {
          // A second CR: the first was bare.
          from = this.bareNewline(FLAW_BARE_CR, state, chunk, held, start, from, i - 2, lineStart);
          if (convert) lineStart = i - 1;
          state = convert ? CR_EMPTY : CR_TEXT;
        } else if (state === START_TRUE || (state === START_BARE && convert)) state = CR_EMPTY;
        else if (state === DOT_TRUE) state = CR_DOT;
        else {
          if (state === DOT_NUL || (state === DOT_BARE && !convert)) this.flaws |= FLAW_FALSE_END;
          state = CR_TEXT;
        }
        continue;
      }

      if (b === LF) {
        if (state >= CR_EMPTY) {
          if (state === CR_DOT && wire) {
            this.dotLines--;
            this.state = START_TRUE;
            this.topBits |= bits;
            this.ended = true;
            if (this.inHeader) this.countHeader(i - 3 - (start - held.length));
            this.hand(chunk, held, start, from, i - 3);
            return i;
          }
          if (i - 2 - lineStart > longest) this.flaws |= FLAW_LONG_LINE;
          lineStart = i;
          if (state === CR_EMPTY && this.inHeader) {
            this.countHeader(i - (start - held.length));
            this.inHeader = false;
          }
          state = START_TRUE;
          continue;
        }
        from = this.bareNewline(FLAW_BARE_LF, state, chunk, held, start, from, i - 1, lineStart);
        if (convert) lineStart = i;
        state = START_BARE;
        continue;
      }

      if (state === TEXT) {
        if (b === NUL) this.nul = true;
        continue;
      }
      bits |= b << 24;
      if (state >= CR_EMPTY) {
        // Neither CR nor LF after CR: that was bare, and this byte begins a line in the wide sense.
        from = this.bareNewline(FLAW_BARE_CR, state, chunk, held, start, from, i - 2, lineStart);
        if (convert) lineStart = i - 1;
        state = START_BARE;
      }
      if (b === DOT) {
        if (state === START_TRUE) {
          this.dotLines++;
          state = DOT_TRUE;
        } else if (state === START_BARE) {
          if (convert) {
            this.dotLines++;
            if (wire) {
              this.hand(chunk, held, start, from, i - 1);
              this.sink.span(HELD_DOT, 0, 1);
              from = i - 1;
            }
          }
          state = DOT_BARE;
        } else state = state === NULS ? DOT_NUL : TEXT;
      } else if (b === NUL) {
        this.nul = true;
        if (state === START_TRUE || state === START_BARE) state = NULS;
        else if (state !== NULS) state = DOT_NUL;
      } else state = TEXT;
    }

    this.state = state;
    this.topBits |= bits;
    this.lineBytes = end - lineStart;
    const to = end - this.heldBack().length;
    if (this.inHeader) this.countHeader(to - (start - held.length));
    this.hand(chunk, held, start, from, to);
    return end;
  }

  /** Plain form: the content is complete. What was held back goes out; a CR at the very end is bare. */
  finish(): void {
    const { state } = this;
    const held = this.heldBack();
    if (state >= CR_EMPTY) {
      this.bareNewline(FLAW_BARE_CR, state, NOTHING, held, 0, -held.length, -1, -this.lineBytes);
      if (!this.settings.convert) this.sink.span(held, 0, held.length);
      if (this.inHeader) this.countHeader(held.length);
      this.state = START_BARE;
    } else if (state === DOT_NUL || (state === DOT_BARE && !this.settings.convert)) this.flaws |= FLAW_FALSE_END;
    if (this.lineBytes - held.length > this.longestLine) this.flaws |= FLAW_LONG_LINE;
  }

  private get longestLine(): number {
    const { maxTextLine } = this.settings;
    return maxTextLine === 0 ? Number.POSITIVE_INFINITY : maxTextLine - 2;
  }

  /** The bytes that wait for the next one in the present state. A lone dot only where it may be the end of data. */
  private heldBack(): Buffer {
    switch (this.state) {
      case DOT_TRUE:
        return this.settings.wire ? HELD_DOT : NOTHING;
      case CR_DOT:
        return this.settings.wire ? HELD_DOT_CR : HELD_CR;
      case CR_EMPTY:
      case CR_TEXT:
        return HELD_CR;
      default:
        return NOTHING;
    }
  }

  /** Hands on everything from `from` to `to`; what lies before `start` is in `held`. */
  private hand(chunk: Buffer, held: Buffer, start: number, from: number, to: number): void {
    if (from < start && from < to) {
      const origin = start - held.length;
      this.sink.span(held, from - origin, Math.min(to, start) - origin);
    }
    const first = Math.max(from, start);
    if (first < to) this.sink.span(chunk, first, to);
  }

  /** Notes a bare CR or LF at `at`; when converting hands CRLF on in its place. Returns the new `from`. */
  private bareNewline(
    flaw: number,
    state: number,
    chunk: Buffer,
    held: Buffer,
    start: number,
    from: number,
    at: number,
    lineStart: number,
  ): number {
    const { wire, convert } = this.settings;
    this.flaws |= flaw;
    const loneDot = state === DOT_TRUE || state === CR_DOT;
    if (!convert) {
      if (loneDot || state === DOT_BARE || state === DOT_NUL) this.flaws |= FLAW_FALSE_END;
      return from;
    }
    if (state === DOT_NUL) this.flaws |= FLAW_FALSE_END;
    if (at - lineStart > this.longestLine) this.flaws |= FLAW_LONG_LINE;
    if (this.inHeader && (state === START_TRUE || state === START_BARE || state === CR_EMPTY)) {
      this.countHeader(at - (start - held.length));
      this.inHeader = false;
    }
    this.hand(chunk, held, start, from, at);
    // The line is now one dot: stuffed, or it would end the data.
    if (loneDot && wire) this.sink.span(HELD_DOT, 0, 1);
    this.sink.span(CRLF, 0, 2);
    return at + 1;
  }

  private countHeader(bytes: number): void {
    this.headerSize += bytes;
    const { maxHeaderSize } = this.settings;
    if (maxHeaderSize !== 0 && this.headerSize > maxHeaderSize) this.flaws |= FLAW_LONG_HEADER;
  }
}
