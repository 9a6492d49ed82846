/**
 * Base64 (RFC 4648 section 4) of clients: what is none is found out, which Buffer.from does not do. Line ends and a missing
 * end of padding are forgiven.
 */

/** The bytes; null: it is not base64. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  const { length } = text;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  // Whole groups lose a byte at least for each character that is none of the alphabet. Node takes a second alphabet too.
  const whole = length % 4 === 0 && bytes.length === (length / 4) * 3 - padding;
  if (whole && !text.includes('-') && !text.includes('_')) return bytes;
  return LINES.test(text) ? bytes : null;
}

/** Each part begins with what the one before cannot hold: no text makes it look twice. */
const LINES = /^[A-Za-z0-9+/\r\n]*(?:=[\r\n]*){0,2}$/;
