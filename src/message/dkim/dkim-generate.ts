/**
 * Makes a DKIM key pair: the private key as a file of its own that only its owner can read, the public key as the DNS
 * record to publish (RFC 6376 section 3.6.1, RFC 8463 section 4). Never overwrites a key.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SluiceError } from '../../core/errors.js';
import { isSelector, signingDomain } from './signing-key.js';

export type DkimKeyType = 'rsa' | 'ed25519';

export interface GeneratedKey {
  /** The private key's file. */
  readonly path: string;
  /** Name of the TXT record, without a final dot. */
  readonly recordName: string;
  /** The record's value in one piece. */
  readonly recordValue: string;
  /** The value cut into the strings of at most 255 bytes that a TXT record is made of. */
  readonly recordStrings: readonly string[];
  /** The record as a line of a zone file. */
  readonly zoneLine: string;
}

/** RFC 1035 section 3.3: a character-string is a length byte and that many bytes. */
const MAX_STRING = 255;

function publicPart(key: KeyObject, type: DkimKeyType): string {
  const spki = key.export({ type: 'spki', format: 'der' });
  // RFC 8463 section 4.2: the bare 32 bytes, which end the SPKI form.
  return (type === 'rsa' ? spki : spki.subarray(-32)).toString('base64');
}

/**
 * Writes `<dir>/<domain>/<selector>.pem` (mode 0600) and returns the DNS record. RSA has `bits` bits.
 * @throws SluiceError `bad-dkim-key` for a bad name, `dkim-key-exists`, `dkim-key-write-failed`.
 */
export function generateDkimKey(
  dir: string,
  domain: string,
  selector: string,
  type: DkimKeyType = 'rsa',
  bits = 2048,
): GeneratedKey {
  const ascii = signingDomain(domain);
  if (ascii === undefined || !isSelector(selector)) {
    const [what, text] =
      ascii === undefined ? ['domain name', domain] : ['selector (letters, digits, hyphens)', selector];
    throw new SluiceError('bad-dkim-key', `"${text}" is not a ${what}`, { temporary: false });
  }
  if (type === 'rsa' && (!Number.isInteger(bits) || bits < 1024 || bits > 8192)) {
    throw new SluiceError('bad-dkim-key', `RSA keys have 1024 to 8192 bits, not ${bits}`, { temporary: false });
  }
  const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  const folder = join(dir, ascii);
  const path = join(folder, `${selector}.pem`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      const why = 'exists already; choose another selector, or move the old key away once it is no longer in DNS';
      throw new SluiceError('dkim-key-exists', `${path} ${why}`, { temporary: false, cause: error });
    }
    const why = `cannot write ${path}: ${messageOf(error)}`;
    throw new SluiceError('dkim-key-write-failed', why, { temporary: false, cause: error });
  }
  const recordName = `${selector}._domainkey.${ascii}`;
  const recordValue = `v=DKIM1; k=${type}; p=${publicPart(pair.publicKey, type)}`;
  const recordStrings: string[] = [];
  for (let i = 0; i < recordValue.length; i += MAX_STRING) recordStrings.push(recordValue.slice(i, i + MAX_STRING));
  const zoneLine = `${recordName}. IN TXT ( ${recordStrings.map((text) => `"${text}"`).join(' ')} )`;
  return { path, recordName, recordValue, recordStrings, zoneLine };
}
