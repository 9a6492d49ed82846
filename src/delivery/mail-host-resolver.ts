/**
 * From a recipient domain to the hosts to try (RFC 5321 section 5.1, RFC 7505), on a DNS client it is given.
 *
 * Contract: never rejects. Hosts come by preference; those of equal preference, and the addresses within each family of
 * a host, in a new random order with every call, also when the answer is remembered (it is, until the least TTL of the
 * records it was made from). Families alternate. A host that is ourselves is left out with every host of equal or
 * worse preference. Hosts without a usable address are left out.
 * Limits: MX hosts per domain, addresses per host, domains remembered.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { canonicalIpv6, isUnicast, parseAddressLiteral } from './address-literal.js';
import type { MailDns, MailDnsResult, MailExchange } from './mail-dns.js';
import type { MailHost, MailHostResolver, MailHosts } from './mx-resolver.js';

export interface DnsMailHostResolverOptions {
  readonly dns: MailDns;
  readonly clock: Clock;
  /** Our own host names; an MX of that name is ourselves. */
  readonly ownNames?: readonly string[];
  /**
   * Whether a connection to this address, at the port mail goes to, would reach ourselves. Names that resolve to
   * loopback are up to it too: with the real port they are never somebody else's host.
   */
  readonly isOurselves?: (address: string) => boolean;
  /** Default true: IPv6 before IPv4. */
  readonly ipv6First?: boolean;
  /** Default true. False: AAAA is not asked for. */
  readonly ipv6?: boolean;
  readonly maxHosts?: number;
  readonly maxAddressesPerHost?: number;
  /** Domains remembered. */
  readonly cacheSize?: number;
}

/** A host before its place and the order of its addresses are drawn. */
interface Candidate {
  readonly name: string;
  readonly preference: number;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly authenticated: boolean;
  readonly canonical: string;
}

type Resolved =
  | {
      readonly kind: 'candidates';
      readonly candidates: readonly Candidate[];
      readonly authenticated: boolean;
      readonly expires: number;
    }
  | Extract<MailHosts, { kind: 'failed' }>;

/** How long what needs no DNS stands, ms. */
const LITERAL_LIFETIME = 3_600_000;

export class DnsMailHostResolver implements MailHostResolver {
  private readonly dns: MailDns;
  private readonly clock: Clock;
  private readonly ownNames: ReadonlySet<string>;
  private readonly isOurselves: (address: string) => boolean;
  private readonly ipv6First: boolean;
  private readonly ipv6: boolean;
  private readonly maxHosts: number;
  private readonly maxAddressesPerHost: number;
  private readonly cacheSize: number;
  private readonly cache = new Map<string, Resolved>();
  private readonly inFlight = new Map<string, Promise<Resolved>>();

  constructor(options: DnsMailHostResolverOptions) {
    this.dns = options.dns;
    this.clock = options.clock;
    this.ownNames = new Set((options.ownNames ?? []).map((name) => name.toLowerCase().replace(/\.$/, '')));
    this.isOurselves = options.isOurselves ?? (() => false);
    this.ipv6First = options.ipv6First ?? true;
    this.ipv6 = options.ipv6 ?? true;
    this.maxHosts = options.maxHosts ?? 10;
    this.maxAddressesPerHost = options.maxAddressesPerHost ?? 8;
    this.cacheSize = options.cacheSize ?? 10_000;
  }

  async resolve(domain: string): Promise<MailHosts> {
    const key = domain.toLowerCase().replace(/\.$/, '');
    if (key.startsWith('[')) return this.resolveLiteral(key);
    return this.draw(await this.remembered(key));
  }

  private resolveLiteral(literal: string): MailHosts {
    const expires = this.clock.now() + LITERAL_LIFETIME;
    const address = parseAddressLiteral(literal);
    if (address === undefined || !isUnicast(address)) {
      return failed('5.1.2', `${literal} is not an address that mail can be sent to`, false, expires);
    }
    if (this.isOurselves(address)) return failed('5.4.6', `mail for ${literal} loops back to myself`, false, expires);
    const host = { name: literal, addresses: [address], authenticated: false, canonical: literal };
    return { kind: 'hosts', hosts: [host], authenticated: false, expires };
  }

  private async remembered(domain: string): Promise<Resolved> {
    const known = this.cache.get(domain);
    if (known !== undefined) {
      this.cache.delete(domain);
      if (known.expires > this.clock.now()) {
        this.cache.set(domain, known);
        return known;
      }
    }
    const running = this.inFlight.get(domain);
    if (running !== undefined) return running;
    const found = this.find(domain)
      // The DNS client keeps its promise never to reject; were it broken, mail must wait rather than the engine fall.
      .catch((error: unknown) => failed('4.4.3', `DNS lookup of ${domain}: ${String(error)}`, true, this.clock.now()))
      .then((result) => {
        this.inFlight.delete(domain);
        if (this.cache.size >= this.cacheSize) {
          const oldest = this.cache.keys().next();
          if (!oldest.done) this.cache.delete(oldest.value);
        }
        this.cache.set(domain, result);
        return result;
      });
    this.inFlight.set(domain, found);
    return found;
  }

