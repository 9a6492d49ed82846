/**
 * TLS sessions to next hops, for the next connection there.
 *
 * A session counts only for the policy under which its certificate was judged, and carries that verdict, because a
 * resumed handshake shows no certificate. Tickets of TLS 1.3 are given out once (RFC 8446 appendix C.4); several are kept
 * for one host, since its connections are opened several at a time.
 * Limits: `MAX_HOSTS` host and policy pairs, the least used go first; `MAX_TICKETS` for each; none older than `MAX_AGE`.
 */
import { createHash } from 'node:crypto';
import type { TlsFailure, TlsPolicy } from '../../delivery/tls-policy.js';

export interface CachedSession {
  readonly session: Buffer;
  /** What was found about the certificate when it was shown. */
  readonly problem: TlsFailure | null;
  /** Engine clock, ms. */
  readonly since: number;
}

const MAX_HOSTS = 2000;
const MAX_TICKETS = 4;
/** A certificate that was revoked or replaced is looked at again after this, ms. */
const MAX_AGE = 3_600_000;

export class SessionCache {
  private readonly hosts = new Map<string, CachedSession[]>();

  get size(): number {
    return this.hosts.size;
  }

  /** The newest session that is not too old; it is out of the cache then. */
  take(key: string, now: number): CachedSession | undefined {
    const found = this.hosts.get(key)?.pop();
    if (found === undefined) return undefined;
    if (now - found.since <= MAX_AGE) return found;
    this.hosts.delete(key);
    return undefined;
  }

  put(key: string, session: CachedSession): void {
    const sessions = this.hosts.get(key) ?? [];
    this.hosts.delete(key);
    this.hosts.set(key, sessions);
    sessions.push(session);
    if (sessions.length > MAX_TICKETS) sessions.shift();
    if (this.hosts.size > MAX_HOSTS) this.hosts.delete(this.hosts.keys().next().value!);
  }
}

const identities = new WeakMap<TlsPolicy, string>();

/** The same for policies that judge alike and show the host the same. */
export function policyIdentity(policy: TlsPolicy): string {
  let identity = identities.get(policy);
  if (identity === undefined) {
    const { source: _source, mode: _mode, implicit: _implicit, ...judging } = policy;
    const text = JSON.stringify({
      ...judging,
      tlsa: policy.tlsa.map((one) => ({ ...one, certificate: one.certificate.toString('hex') })),
    });
    identity = createHash('sha256').update(text).digest('base64');
    identities.set(policy, identity);
  }
  return identity;
}
