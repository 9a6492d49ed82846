/**
 * Password hashes in PHC form: argon2id and scrypt.
 *
 *   $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
 *   $scrypt$ln=15,r=8,p=3$<salt>$<hash>
 *
 * Salt and hash are base64 without padding. Contract: making and checking run on libuv's thread pool, never on the
 * calling thread. Parameters are bounded, so that a hash in a file cannot take a machine's memory at one login.
 * Form: github.com/P-H-C/phc-string-format; parameters of new hashes: OWASP Password Storage Cheat Sheet.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { hash as argon2Hash, verify as argon2Verify, parseOptions } from '@node-rs/argon2';
import { canonicalPassword } from './canonical-text.js';

export type HashKind = 'argon2id' | 'scrypt';

const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };
/** `Algorithm.Argon2id`, a const enum that isolated modules cannot read. */
const ARGON2ID = 2;
const SCRYPT = { ln: 15, r: 8, p: 3, salt: 16, length: 32 };
/** Bounds of what is checked: 256 MiB for one hash. */
const MAX_MEMORY_KIB = 262_144;
const MAX_PASSES = 64;
const MAX_LANES = 64;
const BASE64 = '[A-Za-z0-9+/]';
const ARGON2_FORM = new RegExp(
  `^\\$argon2id\\$v=19\\$m=(\\d{1,7}),t=(\\d{1,3}),p=(\\d{1,3})\\$${BASE64}{11,86}\\$${BASE64}{22,86}$`,
);
const SCRYPT_FORM = new RegExp(
  `^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,2}),p=(\\d{1,3})\\$(${BASE64}{11,86})\\$(${BASE64}{22,86})$`,
);

/** The kind of a hash by its beginning, undefined when it is none of the known ones. */
export function hashKind(hash: string): HashKind | undefined {
  if (hash.startsWith('$argon2id$')) return 'argon2id';
  return hash.startsWith('$scrypt$') ? 'scrypt' : undefined;
}

/** What is wrong with a hash, '' when it can be checked against. */
export function hashProblem(hash: string): string {
  if (hashKind(hash) === 'argon2id') {
    const match = ARGON2_FORM.exec(hash);
    if (match === null) return 'not of the form $argon2id$v=19$m=...,t=...,p=...$salt$hash';
    const [memory, passes, lanes] = [Number(match[1]), Number(match[2]), Number(match[3])];
    if (lanes < 1 || lanes > MAX_LANES) return `p=${lanes} is not 1 to ${MAX_LANES}`;
    if (memory < 8 * lanes || memory > MAX_MEMORY_KIB) return `m=${memory} is not ${8 * lanes} to ${MAX_MEMORY_KIB}`;
    if (passes < 1 || passes > MAX_PASSES) return `t=${passes} is not 1 to ${MAX_PASSES}`;
    return canBeRead(hash) ? '' : 'salt or hash are not base64 without padding';
  }
  const match = SCRYPT_FORM.exec(hash);
  if (match === null) return 'not of the form $scrypt$ln=...,r=...,p=...$salt$hash';
  const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (p < 1 || p > MAX_LANES) return `p=${p} is not 1 to ${MAX_LANES}`;
  if (r < 1 || ln < 1 || (2 ** ln * r) / 8 > MAX_MEMORY_KIB) return `ln=${ln},r=${r} is not 1 to 256 MiB`;
  return '';
}

/** True when the library takes it: a hash that it refuses at a login would be one that can never log in. */
function canBeRead(hash: string): boolean {
  try {
    parseOptions(hash);
    return true;
  } catch {
    return false;
  }
}

/** The kind and cost of a hash without salt and result: equal for hashes that take the same time. */
export function hashCost(hash: string): string {
  return hash.split('$').slice(0, -2).join('$');
}

/** Hashes a password with a fresh salt. */
export async function hashPassword(password: string, kind: HashKind): Promise<string> {
  const canonical = canonicalPassword(password);
  if (kind === 'argon2id') return argon2Hash(canonical, { ...ARGON2, algorithm: ARGON2ID });
  const { ln, r, p, length } = SCRYPT;
  const salt = randomBytes(SCRYPT.salt);
  const key = await scryptKey(canonical, salt, length, ln, r, p);
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`;
}

/** True when the password is that of the hash. @throws Error for a hash that `hashProblem` finds fault with. */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  const canonical = canonicalPassword(password);
  if (hashKind(hash) === 'argon2id') return argon2Verify(hash, canonical);
  const match = SCRYPT_FORM.exec(hash);
  if (match === null) throw new Error('the hash cannot be read');
  const expected = Buffer.from(match[5]!, 'base64');
  const salt = Buffer.from(match[4]!, 'base64');
  const key = await scryptKey(canonical, salt, expected.length, Number(match[1]), Number(match[2]), Number(match[3]));
  return timingSafeEqual(key, expected);
}

/** A hash of the cost of `like` that no password has: checking against it takes the time of a real one. */
export function dummyHash(like: string): string {
  const parts = like.split('$');
  const random = (old: string): string => unpadded(randomBytes(Buffer.from(old, 'base64').length));
  return [...parts.slice(0, -2), ...parts.slice(-2).map(random)].join('$');
}

/** What new hashes cost; stands in for real ones where there is none. */
export const USUAL_HASH = `$argon2id$v=19$m=${ARGON2.memoryCost},t=${ARGON2.timeCost},p=${ARGON2.parallelism}$${unpadded(randomBytes(16))}$${unpadded(randomBytes(ARGON2.outputLen))}`;

function scryptKey(password: string, salt: Buffer, length: number, ln: number, r: number, p: number): Promise<Buffer> {
  const N = 2 ** ln;
  return new Promise((resolve, reject) => {
    // maxmem: what the algorithm needs (RFC 7914 section 2) and some room, as openssl counts it.
    const options = { N, r, p, maxmem: 128 * r * (N + p + 2) + 65_536 };
    scrypt(password, salt, length, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
