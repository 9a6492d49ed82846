/**
 * What a MIME entity's header says about its body (RFC 2045 section 5 and 6), and where the parts of a multipart lie.
 *
 * Strict on purpose: what cannot be read with certainty is a `Malformed`, because it is about to be rewritten.
 */
import { FieldName, HeaderScan } from './header-scan.js';

/** Thrown for an entity whose structure is not certain; the message says what is wrong with it. */
export class Malformed extends Error {}

export interface EntityHeader {
  /** Media type and subtype, lower case; 'text/plain' when the header has none. */
  readonly mediaType: string;
  readonly hasContentType: boolean;
  /** Boundary parameter, '' when there is none. */
  readonly boundary: string;
  /** Transfer encoding, lower case, '7bit' when the header has none. */
  readonly encoding: string;
  /** Bytes of the encoding's field, CRLF included; both `headerEnd` when there is none. */
  readonly encodingStart: number;
  readonly encodingEnd: number;
  readonly hasMimeVersion: boolean;
  /** A signature over the whole message is in it (DKIM, ARC). */
  readonly signed: boolean;
  /** The empty line, and the first byte behind it. */
  readonly headerEnd: number;
  readonly bodyStart: number;
}

const CONTENT_TYPE = new FieldName('Content-Type');
const ENCODING = new FieldName('Content-Transfer-Encoding');
const MIME_VERSION = new FieldName('MIME-Version');
const SIGNATURES = [new FieldName('DKIM-Signature'), new FieldName('ARC-Message-Signature')];
const TOKEN = "[!#$%&'*+.^_`{|}~0-9A-Za-z-]+";
const MEDIA_TYPE = new RegExp(`^\\s*(${TOKEN})\\s*/\\s*(${TOKEN})\\s*(;|$)`);
const PARAMETER = new RegExp(`;\\s*(${TOKEN})\\s*=\\s*("(?:[^"\\\\]|\\\\.)*"|[^\\s;"]+)\\s*(?=;|$)`, 'gs');
/** RFC 2046 section 5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

/** Reads the header of an entity. @throws Malformed */
export function readEntityHeader(entity: Buffer): EntityHeader {
  const scan = new HeaderScan();
  scan.scan(entity, true);
  if (scan.bodyStart === scan.headerEnd) throw new Malformed('a header that has no end');
  let contentType: string | undefined;
  let encoding: string | undefined;
  let encodingStart = scan.headerEnd;
  let encodingEnd = scan.headerEnd;
  let hasMimeVersion = false;
  let signed = false;
  for (let index = 0; index < scan.count; index++) {
    if (scan.colons[index]! < 0) throw new Malformed('a header line that is no field');
    if (scan.is(index, CONTENT_TYPE)) {
      if (contentType !== undefined) throw new Malformed('two Content-Type fields');
      contentType = withoutComments(scan.value(index));
    } else if (scan.is(index, ENCODING)) {
      if (encoding !== undefined) throw new Malformed('two Content-Transfer-Encoding fields');
      encoding = withoutComments(scan.value(index)).trim().toLowerCase();
      encodingStart = scan.starts[index]!;
      encodingEnd = scan.ends[index]!;
    } else if (scan.is(index, MIME_VERSION)) hasMimeVersion = true;
    else if (SIGNATURES.some((name) => scan.is(index, name))) signed = true;
  }
  return {
    ...readContentType(contentType),
    hasContentType: contentType !== undefined,
    encoding: encoding ?? '7bit',
    encodingStart,
    encodingEnd,
    hasMimeVersion,
    signed,
    headerEnd: scan.headerEnd,
    bodyStart: scan.bodyStart,
  };
}

function readContentType(value: string | undefined): { mediaType: string; boundary: string } {
  if (value === undefined) return { mediaType: 'text/plain', boundary: '' };
  const match = MEDIA_TYPE.exec(value);
  if (match === null) throw new Malformed('a Content-Type that cannot be read');
  const mediaType = `${match[1]}/${match[2]}`.toLowerCase();
  let boundary: string | undefined;
  for (const [, name = '', given = ''] of value.matchAll(PARAMETER)) {
    if (name.toLowerCase() !== 'boundary') continue;
    if (boundary !== undefined) throw new Malformed('two boundaries');
    boundary = given.startsWith('"') ? given.slice(1, -1).replace(/\\(.)/gs, '$1') : given;
    if (!BOUNDARY.test(boundary)) throw new Malformed('a boundary that is not allowed');
  }
  if (mediaType.startsWith('multipart/') && boundary === undefined) throw new Malformed('a multipart without boundary');
  return { mediaType, boundary: boundary ?? '' };
}

/** Takes RFC 5322 comments out, nested ones too, and unfolds. */
function withoutComments(value: string): string {
  let kept = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < value.length; i++) {
    const c = value[i]!;
    if (c === '\\' && (quoted || depth > 0)) {
      if (depth === 0) kept += c + (value[i + 1] ?? '');
      i++;
    } else if (c === '"' && depth === 0) {
      quoted = !quoted;
      kept += c;
    } else if (c === '(' && !quoted) depth++;
    else if (c === ')' && depth > 0) depth--;
    else if (depth === 0 && c !== '\r' && c !== '\n') kept += c;
  }
  if (quoted || depth > 0) throw new Malformed('a quoted string or comment that has no end');
  return kept;
}

/** A stretch of bytes: [start, end). */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/**
 * The parts of a multipart body (RFC 2046 section 5.1.1). What lies before, between and behind them (preamble,
 * delimiter lines, epilogue) is the rest. @throws Malformed without a first or a closing delimiter.
 */
export function splitMultipart(body: Buffer, boundary: string): Stretch[] {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  const parts: Stretch[] = [];
  let partStart = -1;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && !(body[at - 1] === 10 && body[at - 2] === 13)) continue;
    let i = at + delimiter.length;
    const closing = body[i] === 45 && body[i + 1] === 45;
    if (closing) i += 2;
    while (body[i] === 32 || body[i] === 9) i++;
    const lineEnds = body[i] === 13 && body[i + 1] === 10;
    if (!lineEnds && !(closing && i === body.length)) continue;
    // The CRLF before a delimiter belongs to it; two delimiters in a row share the one between them.
    if (partStart >= 0) parts.push({ start: partStart, end: Math.max(partStart, at - 2) });
    else if (closing) break;
    if (closing) return parts;
    partStart = i + 2;
  }
  throw new Malformed(partStart < 0 ? 'a multipart without parts' : 'a multipart that has no end');
}
