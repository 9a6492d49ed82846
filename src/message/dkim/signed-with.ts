/**
 * Which keys a prepared message was signed with, read off the fields that the signer put on top of it.
 *
 * Contract: only fields before Received count, which are ours (see prepare.ts): a signature that came with the message is
 * below. Costs an unsigned message one comparison.
 */

const NONE: readonly string[] = [];
const FIRST = 'D'.charCodeAt(0);
/** As signer.ts writes it, with its folded lines. */
const SIGNATURE = /DKIM-Signature: v=1; a=[^;]+; c=[^;]+;\r\n\td=([^;]+); s=([^;]+);(?:[^\r]|\r\n\t)*\r\n/y;
/** A signature with an RSA key of 4096 bits takes about 1 KiB. */
const MOST = 16 * 1024;

/** `domain/selector` of each key. `header`: as prepareMessage gives it. */
export function signedWith(header: Uint8Array): readonly string[] {
  if (header[0] !== FIRST) return NONE;
  const text = Buffer.from(header.buffer, header.byteOffset, Math.min(header.length, MOST)).toString('latin1');
  const keys: string[] = [];
  SIGNATURE.lastIndex = 0;
  for (let field = SIGNATURE.exec(text); field !== null; field = SIGNATURE.exec(text))
    keys.push(`${field[1]}/${field[2]}`);
  return keys;
}
