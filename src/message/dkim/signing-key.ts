/**
 * A DKIM private key, checked and ready to sign with.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { messageOf, SluiceError } from '../../core/errors.js';
import { comparableDomain } from '../address-domains.js';
import type { Canonicalization } from './body-hash.js';
import type { SigningKeyPem } from './key-store.js';

/** RFC 8301 section 3.2: signers use at least 1024 bits, and should use 2048. */
const MIN_RSA_BITS = 1024;
export const GOOD_RSA_BITS = 2048;

export interface SigningKey {
  /** Lower-case A-labels. */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  readonly key: KeyObject;
  /** Modulus bits of an RSA key, 0 for Ed25519. */
  readonly rsaBits: number;
  readonly headerCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
}

function bad(source: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('bad-dkim-key', `DKIM key ${source}: ${why}`, { temporary: false, cause });
}

/** A domain name for d= as A-labels, or undefined. */
export function signingDomain(text: string): string | undefined {
  const domain = comparableDomain(text);
  return domain.length <= 253 && domain.split('.').every(isLabel) ? domain : undefined;
}

/** RFC 6376 section 3.1: a selector is one or more sub-domains. */
export function isSelector(text: string): boolean {
  return text.length <= 190 && text.split('.').every(isLabel);
}

function isLabel(label: string): boolean {
  return /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label);
}

/**
 * Reads and checks a key. `source` names it in errors (a file name).
 * @throws SluiceError `bad-dkim-key` saying what is wrong and what to do.
 */
export function importSigningKey(pem: SigningKeyPem, source = `${pem.domain}/${pem.selector}`): SigningKey {
  const domain = signingDomain(pem.domain);
  if (domain === undefined) throw bad(source, `"${pem.domain}" is not a domain name; name the folder after the domain`);
  if (!isSelector(pem.selector)) {
    throw bad(
      source,
      `"${pem.selector}" is not a selector; name the file <selector>.pem, of letters, digits and hyphens`,
    );
  }
  const text = pem.pem.trim();
  if (text.includes('-----BEGIN PUBLIC KEY-----') || text.includes('-----BEGIN RSA PUBLIC KEY-----')) {
    throw bad(source, 'this is a public key; the private key belongs here (the public one belongs in DNS)');
  }
  if (text.includes('-----BEGIN CERTIFICATE-----'))
    throw bad(source, 'this is a certificate; a private key belongs here');
  if (text.includes('ENCRYPTED')) {
    throw bad(source, 'the key is protected by a passphrase; remove it: openssl pkey -in old.pem -out new.pem');
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw bad(source, `no private key in PEM form (${messageOf(error)}); make one: sluice dkim generate`, error);
  }
  const common = {
    domain,
    selector: pem.selector,
    key,
    headerCanonicalization: pem.headerCanonicalization ?? 'relaxed',
    bodyCanonicalization: pem.bodyCanonicalization ?? 'relaxed',
  } as const;
  if (key.asymmetricKeyType === 'ed25519') return { ...common, algorithm: 'ed25519-sha256', rsaBits: 0 };
  if (key.asymmetricKeyType !== 'rsa') {
    throw bad(source, `a key of type ${key.asymmetricKeyType ?? 'unknown'} cannot sign for DKIM; use RSA or Ed25519`);
  }
  const rsaBits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (rsaBits < MIN_RSA_BITS) {
    throw bad(source, `RSA with ${rsaBits} bits is refused by receivers; make one of ${GOOD_RSA_BITS} bits`);
  }
  return { ...common, algorithm: 'rsa-sha256', rsaBits };
}
