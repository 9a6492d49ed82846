/**
 * SCRAM-SHA-256 keys (RFC 5802, RFC 7677) in the form of RFC 5803 as PostgreSQL and others store them:
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, base64.
 *
 * Whoever reads them can neither log in as the user nor compute the password, but can try passwords at the price of
 * PBKDF2, which is cheaper than argon2id, and can pose as the server to clients that check it.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { canonicalPassword } from './canonical-text.js';

export interface ScramKeys {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export const SCRAM_PREFIX = 'SCRAM-SHA-256$';
/** For new keys: RFC 7677 section 4 asks for at least 4096; every client computes this at each login. */
const ITERATIONS = 20_000;
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const FORM =
  /^SCRAM-SHA-256\$(\d{1,7}):((?:[A-Za-z0-9+/]{4}){2,16}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/;

/** What new keys are salted like; stands in for real ones where there are none. */
export const USUAL_SCRAM = { iterations: ITERATIONS, saltBytes: SALT_BYTES } as const;

/** The keys of a text, or what is wrong with it. */
export function parseScramKeys(text: string): ScramKeys | string {
  const match = FORM.exec(text);
  if (match === null) return 'not of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey with base64';
  const iterations = Number(match[1]);
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS)
    return `${iterations} iterations are not ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`;
  const [salt, storedKey, serverKey] = match.slice(2).map((part) => Buffer.from(part, 'base64')) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  return { iterations, salt, storedKey, serverKey };
}

/** Makes the keys of a password with a fresh salt. */
export async function makeScramKeys(password: string, iterations = ITERATIONS): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const salted = await saltedPassword(password, salt, iterations);
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const serverKey = hmac(salted, 'Server Key').toString('base64');
  return `${SCRAM_PREFIX}${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** True when the password is that of the keys: PLAIN for an account that has nothing but these. */
export async function verifyScramPassword(keys: ScramKeys, password: string): Promise<boolean> {
  const salted = await saltedPassword(password, keys.salt, keys.iterations);
  return timingSafeEqual(createHash('sha256').update(hmac(salted, 'Client Key')).digest(), keys.storedKey);
}

/** Checks a client's proof (RFC 5802 section 3). Gives the server's signature in base64, null when it is wrong. */
export function verifyScramProof(keys: ScramKeys, authMessage: string, proof: string): string | null {
  const given = Buffer.from(proof, 'base64');
  if (given.length !== KEY_BYTES) return null;
  const clientSignature = hmac(keys.storedKey, authMessage);
  const clientKey = Buffer.alloc(KEY_BYTES);
  for (let i = 0; i < KEY_BYTES; i++) clientKey[i] = given[i]! ^ clientSignature[i]!;
  if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), keys.storedKey)) return null;
  return hmac(keys.serverKey, authMessage).toString('base64');
}

function saltedPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    pbkdf2(canonicalPassword(password), salt, iterations, KEY_BYTES, 'sha256', (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

function hmac(key: Buffer, message: string): Buffer {
  return createHmac('sha256', key).update(message).digest();
}
