/**
 * Names that a certificate carries.
 *
 * Node prints subjectAltName as one line, `DNS:a.example, email:"b, c@d"`, with values that hold a separator as JSON
 * strings; splitting it at commas would let an issuer's odd name forge others (CVE-2021-44532).
 */
import type { X509Certificate } from 'node:crypto';

export interface CertificateNames {
  /** Common name of the subject; '' where there is none or more than one. */
  readonly commonName: string;
  /** DNS names of subjectAltName, lower case. */
  readonly dns: readonly string[];
  /** E-mail addresses of subjectAltName. */
  readonly emails: readonly string[];
}

/** Reads the names of a certificate. */
export function namesOf(certificate: X509Certificate): CertificateNames {
  const dns: string[] = [];
  const emails: string[] = [];
  const items = (certificate.subjectAltName ?? '').matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/g);
  for (const [, kind, value = ''] of items) {
    // A quoted value is one with odd characters, which no name that is looked up has.
    if (value.startsWith('"') || value === '') continue;
    if (kind === 'DNS') dns.push(value.toLowerCase());
    else if (kind === 'email') emails.push(value);
  }
  const subject: unknown = certificate.toLegacyObject().subject;
  const commonName = (subject as { CN?: unknown } | undefined)?.CN;
  return { commonName: typeof commonName === 'string' ? commonName : '', dns, emails };
}
