/**
 * Certificates against TLSA records (RFC 6698, RFC 7671), as SMTP uses them (RFC 7672 section 3): usage 3 names the
 * host's certificate or key, whatever its names and dates; usage 2 names an authority in the chain, and names and dates
 * count. Usages 0 and 1 are not for SMTP and pass over, as do selectors and matching types nobody knows.
 * Limits: a chain of ten; path lengths and name constraints of the chain below a named authority are not looked at.
 */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { TlsaRecord, TlsFailure } from '../../delivery/tls-policy.js';
import { checkNames } from './certificate-names.js';

const DANE_TA = 2;
const DANE_EE = 3;
const MAX_CHAIN = 10;

/** Null: the chain matches a record. `now`: Unix ms. */
export function checkDane(
  chain: readonly X509Certificate[],
  records: readonly TlsaRecord[],
  names: readonly string[],
  now: number,
): TlsFailure | null {
  const usable = records.filter(isUsable);
  if (usable.length === 0) return { kind: 'tlsa-invalid', reason: 'no TLSA record of the host can be used' };
  const leaf = chain[0]!;
  if (usable.some((record) => record.usage === DANE_EE && matches(leaf, record))) return null;
  let failure: TlsFailure = { kind: 'validation-failure', reason: 'the certificate matches no TLSA record' };
  for (const record of usable) {
    if (record.usage !== DANE_TA) continue;
    const found = checkBelow(chain.slice(0, MAX_CHAIN), record, now);
    if (found === null) return checkNames(leaf, names);
    failure = found === 'no-match' ? failure : found;
  }
  return failure;
}

/** A record that RFC 7672 section 3.1 lets SMTP use, of a known form. */
function isUsable({ usage, selector, matchingType, certificate }: TlsaRecord): boolean {
  if ((usage !== DANE_TA && usage !== DANE_EE) || selector > 1) return false;
  const length = [0, 32, 64][matchingType];
  return length === 0 ? certificate.length > 0 : certificate.length === length;
}

/** The certificate or its key is what the record says. */
function matches(certificate: X509Certificate, { selector, matchingType, certificate: wanted }: TlsaRecord): boolean {
  const selected = selector === 0 ? certificate.raw : spki(certificate.publicKey);
  if (matchingType === 0) return selected.equals(wanted);
  return createHash(matchingType === 1 ? 'sha256' : 'sha512')
    .update(selected)
    .digest()
    .equals(wanted);
}

/** Null: the leaf comes from the authority that the record names. */
function checkBelow(
  chain: readonly X509Certificate[],
  record: TlsaRecord,
  now: number,
): TlsFailure | 'no-match' | null {
  const at = chain.findIndex((certificate, i) => i > 0 && matches(certificate, record));
  const path = at > 0 ? chain.slice(0, at + 1) : chain;
  const anchor = at > 0 ? null : anchorOf(record);
  if (at < 0 && anchor === null) return 'no-match';
  for (const [i, certificate] of path.entries()) {
    const time =
      now < Date.parse(certificate.validFrom)
        ? 'is not valid yet'
        : now > Date.parse(certificate.validTo)
          ? 'has expired'
          : '';
    // An authority that only stands in the record needs no whole chain: the first certificate it signed is the end.
    if (time !== '') return { kind: 'certificate-expired', reason: `a certificate of the host's chain ${time}` };
    if (anchor !== null && signed(certificate, anchor)) return null;
    const above = path[i + 1];
    if (above === undefined) return anchor === null ? null : 'no-match';
    if (!above.ca || !certificate.checkIssued(above) || !certificate.verify(above.publicKey))
      return {
        kind: 'certificate-not-trusted',
        reason: "the host's chain does not lead to the authority of its TLSA record",
      };
  }
  return 'no-match';
}

/** The authority as the record holds it in full (matching type 0), null when it holds a hash or nothing readable. */
function anchorOf({ selector, matchingType, certificate }: TlsaRecord): KeyObject | null {
  if (matchingType !== 0) return null;
  try {
    if (selector === 0) return new X509Certificate(certificate).publicKey;
    return createPublicKey({ key: certificate, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

function signed(certificate: X509Certificate, key: KeyObject): boolean {
  // A leaf that signed itself is not below anything.
  if (spki(certificate.publicKey).equals(spki(key))) return false;
  try {
    return certificate.verify(key);
  } catch {
    return false;
  }
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}
