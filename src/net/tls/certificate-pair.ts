/**
 * One certificate and its key, from two files to a pair that is known to work.
 *
 * Checked: both can be read and parsed, the key is that of the first certificate, and the time is within its validity.
 * Each mistake is one SluiceError `bad-certificate` that names the file and how to mend it.
 * Limits: 1 MiB a file.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf, SluiceError } from '../../core/errors.js';
import { namesOf } from './alternative-names.js';
import type { CertificatePair } from './tls-material.js';

/** Where a pair lies. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
  /** A name it is for besides those in it; '' for none. */
  readonly name: string;
}

export interface CheckedPair {
  readonly pair: CertificatePair;
  /** End of its validity, ms since the epoch. */
  readonly notAfter: number;
  /** SHA-256 of what the files held. */
  readonly digest: string;
  /** Lines about what works but should be mended. */
  readonly warnings: readonly string[];
}

const MAX_FILE = 1024 * 1024;
/** Shorter RSA keys are warned of (NIST SP 800-131A). */
const GOOD_RSA_BITS = 2048;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The error of a file. `mend` says what to do. */
export function badCertificate(path: string, problem: string, mend: string, cause?: unknown): SluiceError {
  return new SluiceError('bad-certificate', `${path}: ${problem}; ${mend}`, { temporary: false, cause });
}

/** Text of a file. @throws SluiceError `bad-certificate`. */
export function readPem(path: string): string {
  try {
    if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 1 MiB');
    return readFileSync(path, 'latin1');
  } catch (error) {
    const mend = 'it must exist and be readable for the user that runs sluice';
    throw badCertificate(path, `cannot be read (${messageOf(error)})`, mend, error);
  }
}

/** The certificates of a PEM text, in order. @throws SluiceError `bad-certificate` where there is none or one is garbled. */
export function parseCertificates(path: string, pem: string): X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    throw badCertificate(
      path,
      'there is no certificate in it',
      'give PEM, which begins with -----BEGIN CERTIFICATE-----',
    );
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw badCertificate(
        path,
        `certificate ${i + 1} in it is garbled (${messageOf(error)})`,
        'fetch it again',
        error,
      );
    }
  });
}

function parseKey(path: string, pem: string): KeyObject {
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw badCertificate(path, 'the key is encrypted', 'decrypt it: openssl pkey -in <file> -out <new file>');
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw badCertificate(path, `there is no usable private key in it (${messageOf(error)})`, 'give it as PEM', error);
  }
}

/**
 * Reads and checks a pair; `known` is given back when its files still say the same. `wall`: the wall clock, ms.
 * @throws SluiceError `bad-certificate`.
 */
export function loadPair(files: PairFiles, wall: number, known?: CheckedPair): CheckedPair {
  const chainText = readPem(files.cert);
  const keyText = readPem(files.key);
  const digest = createHash('sha256').update(chainText).update('\0').update(keyText).digest('hex');
  if (known?.digest === digest) return known;
  const chain = parseCertificates(files.cert, chainText);
  const key = parseKey(files.key, keyText);
  const leaf = chain[0]!;
  if (!leaf.checkPrivateKey(key)) {
    const later = chain.findIndex((one) => one.checkPrivateKey(key));
    if (later > 0) throw badCertificate(files.cert, `certificate ${later + 1} is the host's own`, 'put it first');
    const mend = 'give the key that the certificate was made with';
    throw badCertificate(files.key, `the key does not belong to the certificate in ${files.cert}`, mend);
  }
  const [notBefore, notAfter] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  if (wall >= notAfter) throw badCertificate(files.cert, `it expired on ${leaf.validTo}`, 'renew it');
  if (wall < notBefore)
    throw badCertificate(files.cert, `it is not valid before ${leaf.validFrom}`, 'set the clock right, or wait');
  const { dns, commonName } = namesOf(leaf);
  // Names in the subject counted only where there is no subjectAltName (RFC 6125 section 6.4.4).
  const own = leaf.subjectAltName === undefined && commonName !== '' ? [commonName.toLowerCase()] : dns;
  // The folder's name first: it has that name before all others.
  const names = files.name === '' ? own : [files.name.toLowerCase(), ...own];
  return {
    // Written anew: a file may hold more than is wanted of it, such as both in one.
    pair: {
      names: [...new Set(names)],
      chain: chain.map(String).join(''),
      key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    },
    notAfter,
    digest,
    warnings: warningsOf(files, chain, own, wall),
  };
}

function warningsOf(files: PairFiles, chain: X509Certificate[], own: readonly string[], wall: number): string[] {
  const warnings: string[] = [];
  if (own.length === 0) warnings.push(`${files.cert}: no DNS name is in it; clients that verify it will refuse it`);
  const bits = chain[0]!.publicKey.asymmetricKeyDetails?.modulusLength ?? GOOD_RSA_BITS;
  if (bits < GOOD_RSA_BITS)
    warnings.push(`${files.cert}: RSA with ${bits} bits is weak; make a key of ${GOOD_RSA_BITS}`);
  for (const [i, one] of chain.entries()) {
    if (i === 0) continue;
    if (wall >= Date.parse(one.validTo))
      warnings.push(`${files.cert}: certificate ${i + 1} expired on ${one.validTo}; fetch the chain again`);
    if (!chain[i - 1]!.checkIssued(one))
      warnings.push(`${files.cert}: certificate ${i + 1} did not issue the one before it; put the chain in order`);
  }
  if (process.platform !== 'win32' && (statSync(files.key).mode & 0o004) !== 0)
    warnings.push(`${files.key}: every user of this machine can read this key; chmod 600 it`);
  return warnings;
}
