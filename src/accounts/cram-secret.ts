/**
 * Secrets for CRAM-MD5 (RFC 2195): `CRAM-MD5$` and 64 hex digits, the two MD5 states of HMAC-MD5 after the padded key
 * (RFC 2104 section 4), outer then inner, as `doveadm pw -s CRAM-MD5` writes them.
 *
 * What it costs: whoever reads one can log in by CRAM-MD5 as that user, and can try passwords at the price of two MD5
 * blocks. It does not show the password as a stored plaintext would. Give one only to clients that know nothing better.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { canonicalPassword } from './canonical-text.js';
import { finishMd5, md5Start } from './md5-state.js';

export const CRAM_PREFIX = 'CRAM-MD5$';
const FORM = /^CRAM-MD5\$[0-9a-f]{64}$/;
const BLOCK = 64;
const STATE_HEX = 32;

/** What is wrong with a secret, '' when it is one. */
export function cramProblem(secret: string): string {
  return FORM.test(secret) ? '' : 'not of the form CRAM-MD5$ with 64 hex digits in lower case';
}

/** Makes the secret of a password. */
export function makeCramSecret(password: string): string {
  let key = Buffer.from(canonicalPassword(password));
  if (key.length > BLOCK) key = createHash('md5').update(key).digest();
  const padded = Buffer.alloc(BLOCK);
  key.copy(padded);
  const state = (pad: number): string => md5Start(padded.map((byte) => byte ^ pad)).toString('hex');
  return `${CRAM_PREFIX}${state(0x5c)}${state(0x36)}`;
}

/** True when `digest` (hex) is HMAC-MD5 of the challenge under the secret's password. */
export function verifyCram(secret: string, challenge: string, digest: string): boolean {
  const outer = Buffer.from(secret.slice(CRAM_PREFIX.length, CRAM_PREFIX.length + STATE_HEX), 'hex');
  const inner = Buffer.from(secret.slice(CRAM_PREFIX.length + STATE_HEX), 'hex');
  const expected = finishMd5(outer, finishMd5(inner, Buffer.from(challenge)));
  const given = Buffer.from(digest, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** True when the password is that of the secret: PLAIN for an account that has nothing but this. */
export function verifyCramPassword(secret: string, password: string): boolean {
  return timingSafeEqual(Buffer.from(makeCramSecret(password)), Buffer.from(secret));
}
