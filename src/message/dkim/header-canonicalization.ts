/**
 * Header field canonicalization (RFC 6376 sections 3.4.1 and 3.4.2), from a scanned header into a scratch buffer.
 */
import type { HeaderScan } from '../header-scan.js';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

/**
 * Writes field `index` in relaxed form, with its CRLF, to `target` at `at`, which must have room for the field and three
 * bytes. Only CRLF is a line break: a bare CR or LF is kept as content.
 * @returns just past what was written.
 */
export function relaxField(scan: HeaderScan, index: number, target: Buffer, at: number): number {
  const { source } = scan;
  const end = scan.ends[index]!;
  let out = at;
  for (let i = scan.starts[index]!; i < scan.nameEnds[index]!; i++) {
    const c = source[i]!;
    target[out++] = c >= 65 && c <= 90 ? c | 32 : c;
  }
  target[out++] = COLON;
  const valueStart = out;
  let space = false;
  for (let i = scan.colons[index]! + 1; i < end; i++) {
    const c = source[i]!;
    if (c === SPACE || c === TAB) {
      space = true;
    } else if (c === CR && i + 1 < end && source[i + 1] === LF) {
      i++;
    } else {
      if (space && out > valueStart) target[out++] = SPACE;
      space = false;
      target[out++] = c;
    }
  }
  target[out++] = CR;
  target[out++] = LF;
  return out;
}

/** Writes field `index` as it stands, with a CRLF; room as for relaxField. */
export function copyField(scan: HeaderScan, index: number, target: Buffer, at: number): number {
  const start = scan.starts[index]!;
  const end = scan.ends[index]!;
  let out = at + scan.source.copy(target, at, start, end);
  if (scan.source[end - 2] !== CR || scan.source[end - 1] !== LF) {
    target[out++] = CR;
    target[out++] = LF;
  }
  return out;
}
