/**
 * DANE for SMTP (RFC 7672): what the TLSA records of a mail host ask for.
 *
 * Contract: never rejects. Only for a domain whose MX answer was validated: an MX host that a forger named may well have
 * TLSA records of its own (section 2.2.1 leaves their use to us). Records stand at the host's canonical name where its
 * aliases are validated, else at its own (section 2.2.2); a host with addresses that are not validated has none, but for
 * an alias that itself is. A look-up that fails is no "none": the host must not be used until it is answered
 * (section 2.1.1).
 */
import type { MailDnsResult } from '../delivery/mail-dns.js';
import type { MailHost } from '../delivery/mx-resolver.js';
import type { TlsaRecord } from '../delivery/tls-policy.js';

/** Records of these types, never rejecting. */
export interface DaneDns {
  query(name: string, type: 'TLSA'): Promise<MailDnsResult<TlsaRecord>>;
  query(name: string, type: 'CNAME'): Promise<MailDnsResult<string>>;
}

/** `expires`: engine clock, ms. */
export type DaneAnswer =
  /** No TLSA records: the host is as without DANE. */
  | { readonly kind: 'none'; readonly expires: number }
  /** TLSA records; `usable` may be empty: then TLS is a must, and no certificate can be checked (section 2.2). */
  | {
      readonly kind: 'tlsa';
      /** The TLSA base domain. */
      readonly base: string;
      readonly usable: readonly TlsaRecord[];
      readonly expires: number;
    }
  /** Not known now: the host must not be used. */
  | { readonly kind: 'failed'; readonly reason: string; readonly expires: number };

/** What DANE says of a host at a port. */
export async function daneOf(dns: DaneDns, host: MailHost, port: number): Promise<DaneAnswer> {
  let expires = Number.POSITIVE_INFINITY;
  const bases = await basesOf(dns, host);
  if (!Array.isArray(bases)) return bases;
  for (const base of bases) {
    const found = await dns.query(`_${port}._tcp.${base}`, 'TLSA');
    expires = Math.min(expires, found.expires);
    if (found.kind === 'failed') {
      if (found.temporary) return { kind: 'failed', reason: found.detail, expires };
      continue;
    }
    if (found.authenticated) return { kind: 'tlsa', base, usable: found.records.filter(isUsable), expires };
  }
  return { kind: 'none', expires };
}

/** The names under which TLSA records may stand, in the order to be looked at, or why that cannot be known. */
async function basesOf(dns: DaneDns, host: MailHost): Promise<string[] | Extract<DaneAnswer, { kind: 'failed' }>> {
  const isAlias = host.canonical !== host.name;
  if (host.authenticated) return isAlias ? [host.canonical, host.name] : [host.name];
  if (!isAlias) return [];
  const alias = await dns.query(host.name, 'CNAME');
  if (alias.kind === 'failed' && alias.temporary)
    return { kind: 'failed', reason: alias.detail, expires: alias.expires };
  return alias.authenticated ? [host.name] : [];
}

/** RFC 7672 section 3.1: usages 2 and 3; selectors and matching types of RFC 6698, the digest of the right length. */
function isUsable({ usage, selector, matchingType, certificate }: TlsaRecord): boolean {
  if (usage !== 2 && usage !== 3) return false;
  if (selector !== 0 && selector !== 1) return false;
  if (matchingType === 0) return certificate.length > 0;
  return (matchingType === 1 && certificate.length === 32) || (matchingType === 2 && certificate.length === 64);
}
