/**
 * Base64 of AUTH dialogues (RFC 4954 section 4: characters outside of the alphabet must be refused).
 *
 * Only the canonical form is taken: what decodes but would be written otherwise (junk, missing padding, set bits behind
 * the end, the URL alphabet) is an error. `Buffer.from` alone ignores all of these.
 */

/** The bytes; null when it is not base64. '' is no bytes. */
export function decodeBase64(text: string): Buffer | null {
  if (text.length % 4 !== 0) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
