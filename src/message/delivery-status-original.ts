/**
 * The part of a delivery status notification that gives the original message back (RFC 3461 section 4.3, RFC 3462, RFC
 * 6533): whole, or its header.
 *
 * What is given back can be sent in DATA: a message that cannot (bare CR or LF, NUL, long lines) is given back as its
 * header, and a header that cannot is mended, for it is there to be read and not to be sent again.
 */
import { natureOf } from './downgrade-encoding.js';
import type { ReturnContent } from './envelope.js';

/** Header bytes given back at most. */
const MAX_HEADER = 65_536;
const MAX_LINE = 998;

/** A ready body of a MIME part, ending in CRLF or empty. */
export interface ReturnedPart {
  readonly mediaType: string;
  readonly body: Buffer;
  readonly eightBit: boolean;
}

export interface OriginalMessage {
  /** Content in plain form (not dot-stuffed), from its first byte on. */
  readonly content: Buffer;
  /** `content` is all of it, not only its beginning. */
  readonly complete: boolean;
}

/** The header fields of a message, CRLF of the last included; of a beginning of it, the lines that are whole. */
export function headerOf({ content, complete }: OriginalMessage): Buffer {
  if (content.length >= 2 && content[0] === 13 && content[1] === 10) return content.subarray(0, 0);
  const blank = content.indexOf('\r\n\r\n');
  let end = blank >= 0 ? blank + 2 : complete ? content.length : content.lastIndexOf('\r\n') + 2;
  if (blank < 0 && !complete && content.lastIndexOf('\r\n') < 0) end = 0;
  if (end > MAX_HEADER) end = content.lastIndexOf('\r\n', MAX_HEADER) + 2;
  return content.subarray(0, Math.max(0, Math.min(end, MAX_HEADER)));
}

/**
 * Chooses what goes back. The whole message only with a failure, when it was not asked for the header alone, is all
 * there, and has at most `maxReturned` bytes. `international`: the report may use the types of RFC 6533.
 */
export function returnedPart(
  original: OriginalMessage,
  ret: ReturnContent,
  failure: boolean,
  maxReturned: number,
  international: boolean,
): ReturnedPart {
  const { content, complete } = original;
  const header = headerOf(original);
  const utf8Header = international && natureOf(header).eightBit && isUtf8(header);
  if (failure && ret !== 'HDRS' && complete && content.length <= maxReturned) {
    const nature = natureOf(content);
    if (!nature.noText && !nature.longLine) {
      const ended = content.length === 0 || content.subarray(-2).equals(CRLF);
      return {
        mediaType: utf8Header ? 'message/global' : 'message/rfc822',
        body: ended ? content : Buffer.concat([content, CRLF]),
        eightBit: nature.eightBit,
      };
    }
  }
  const body = sendableHeader(header);
  return {
    mediaType: utf8Header ? 'message/global-headers' : 'text/rfc822-headers',
    body,
    eightBit: natureOf(body).eightBit,
  };
}

const CRLF = Buffer.from('\r\n');

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Breaks lines that are too long and takes out NUL, bare CR and bare LF. */
function sendableHeader(header: Buffer): Buffer {
  const nature = natureOf(header);
  const ended = header.length === 0 || header.subarray(-2).equals(CRLF);
  if (!nature.noText && !nature.longLine) return ended ? header : Buffer.concat([header, CRLF]);
  const lines = header
    .toString('latin1')
    .replace(/\r\n$/, '')
    .split('\r\n')
    .flatMap((line) => {
      const clean = line.replace(/[\r\n\0]/g, ' ');
      if (clean.length <= MAX_LINE) return [clean];
      // A broken line goes on as a continuation: one byte for the space.
      const rest = clean.slice(MAX_LINE).match(/.{1,997}/gs) ?? [];
      return [clean.slice(0, MAX_LINE), ...rest.map((part) => ` ${part}`)];
    });
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1');
}
