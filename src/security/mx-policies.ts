/**
 * How safely the mail hosts of a domain must be reached, from DANE (RFC 7672), MTA-STS (RFC 8461) and the setting.
 *
 * Contract (MxSecurity): never rejects. DANE goes before MTA-STS (RFC 8461 section 2): a host with TLSA records is judged
 * by those alone, and DNSSEC vouches for its name. Of the other hosts, MTA-STS in mode `enforce` leaves out those it does
 * not name and has the rest show a certificate for their name; in mode `testing` everything is as the setting says, and
 * what would have failed is told. A host whose TLSA records cannot be looked up is left out.
 * Codes (IANA's registry of enhanced status codes): X.7.5, cryptographic failure, where DANE cannot be asked; X.7.1,
 * delivery not authorized, where the domain's policy names none of its hosts.
 */
import type { MailHost, MailHosts } from '../delivery/mx-resolver.js';
import type { MxSecurity, SecuredHost, SecuredHosts } from '../delivery/mx-security.js';
import { opportunistic, type ReportedPolicy, type TlsaRecord, type TlsPolicy } from '../delivery/tls-policy.js';
import { type DaneAnswer, type DaneDns, daneOf } from './dane.js';
import type { StsAnswer, StsPolicies } from './sts-policies.js';
import { namesHost, type StsPolicy } from './sts-policy.js';

/** Failures of policies, as RFC 8460 section 4.3.2 names them; `validation-failure`: a host the policy does not name. */
export type PolicyFailureKind =
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'
  | 'dnssec-invalid'
  | 'validation-failure';

export interface PolicyFailure {
  readonly kind: PolicyFailureKind;
  /** The host it is about, '' when it is about the domain. */
  readonly host: string;
  /** For people. */
  readonly reason: string;
  /** Mail is held back for it. */
  readonly forbids: boolean;
}

export interface MxPoliciesOptions {
  readonly dns: DaneDns;
  /** Null: MTA-STS is off. */
  readonly sts: Pick<StsPolicies, 'policyOf'> | null;
  readonly dane: boolean;
  /** Port of the hosts. */
  readonly port: number;
  /** What holds for hosts without a policy. */
  readonly mode: TlsPolicy['mode'];
  /** Authorities as PEM that replace the system's for hosts without TLSA records; '' for the latter. */
  readonly ca: string;
  /** For the log, metrics and reports. */
  policyFailed(domain: string, policy: ReportedPolicy, failure: PolicyFailure): void;
}

const NO_STS: StsAnswer = { policy: null, problem: null, expires: Number.POSITIVE_INFINITY };

export class MxPolicies implements MxSecurity {
  private readonly options: MxPoliciesOptions;

  constructor(options: MxPoliciesOptions) {
    this.options = options;
  }

  async secure(domain: string, found: Extract<MailHosts, { kind: 'hosts' }>): Promise<SecuredHosts> {
    const { dns, port, sts } = this.options;
    const useDane = this.options.dane && found.authenticated;
    const answers = await Promise.all(found.hosts.map((host) => (useDane ? daneOf(dns, host, port) : NO_DANE)));
    const others = answers.some((answer) => answer.kind === 'none');
    const known = sts === null || !others || domain.startsWith('[') ? NO_STS : await sts.policyOf(domain);
    if (known.problem !== null) {
      const failure = { ...known.problem, host: '', forbids: false };
      this.options.policyFailed(domain, stsReported(domain, known.policy), failure);
    }
    const hosts: SecuredHost[] = [];
    let refusal: SecuredHosts['refusal'] = null;
    for (let i = 0; i < found.hosts.length; i++) {
      const judged = this.judge(domain, found.hosts[i]!, found.authenticated, answers[i]!, known.policy);
      if ('tls' in judged) hosts.push(judged);
      // Where look-ups failed the next attempt may well go through: that reason goes before the other.
      else if (refusal === null || (refusal.enhanced === NOT_NAMED && judged.enhanced === LOOKUP_FAILED))
        refusal = judged;
    }
    const expires = answers.reduce((least, answer) => Math.min(least, answer.expires), known.expires);
    return { hosts, refusal, expires: Math.min(found.expires, expires) };
  }

  private judge(
    domain: string,
    host: MailHost,
    authenticated: boolean,
    dane: DaneAnswer,
    sts: StsPolicy | null,
  ): SecuredHost | { readonly enhanced: string; readonly reason: string } {
    if (dane.kind === 'tlsa')
      return { host, tls: danePolicy(domain, host, dane.base, dane.usable), foundSecurely: true };
    if (dane.kind === 'failed') {
      const reason = `the TLSA records of ${host.name} cannot be had: ${dane.reason}`;
      const reported: ReportedPolicy = { type: 'tlsa', domain: host.name, text: [], mx: [] };
      this.options.policyFailed(domain, reported, { kind: 'dnssec-invalid', host: host.name, reason, forbids: true });
      return { enhanced: LOOKUP_FAILED, reason };
    }
    const setting = this.bySetting(host.name);
    if (sts === null || sts.mode === 'none') {
      const reported: ReportedPolicy = { type: 'no-policy-found', domain, text: [], mx: [] };
      return { host, tls: { ...setting, reported }, foundSecurely: authenticated };
    }
    const reported = stsReported(domain, sts);
    const named = namesHost(sts.mx, host.name);
    const forbids = sts.mode === 'enforce';
    if (!named) {
      const reason = `the MTA-STS policy of ${domain} does not name its mail host ${host.name}`;
      this.options.policyFailed(domain, reported, { kind: 'validation-failure', host: host.name, reason, forbids });
      if (forbids) return { enhanced: NOT_NAMED, reason };
    }
    const tls: TlsPolicy = forbids
      ? { ...setting, mode: 'required', verify: 'pki', source: 'mta-sts', reported }
      : { ...setting, source: setting.mode === 'opportunistic' ? 'mta-sts' : setting.source, reported };
    return { host, tls, foundSecurely: authenticated || named };
  }

  /** What holds for a host without a policy. */
  private bySetting(name: string): TlsPolicy {
    const { mode, ca } = this.options;
    // A literal is no name that SNI could carry.
    const policy = { ...opportunistic(name.startsWith('[') ? '' : name), ca };
    return mode === 'opportunistic' ? policy : { ...policy, mode, source: 'setting' };
  }
}

const NO_DANE: DaneAnswer = { kind: 'none', expires: Number.POSITIVE_INFINITY };
const LOOKUP_FAILED = '4.7.5';
const NOT_NAMED = '4.7.1';

/**
 * TLS as TLSA records ask for it. Names (RFC 7672 section 3.2.2, for usage 2): the base domain, the host, the domain;
 * all of them were validated. SNI carries the base domain (section 8.1).
 */
function danePolicy(domain: string, host: MailHost, base: string, usable: readonly TlsaRecord[]): TlsPolicy {
  return {
    ...opportunistic(base),
    mode: 'required',
    verify: usable.length === 0 ? 'any' : 'dane',
    names: [...new Set([base, host.name, domain])],
    tlsa: usable,
    source: 'dane',
    reported: { type: 'tlsa', domain: base, text: usable.map(tlsaText), mx: [] },
  };
}

function tlsaText({ usage, selector, matchingType, certificate }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${certificate.toString('hex')}`;
}

function stsReported(domain: string, policy: StsPolicy | null): ReportedPolicy {
  if (policy === null) return { type: 'sts', domain, text: [], mx: [] };
  const text = [
    'version: STSv1',
    `mode: ${policy.mode}`,
    ...policy.mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${policy.maxAge}`,
  ];
  return { type: 'sts', domain, text, mx: policy.mx };
}
