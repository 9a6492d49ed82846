/**
 * A message in 7-bit form, for a next hop without 8BITMIME or BINARYMIME (RFC 6152 section 3, RFC 3030 section 3).
 *
 * Contract: only the transfer encoding of parts that need it changes; what they decode to stays the same byte for byte,
 * and everything that is 7-bit already stays as it is. Refused, with the reason, where that would break something: a
 * signature (DKIM, ARC, multipart/signed), encryption, header fields that are not ASCII, parts that must not be encoded
 * (RFC 2046 section 5.2, RFC 3464), and every structure that is not certain.
 * Limits: MAX_DEPTH levels of nesting. Works on the whole content in memory; the result is up to three times as large.
 */
import { encodeBase64, encodeQuotedPrintable, isSevenBit, natureOf } from './downgrade-encoding.js';
import { type EntityHeader, Malformed, readEntityHeader, splitMultipart } from './downgrade-entity.js';

export type DowngradeResult =
  | { readonly ok: Buffer }
  /** Why it was not converted, to follow "the message" in a sentence's place: a clause without capital or full stop. */
  | { readonly refused: string };

const MAX_DEPTH = 20;
const BLANK_LINE = Buffer.from('\r\n');

/** How an entity is embedded: as a whole message, as a part, or as a part of multipart/digest. */
type Role = 'message' | 'part' | 'digest-part';

class Refusal extends Error {}

/** Brings content (plain form, not dot-stuffed) into 7-bit form. Content that is 7-bit is given back unchanged. */
export function downgradeTo7Bit(content: Buffer): DowngradeResult {
  const pieces: Buffer[] = [];
  try {
    convert(content, 'message', 0, pieces);
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    if (error instanceof Malformed) return { refused: `its MIME structure is malformed: ${error.message}` };
    throw error;
  }
  return { ok: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) };
}

function convert(entity: Buffer, role: Role, depth: number, out: Buffer[]): void {
  if (isSevenBit(natureOf(entity))) {
    out.push(entity);
    return;
  }
  if (depth > MAX_DEPTH) throw new Refusal('its parts are nested too deeply');
  const header = readEntityHeader(entity);
  const headerNature = natureOf(entity.subarray(0, header.headerEnd));
  if (headerNature.eightBit) throw new Refusal('a header field is not ASCII');
  if (!isSevenBit(headerNature)) throw new Refusal('a header field has a line that cannot be sent');
  if (header.signed && role === 'message') throw new Refusal('conversion would break its signature');
  if (!/^(7bit|8bit|binary|quoted-printable|base64)$/.test(header.encoding)) {
    throw new Refusal('a part has an unknown transfer encoding');
  }
  const body = entity.subarray(header.bodyStart);
  const mediaType = role === 'digest-part' && !header.hasContentType ? 'message/rfc822' : header.mediaType;
  if (mediaType.startsWith('multipart/')) convertMultipart(entity, header, role, depth, out);
  else if (mediaType === 'message/rfc822') {
    composite(entity, header, role, out);
    convert(body, 'message', depth + 1, out);
  } else if (mediaType.startsWith('message/') && !mediaType.startsWith('message/global')) {
    throw new Refusal(`a part of type ${mediaType} may not be encoded`);
  } else convertLeaf(entity, header, role, mediaType, out);
}

function convertMultipart(entity: Buffer, header: EntityHeader, role: Role, depth: number, out: Buffer[]): void {
  if (header.mediaType === 'multipart/signed') throw new Refusal('conversion would break a signature');
  if (header.mediaType === 'multipart/encrypted') throw new Refusal('it is encrypted');
  const body = entity.subarray(header.bodyStart);
  const parts = splitMultipart(body, header.boundary);
  composite(entity, header, role, out);
  const partRole = header.mediaType === 'multipart/digest' ? 'digest-part' : 'part';
  let done = 0;
  for (const part of parts) {
    pushRest(body.subarray(done, part.start), out);
    convert(body.subarray(part.start, part.end), partRole, depth + 1, out);
    done = part.end;
  }
  pushRest(body.subarray(done), out);
}

/** What lies outside of the parts has no encoding that could be changed. */
function pushRest(bytes: Buffer, out: Buffer[]): void {
  if (!isSevenBit(natureOf(bytes))) throw new Refusal('there is 8-bit text outside of the parts');
  out.push(bytes);
}

function convertLeaf(entity: Buffer, header: EntityHeader, role: Role, mediaType: string, out: Buffer[]): void {
  if (header.encoding === 'quoted-printable' || header.encoding === 'base64') {
    throw new Malformed(`bytes that ${header.encoding} cannot have`);
  }
  const body = entity.subarray(header.bodyStart);
  const text = mediaType.startsWith('text/') || mediaType.startsWith('message/');
  if (text && !natureOf(body).noText) {
    pushHeader(entity, header, role, 'quoted-printable', out);
    out.push(encodeQuotedPrintable(body));
    return;
  }
  pushHeader(entity, header, role, 'base64', out);
  out.push(encodeBase64(body));
  // A part's last line is ended by the delimiter behind it.
  if (role === 'message') out.push(BLANK_LINE);
}

/** The header of an entity made of others: its encoding can only be 7bit, 8bit or binary (RFC 2045 section 6.4). */
function composite(entity: Buffer, header: EntityHeader, role: Role, out: Buffer[]): void {
  if (header.encoding === 'quoted-printable' || header.encoding === 'base64') {
    throw new Malformed(`a ${header.mediaType} in ${header.encoding}`);
  }
  pushHeader(entity, header, role, '7bit', out);
}

/** The header with another transfer encoding, and the empty line. */
function pushHeader(entity: Buffer, header: EntityHeader, role: Role, encoding: string, out: Buffer[]): void {
  let added = '';
  if (role === 'message' && !header.hasMimeVersion) {
    added += 'MIME-Version: 1.0\r\n';
    // RFC 1428 section 3: text of a time, or a sender, that knows no MIME.
    if (!header.hasContentType) added += 'Content-Type: text/plain; charset=unknown-8bit\r\n';
  }
  const field = header.encoding === encoding ? '' : `Content-Transfer-Encoding: ${encoding}\r\n`;
  if (field === '') out.push(entity.subarray(0, header.headerEnd));
  else {
    out.push(entity.subarray(0, header.encodingStart), Buffer.from(field, 'latin1'));
    out.push(entity.subarray(header.encodingEnd, header.headerEnd));
  }
  out.push(Buffer.from(added, 'latin1'), BLANK_LINE);
}
