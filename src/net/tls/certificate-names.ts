/**
 * The names of a certificate against those that a host may have (RFC 9525), matched by OpenSSL: names of subjectAltName,
 * the common name where there are none, a wildcard for one whole label on the left.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TlsFailure } from '../../delivery/tls-policy.js';

/** The failure of a certificate that has none of the names, or null. */
export function checkNames(leaf: X509Certificate, names: readonly string[]): TlsFailure | null {
  if (names.some((name) => hasName(leaf, name))) return null;
  const has = leaf.subjectAltName ?? leaf.subject ?? 'nothing';
  const reason = `the certificate is not for ${names.join(', ')} but for ${has.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 200)}`;
  return { kind: 'certificate-host-mismatch', reason };
}

function hasName(leaf: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return leaf.checkIP(name) !== undefined;
  // OpenSSL reads a leading dot as "any name below"; one label it is with singleLabelSubdomains.
  const subject = name.startsWith('*.') ? name.slice(1) : name;
  return leaf.checkHost(subject, { partialWildcards: false, singleLabelSubdomains: true }) !== undefined;
}
