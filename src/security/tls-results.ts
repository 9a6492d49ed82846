/**
 * What became of TLS, counted for reports (RFC 8460): by UTC day, recipient domain and policy.
 *
 * A connection costs a few look-ups in maps, a message nothing. Only hosts found by MX count (`TlsPolicy.reported`); those
 * of mail that no policy holds do not: reports are such mail, and would beget reports. Counted is what happened to a connection once: one that
 * goes on in the clear after its handshake failed is not a second failure.
 * Limits: domains of a day, policies of a domain, details of a policy; past the last, failures are counted by kind only.
 */
import type { Clock } from '../core/clock.js';
import type { SiteHost } from '../delivery/site.js';
import type { ReportedPolicy, TlsFailure, TlsFailureKind, TlsResult } from '../delivery/tls-policy.js';
import type { PolicyFailure, PolicyFailureKind } from './mx-policies.js';

/** Failures of one kind at one host. */
export interface FailureDetail {
  readonly kind: TlsFailureKind | PolicyFailureKind;
  readonly host: string;
  readonly address: string;
  readonly reason: string;
  count: number;
}

/** Sessions under one policy. */
export interface PolicyResults {
  readonly policy: ReportedPolicy;
  succeeded: number;
  failed: number;
  readonly details: FailureDetail[];
}

/** Results of one day by domain. `day`: days since the epoch, UTC. */
export interface DayResults {
  readonly day: number;
  readonly domains: Map<string, PolicyResults[]>;
}

export const DAY = 86_400_000;

const UNVERIFIED: TlsFailure = { kind: 'validation-failure', reason: 'the certificate does not pass' };

const MAX_DOMAINS = 10_000;
const MAX_POLICIES = 16;
const MAX_DETAILS = 50;
/** Handshakes that failed and may go on in the clear, remembered. */
const MAX_FALLBACKS = 1000;

export class TlsResults {
  /** Today's. */
  today: DayResults;
  /** Days that are over, not taken yet. */
  readonly over: DayResults[] = [];
  private readonly clock: Clock;
  private readonly changed: () => void;
  private readonly fallbacks = new Set<string>();

  /** `changed` is called after every change. */
  constructor(clock: Clock, changed: () => void) {
    this.clock = clock;
    this.changed = changed;
    this.today = { day: dayOf(clock), domains: new Map() };
  }

  /** DeliveryEvents.tlsResult. */
  connection(destination: string, host: SiteHost, result: TlsResult): void {
    const { reported } = host.tls;
    if (reported === undefined || !isDomain(destination)) return;
    const key = `${destination} ${host.address}`;
    if (result.kind === 'failed') {
      if (this.fallbacks.size >= MAX_FALLBACKS) this.fallbacks.clear();
      this.fallbacks.add(key);
      this.fail(destination, reported, result.failure.kind, host, result.failure.reason);
    } else if (result.kind === 'clear') {
      if (!this.fallbacks.delete(key)) this.fail(destination, reported, 'starttls-not-supported', host, result.reason);
    } else {
      this.fallbacks.delete(key);
      const { verified, problem = UNVERIFIED } = result.state;
      const wouldFail = host.tls.source === 'mta-sts' && !verified;
      if (wouldFail) this.fail(destination, reported, problem.kind, host, problem.reason);
      else this.succeed(destination, reported);
    }
  }

  /** MxPoliciesOptions.policyFailed. */
  policyFailed(domain: string, policy: ReportedPolicy, failure: PolicyFailure): void {
    if (!isDomain(domain)) return;
    this.fail(domain, policy, failure.kind, { name: failure.host, address: '' }, failure.reason);
  }

  /** Begins a new day when the old one is over. */
  turn(): void {
    const day = dayOf(this.clock);
    if (day === this.today.day) return;
    if (this.today.domains.size > 0) this.over.push(this.today);
    this.today = { day, domains: new Map() };
  }

  private succeed(domain: string, policy: ReportedPolicy): void {
    const results = this.resultsOf(domain, policy);
    if (results === undefined) return;
    results.succeeded++;
    this.changed();
  }

  private fail(
    domain: string,
    policy: ReportedPolicy,
    kind: FailureDetail['kind'],
    host: { readonly name: string; readonly address: string },
    reason: string,
  ): void {
    const results = this.resultsOf(domain, policy);
    if (results === undefined) return;
    results.failed++;
    const same = results.details.find((detail) => {
      return detail.kind === kind && detail.host === host.name && detail.address === host.address;
    });
    if (same !== undefined) same.count++;
    else if (results.details.length < MAX_DETAILS)
      results.details.push({ kind, host: host.name, address: host.address, reason: reason.slice(0, 200), count: 1 });
    else {
      const rest = results.details.find((detail) => detail.kind === kind && detail.host === '');
      if (rest !== undefined) rest.count++;
      // There are a dozen kinds: that bounds these.
      else results.details.push({ kind, host: '', address: '', reason: 'further hosts', count: 1 });
    }
    this.changed();
  }

  private resultsOf(domain: string, policy: ReportedPolicy): PolicyResults | undefined {
    this.turn();
    const { domains } = this.today;
    let all = domains.get(domain);
    if (all === undefined) {
      if (domains.size >= MAX_DOMAINS) return undefined;
      all = [];
      domains.set(domain, all);
    }
    let results = all.find((one) => isSame(one.policy, policy));
    if (results === undefined && all.length < MAX_POLICIES) {
      results = { policy, succeeded: 0, failed: 0, details: [] };
      all.push(results);
    }
    return results;
  }
}

function dayOf(clock: Clock): number {
  return Math.floor(clock.wall() / DAY);
}

function isDomain(destination: string): boolean {
  return /^[a-z0-9][a-z0-9.-]*$/.test(destination);
}

function isSame(a: ReportedPolicy, b: ReportedPolicy): boolean {
  if (a === b) return true;
  if (a.type !== b.type || a.domain !== b.domain || a.text.length !== b.text.length) return false;
  return a.text.every((line, i) => line === b.text[i]);
}
