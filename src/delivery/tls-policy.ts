/**
 * How safely one next hop must be reached, and what came of it.
 *
 * Delivery only carries these: settings (upstreams) and security (MTA-STS, DANE, for MX hosts) make policies, net
 * carries them out when a connection begins TLS. Plain data but for the resumption store.
 */
import { createHash } from 'node:crypto';

/** One TLSA record (RFC 6698 section 2.1). */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Buffer;
}

/** A policy as reports name it (RFC 8460 section 4.4). */
export interface ReportedPolicy {
  readonly type: 'tlsa' | 'sts' | 'no-policy-found';
  /** Whose policy: the domain of MTA-STS, the TLSA base domain of DANE. */
  readonly domain: string;
  /** The policy's lines, or its TLSA records. */
  readonly text: readonly string[];
  /** Host patterns of MTA-STS. */
  readonly mx: readonly string[];
}

/** What TLS to one host has to be like. */
export interface TlsPolicy {
  /**
   * `none`: never; `opportunistic`: where it is offered, whatever the certificate, and in the clear on a new connection
   * where the handshake fails; `required`: always, with a certificate that passes `verify`.
   */
  readonly mode: 'none' | 'opportunistic' | 'required';
  /** TLS from the first byte (port 465) instead of STARTTLS. */
  readonly implicit: boolean;
  /**
   * With `required`: `any` certificate; `pki`: trusted by `ca` or the system store and valid for one of `names`; `pin`:
   * its SHA-256 fingerprint or that of its public key is in `pins`; `dane`: it matches one of `tlsa` (RFC 7672).
   */
  readonly verify: 'any' | 'pki' | 'pin' | 'dane';
  /** Sent by SNI; '' sends none. */
  readonly serverName: string;
  /** Names of which the certificate must have one; a leading `*.` stands for one label. */
  readonly names: readonly string[];
  /** Authorities as PEM that replace the system store; '' for the latter. */
  readonly ca: string;
  /** SHA-256 as lower-case hex. */
  readonly pins: readonly string[];
  readonly tlsa: readonly TlsaRecord[];
  /** Least TLS version. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Client certificate and key as PEM, '' for none. */
  readonly cert: string;
  readonly key: string;
  /** Where the policy comes from; names the policy in reports and log lines. */
  readonly source: 'setting' | 'default' | 'mta-sts' | 'dane';
  /** What to report results under; absent: they are reported to nobody. */
  readonly reported?: ReportedPolicy;
}

/** What is known of TLS once it stands. */
export interface TlsState {
  readonly version: string;
  readonly cipher: string;
  /** The certificate passed `pki` for the policy's names, or `dane`, or `pin`, whether that was asked for or not. */
  readonly verified: boolean;
  /** Why it is not verified. */
  readonly problem?: TlsFailure;
  /** The session was resumed. */
  readonly resumed: boolean;
  /** Data of the channel binding `tls-exporter` (RFC 9266), TLS 1.3 only. */
  readonly binding?: Buffer;
}

/** Kinds of failure as RFC 8460 section 4.3 names them, besides those of policies. */
export type TlsFailureKind =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dane-required';

/** Why TLS did not come to stand. */
export interface TlsFailure {
  readonly kind: TlsFailureKind;
  /** For people. */
  readonly reason: string;
}

/** What came of TLS on one connection. */
export type TlsResult =
  | { readonly kind: 'secured'; readonly state: TlsState }
  | { readonly kind: 'failed'; readonly failure: TlsFailure }
  | { readonly kind: 'clear'; readonly reason: string };

const KEYS = new WeakMap<TlsPolicy, string>();

/** Equal for policies of which a connection made under one may stand for one made under the other. */
export function keyOfPolicy(policy: TlsPolicy): string {
  let key = KEYS.get(policy);
  if (key !== undefined) return key;
  const { reported, source, tlsa, ...rest } = policy;
  const records = tlsa.map(({ certificate, ...record }) => ({ ...record, certificate: certificate.toString('hex') }));
  const text = JSON.stringify([Object.entries(rest).sort(), records]);
  // Authorities and keys are long; a digest is enough to tell them apart.
  key = text.length < 200 ? text : createHash('sha256').update(text).digest('base64');
  KEYS.set(policy, key);
  return key;
}

/** Where nothing else was said: try TLS, take any certificate. */
export function opportunistic(serverName: string): TlsPolicy {
  return {
    mode: 'opportunistic',
    implicit: false,
    verify: 'any',
    serverName,
    names: serverName === '' ? [] : [serverName],
    ca: '',
    pins: [],
    tlsa: [],
    minVersion: 'TLSv1.2',
    cert: '',
    key: '',
    source: 'default',
  };
}