  private async find(domain: string): Promise<Resolved> {
    const answer = await this.dns.query(domain, 'MX');
    if (answer.kind === 'records') {
      const exchanges = answer.records.filter((record) => record.exchange !== '.' && record.exchange !== '');
      if (exchanges.length === 0)
        return failed('5.1.10', `${domain} does not accept mail (null MX)`, false, answer.expires);
      return this.toCandidates(domain, exchanges, answer, false);
    }
    // Without an answer about MX the address must not be used instead: it may be the wrong host (RFC 5321 section 5.1).
    if (answer.temporary) return failed('4.4.3', answer.detail, true, answer.expires);
    if (answer.reason !== 'nodata') return failed('5.1.2', answer.detail, false, answer.expires);
    return this.toCandidates(domain, [{ preference: 0, exchange: domain }], answer, true);
  }

  private async toCandidates(
    domain: string,
    exchanges: readonly MailExchange[],
    answer: { readonly expires: number; readonly authenticated: boolean },
    implicit: boolean,
  ): Promise<Resolved> {
    // Shuffled before it is cut, so that the bound does not always leave out the same of equals.
    const chosen = shuffle(exchanges)
      .sort((a, b) => a.preference - b.preference)
      .slice(0, this.maxHosts);
    const found = await Promise.all(chosen.map((exchange) => this.addressesOf(exchange)));
    let worstAllowed = Number.POSITIVE_INFINITY;
    let until = answer.expires;
    for (const host of found) {
      until = Math.min(until, host.expires);
      if (host.ourselves) worstAllowed = Math.min(worstAllowed, host.candidate.preference);
    }
    const better = found.filter((host) => host.candidate.preference < worstAllowed);
    const candidates = better
      .filter((host) => host.candidate.ipv4.length + host.candidate.ipv6.length > 0)
      .map((host) => host.candidate);
    const { authenticated } = answer;
    if (candidates.length > 0) return { kind: 'candidates', candidates, authenticated, expires: until };
    const waiting = better.find((host) => host.temporary !== '');
    if (waiting !== undefined) return failed('4.4.3', waiting.temporary, true, until);
    if (worstAllowed !== Number.POSITIVE_INFINITY) {
      return failed('5.4.6', `mail for ${domain} loops back to myself`, false, until);
    }
    return implicit
      ? failed('5.1.2', `${domain} has neither a mail host nor an address`, false, until)
      : failed('5.4.4', `no mail host of ${domain} has a usable address`, false, until);
  }

  private async addressesOf({ exchange, preference }: MailExchange): Promise<{
    readonly candidate: Candidate;
    readonly ourselves: boolean;
    /** Why addresses may be missing that a later try finds, '' when none are. */
    readonly temporary: string;
    readonly expires: number;
  }> {
    const queries: Promise<MailDnsResult<string>>[] = [this.dns.query(exchange, 'A')];
    if (this.ipv6) queries.push(this.dns.query(exchange, 'AAAA'));
    const answers = await Promise.all(queries);
    let expires = Number.POSITIVE_INFINITY;
    let temporary = '';
    let ourselves = this.ownNames.has(exchange);
    const ipv4: string[] = [];
    const ipv6: string[] = [];
    let authenticated = true;
    let canonical = exchange;
    for (const answer of answers) {
      expires = Math.min(expires, answer.expires);
      if (answer.kind === 'failed') {
        if (answer.temporary) temporary = answer.detail;
        continue;
      }
      authenticated &&= answer.authenticated;
      canonical = answer.canonical;
      for (const record of answer.records) {
        const address = canonicalIpv6(record) ?? record;
        if (this.isOurselves(address)) ourselves = true;
        if (isUnicast(address)) (address.includes(':') ? ipv6 : ipv4).push(address);
      }
    }
    const candidate = { name: exchange, preference, ipv4, ipv6, authenticated, canonical };
    return { candidate, ourselves, temporary, expires };
  }

  /** One order out of those that are allowed. */
  private draw(resolved: Resolved): MailHosts {
    if (resolved.kind === 'failed') return resolved;
    const order = shuffle(resolved.candidates).sort((a, b) => a.preference - b.preference);
    const hosts = order.map(({ name, ipv4, ipv6, authenticated, canonical }): MailHost => {
      const [first, second] = this.ipv6First ? [ipv6, ipv4] : [ipv4, ipv6];
      const addresses = alternate(shuffle(first), shuffle(second)).slice(0, this.maxAddressesPerHost);
      return { name, addresses, authenticated, canonical };
    });
    return { kind: 'hosts', hosts, authenticated: resolved.authenticated, expires: resolved.expires };
  }
}

function failed(
  enhanced: string,
  reason: string,
  temporary: boolean,
  expires: number,
): Extract<MailHosts, { kind: 'failed' }> {
  return { kind: 'failed', temporary, enhanced, reason, expires };
}

/** A shuffled copy (Fisher and Yates). */
function shuffle<T>(items: readonly T[]): T[] {
  const shuffled = items.slice();
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    const kept = shuffled[last]!;
    shuffled[last] = shuffled[other]!;
    shuffled[other] = kept;
  }
  return shuffled;
}

/** Items of both lists in turn, beginning with the first. */
function alternate<T>(first: readonly T[], second: readonly T[]): T[] {
  const merged: T[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    if (i < first.length) merged.push(first[i]!);
    if (i < second.length) merged.push(second[i]!);
  }
  return merged;
}
