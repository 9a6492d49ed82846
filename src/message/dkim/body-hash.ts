/**
 * The DKIM body hash (RFC 6376 sections 3.4.3, 3.4.4 and 3.7) over content that lies in shared segments.
 *
 * Where the body's last content is, is found from its end, so that no line end needs to be held back. Simple
 * canonicalization of content without stuffed dots is then hashed where it lies. All else is copied in blocks to a
 * scratch buffer and made canonical there in place: the scan looks at four bytes at a time and moves nothing as long as
 * nothing changes, which costs about half as much as the hash itself; a byte at a time cost four times as much. A body
 * that fits one block is hashed in one native call; memory does not grow with the message.
 * One BodyHasher per thread; not reentrant.
 */
import { createHash, type Hash, hash as hashOnce } from 'node:crypto';
import type { ContentLocation, ContentMemory } from '../content-memory.js';

export type Canonicalization = 'simple' | 'relaxed';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOT = 46;
const CRLF = Buffer.from('\r\n');
const STUFFED = Buffer.from('\r\n.');

const SCRATCH = 65_536;
/** Below this many bytes a loop moves them sooner than a native call. */
const SHORT_MOVE = 32;

export class BodyHasher {
  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH);
  private readonly words = new Int32Array(this.scratch.buffer);
  private readonly kept = Buffer.alloc(3);

  /**
   * The base64 SHA-256 of the canonical body.
   * @param from - content offset at which the body begins.
   * @param unstuff - the content is dot-stuffed (RFC 5321 section 4.5.2) and has lines that begin with a dot.
   */
  digest(
    memory: ContentMemory,
    location: ContentLocation,
    from: number,
    canonicalization: Canonicalization,
    unstuff: boolean,
  ): string {
    const relaxed = canonicalization === 'relaxed';
    const end = contentEnd(memory, location, from, relaxed);
    // Section 3.4.4: an empty body stays empty in relaxed form; in simple form it is one CRLF.
    if (end === from) return hashOnce('sha256', relaxed ? '' : '\r\n', 'base64');
    if (!relaxed && !unstuff) return hashInPlace(memory, location, from, end);
    const { scratch } = this;
    let at = unstuff && memory.at(location, from) === DOT ? from + 1 : from;
    let carried = 0;
    let hash: Hash | null = null;
    for (;;) {
      const n = Math.min(end - at, SCRATCH - 8 - carried);
      memory.copyOut(location, at, at + n, scratch, carried);
      at += n;
      const filled = carried + n;
      const last = at === end;
      const whole = last ? filled : decidedEnd(scratch, filled, relaxed);
      const undecided = last ? 0 : this.keep(whole, filled);
      const made = relaxed ? this.relax(whole, unstuff) : this.unstuff(whole);
      if (last) {
        scratch[made] = CR;
        scratch[made + 1] = LF;
        const rest = scratch.subarray(0, made + 2);
        return hash === null ? hashOnce('sha256', rest, 'base64') : (hash as Hash).update(rest).digest('base64');
      }
      hash ??= createHash('sha256');
      hash.update(scratch.subarray(0, made));
      scratch.set(this.kept.subarray(0, undecided));
      carried = undecided;
    }
  }

  /** Keeps the undecided end of a block for the next, its white space as one space; its length, at most 3. */
  private keep(from: number, to: number): number {
    const { scratch, kept } = this;
    let i = from;
    let length = 0;
    while (i < to && (scratch[i] === SPACE || scratch[i] === TAB)) i++;
    if (i > from) kept[length++] = SPACE;
    while (i < to) kept[length++] = scratch[i++]!;
    return length;
  }

  /** Makes scratch bytes [0, end) relaxed in place; the new end. Runs of white space must be complete. */
  private relax(end: number, unstuff: boolean): number {
    const { scratch, words } = this;
    // The words read past the end must look like content.
    scratch.fill(0x78, end, end + 8);
    const lastWord = end >> 2;
    // Bytes [run, at) are content to be kept; what came before them is at [0, out) already.
    let out = 0;
    let run = 0;
    let at = 0;
    while (at < end) {
      if ((at & 3) === 0) {
        let k = at >> 2;
        let before = 0;
        // Marks bytes of 32 and less, and those below 32, by the high bit of each byte. A word needs a closer look when
        // one of its bytes is below 32 or a space follows a space.
        while (k < lastWord) {
          const word = words[k]!;
          const low = word & 0x7f7f7f7f;
          const blank = ~((low + 0x5f5f5f5f) | word) & 0x80808080;
          const control = ~((low + 0x60606060) | word) & 0x80808080;
          if ((control | (blank & ((blank << 8) | before))) !== 0) break;
          before = blank >>> 24;
          k++;
        }
        at = before === 0 ? k << 2 : (k << 2) - 1;
      }
      // Byte by byte to the end of the word, or to the last byte.
      const stop = Math.min(end, (at & ~3) + ((at & 3) === 3 ? 8 : 4));
      while (at < stop) {
        const c = scratch[at]!;
        if (c > SPACE || c === CR) {
          at++;
        } else if (c === SPACE || c === TAB) {
          let next = at + 1;
          while (scratch[next] === SPACE || scratch[next] === TAB) next++;
          const dropped = scratch[next] === CR && scratch[next + 1] === LF;
          if (dropped || next - at > 1 || c === TAB) {
            out = this.move(run, at, out);
            if (!dropped) scratch[out++] = SPACE;
            run = next;
          }
          at = next;
        } else if (c === LF && unstuff && at > 0 && scratch[at - 1] === CR && scratch[at + 1] === DOT) {
          out = this.move(run, at + 1, out);
          run = at + 2;
          at += 2;
        } else {
          at++;
        }
      }
    }
    return this.move(run, end, out);
  }

  /** Takes stuffed dots out of scratch bytes [0, end) in place; the new end. */
  private unstuff(end: number): number {
    const bytes = this.scratch.subarray(0, end);
    let out = 0;
    let run = 0;
    for (let at = bytes.indexOf(STUFFED); at >= 0; at = bytes.indexOf(STUFFED, run)) {
      out = this.move(run, at + 2, out);
      run = at + 3;
    }
    return this.move(run, end, out);
  }

  private move(from: number, to: number, out: number): number {
    const { scratch } = this;
    if (from === out) return to;
    if (to - from > SHORT_MOVE) {
      scratch.copyWithin(out, from, to);
      return out + to - from;
    }
    let target = out;
    for (let i = from; i < to; i++) scratch[target++] = scratch[i]!;
    return target;
  }
}

