/**
 * Keys for tests and the DNS that publishes them.
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { SigningKeyPem } from '../../src/message/dkim/key-store.js';

/** A new key for `domain`; RSA has 2048 bits unless told otherwise. */
export function makeKey(domain: string, selector: string, type: 'rsa' | 'ed25519', bits = 2048): SigningKeyPem {
  const { privateKey } =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  return { domain, selector, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** The TXT record's value for a key. */
export function recordOf(key: SigningKeyPem): string {
  const publicKey = createPublicKey(key.pem);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const type = publicKey.asymmetricKeyType;
  return `v=DKIM1; k=${type}; p=${(type === 'rsa' ? spki : spki.subarray(-32)).toString('base64')}`;
}

/** A resolver of TXT records that knows these keys. */
export function resolverFor(keys: readonly SigningKeyPem[]): (name: string, type: string) => Promise<string[][]> {
  const records = new Map(keys.map((key) => [`${key.selector}._domainkey.${key.domain}`, recordOf(key)]));
  return async (name) => {
    const record = records.get(name);
    if (record === undefined) throw Object.assign(new Error(`no record ${name}`), { code: 'ENOTFOUND' });
    return [[record]];
  };
}
