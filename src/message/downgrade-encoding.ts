/**
 * Content transfer encodings (RFC 2045 section 6) for bytes that must become 7-bit, and what makes bytes need one.
 *
 * Quoted-printable keeps CRLF line ends and takes bytes whose every CR and LF is part of one; base64 takes any bytes.
 * Both give lines of at most 76 characters.
 */

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOT = 46;
const EQUALS = 61;
const LETTER_F = 70;
/** Longest line without its CRLF, bytes (RFC 5321 section 4.5.3.1.6). */
const MAX_LINE = 998;
const MAX_ENCODED_LINE = 76;
const HEX = Buffer.from('0123456789ABCDEF');

/** What stands in the way of sending bytes as 7-bit lines. */
export interface ByteNature {
  /** A byte above 127. */
  readonly eightBit: boolean;
  /** NUL, or a CR or LF that is not part of a CRLF. */
  readonly noText: boolean;
  /** A line over 998 bytes. */
  readonly longLine: boolean;
}

/** Looks at every byte. */
export function natureOf(bytes: Uint8Array): ByteNature {
  let eightBit = false;
  let noText = false;
  let longLine = false;
  let lineStart = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte > 127) eightBit = true;
    else if (byte === LF) {
      if (i === 0 || bytes[i - 1] !== CR) noText = true;
      else {
        if (i - 1 - lineStart > MAX_LINE) longLine = true;
        lineStart = i + 1;
      }
    } else if (byte === 0 || (byte === CR && bytes[i + 1] !== LF)) noText = true;
  }
  if (bytes.length - lineStart > MAX_LINE) longLine = true;
  return { eightBit, noText, longLine };
}

/** Whether bytes can go as they are. */
export function isSevenBit(nature: ByteNature): boolean {
  return !nature.eightBit && !nature.noText && !nature.longLine;
}

/**
 * Quoted-printable (RFC 2045 section 6.7). Beyond what must be, a dot and "From " at the start of a line are encoded,
 * which some gateways would change.
 */
export function encodeQuotedPrintable(bytes: Uint8Array): Buffer {
  const n = bytes.length;
  let encoded = 0;
  for (let i = 0; i < n; i++) if (!isPlain(bytes[i]!)) encoded++;
  // The first and last byte of a line may be encoded too: two characters each. Then every 73 characters or more there
  // is a soft break of three, and behind it perhaps another encoding.
  let lines = 1;
  for (let i = 0; i < n; i++) if (bytes[i] === LF) lines++;
  const most = n + 2 * encoded + 4 * lines;
  const target = Buffer.allocUnsafe(most + 6 * Math.ceil(most / 70) + 16);
  let at = 0;
  let column = 0;
  for (let i = 0; i < n; i++) {
    const byte = bytes[i]!;
    if (byte === CR && bytes[i + 1] === LF) {
      target[at++] = CR;
      target[at++] = LF;
      column = 0;
      i++;
      continue;
    }
    const lineEnds = i + 1 === n || (bytes[i + 1] === CR && bytes[i + 2] === LF);
    let plain = isPlain(byte);
    if ((byte === SPACE || byte === TAB) && lineEnds) plain = false;
    // One place of the 76 is kept for the soft line break, unless the line ends here.
    const width = plain ? 1 : 3;
    if (column + width > (lineEnds ? MAX_ENCODED_LINE : MAX_ENCODED_LINE - 1)) {
      target[at++] = EQUALS;
      target[at++] = CR;
      target[at++] = LF;
      column = 0;
    }
    if (column === 0 && (byte === DOT || (byte === LETTER_F && isFrom(bytes, i)))) plain = false;
    if (plain) {
      target[at++] = byte;
      column++;
    } else {
      target[at++] = EQUALS;
      target[at++] = HEX[byte >> 4]!;
      target[at++] = HEX[byte & 15]!;
      column += 3;
    }
  }
  return target.subarray(0, at);
}

function isPlain(byte: number): boolean {
  return (byte >= SPACE && byte < 127 && byte !== EQUALS) || byte === TAB;
}

function isFrom(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 1] === 114 && bytes[at + 2] === 111 && bytes[at + 3] === 109 && bytes[at + 4] === SPACE;
}

/** Base64 in lines of 76 (RFC 2045 section 6.8), without a CRLF behind the last. */
export function encodeBase64(bytes: Buffer): Buffer {
  const perLine = 57;
  const lines = Math.ceil(bytes.length / perLine);
  const target = Buffer.allocUnsafe(lines * (MAX_ENCODED_LINE + 2));
  let at = 0;
  for (let from = 0; from < bytes.length; from += perLine) {
    if (from > 0) {
      target[at++] = CR;
      target[at++] = LF;
    }
    at += target.write(bytes.toString('base64', from, Math.min(from + perLine, bytes.length)), at, 'latin1');
  }
  return target.subarray(0, at);
}