/** Just past the body's last content byte: without the empty lines at its end (in relaxed form also blank ones) and its last CRLF. */
function contentEnd(memory: ContentMemory, location: ContentLocation, from: number, relaxed: boolean): number {
  let end = location.length;
  for (;;) {
    if (relaxed) {
      while (end > from && (memory.at(location, end - 1) === SPACE || memory.at(location, end - 1) === TAB)) end--;
    }
    if (end - from < 2 || memory.at(location, end - 1) !== LF || memory.at(location, end - 2) !== CR) return end;
    end -= 2;
  }
}

/** Where the end of a block begins whose meaning depends on the next: (relaxed) white space, a CR, a CRLF, in this order. */
function decidedEnd(bytes: Buffer, filled: number, relaxed: boolean): number {
  let end = filled;
  if (bytes[end - 1] === LF && bytes[end - 2] === CR) end -= 2;
  else if (bytes[end - 1] === CR) end--;
  if (!relaxed) return end;
  while (end > 0 && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  return end;
}

function hashInPlace(memory: ContentMemory, location: ContentLocation, from: number, end: number): string {
  const hash = createHash('sha256');
  let at = from;
  while (at < end) {
    const piece = memory.piece(location, at, end);
    hash.update(piece);
    at += piece.length;
  }
  return hash.update(CRLF).digest('base64');
}
