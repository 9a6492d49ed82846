/**
 * Reverse-paths of our own (VERP): which mail gets one, what it looks like, and which addresses take bounces and
 * complaints that come back.
 *
 * Contract: the local part stays within 64 octets (RFC 5321 section 4.5.3.1.1), the domain is the tenant's, so that SPF
 * and DMARC can be aligned with it. The null sender keeps its place: nobody is told about a notice. Mail of tenants
 * without VERP costs one look-up, and none where there is none at all.
 */
import { SluiceError } from '../core/errors.js';
import type { Envelope } from '../message/envelope.js';
import { domainOf } from '../smtp/address.js';
import { TOKEN_LENGTH, type VerpToken, type VerpTokens } from './verp-token.js';

/** How a tenant's reverse-paths are made: `bounces-*@example.org`, where the token stands for the `*`. */
export interface VerpTenant {
  readonly tenant: string;
  readonly pattern: string;
}

export interface VerpOptions {
  /** By tenant; '' for mail that is nobody's in particular. */
  readonly tenants: readonly VerpTenant[];
  /** Domains whose every address takes bounces, and single addresses that do, lower case with A-labels. */
  readonly addresses: readonly string[];
}

interface Pattern {
  readonly prefix: string;
  readonly suffix: string;
  readonly domain: string;
}

const MAX_LOCAL_PART = 64;
/** Prefixes of a domain alone: a local part that says what it is. */
const DEFAULT_PREFIX = 'b+';

export class Verp {
  /** Domains that are for bounces alone: taken from anyone. */
  readonly domains: ReadonlySet<string>;
  /** Domains of which only some addresses are for bounces. */
  readonly sharedDomains: ReadonlySet<string>;
  private readonly addresses: ReadonlySet<string>;
  private readonly patterns = new Map<string, Pattern>();
  private readonly byDomain = new Map<string, Pattern[]>();
  private readonly tokens: VerpTokens;

  /** @throws SluiceError `bad-verp`: a pattern that leaves no room for the token. */
  constructor(options: VerpOptions, tokens: VerpTokens) {
    this.tokens = tokens;
    const domains = new Set(options.addresses.filter((address) => !address.includes('@')));
    for (const { tenant, pattern } of options.tenants) {
      const parsed = parsePattern(tenant, pattern);
      this.patterns.set(tenant, parsed);
      const known = this.byDomain.get(parsed.domain) ?? [];
      if (!known.some(({ prefix, suffix }) => prefix === parsed.prefix && suffix === parsed.suffix)) known.push(parsed);
      this.byDomain.set(parsed.domain, known);
      // Where nothing but the token is in the local part, there is no room for other mailboxes.
      if (pattern.lastIndexOf('@') <= 1) domains.add(parsed.domain);
    }
    this.domains = domains;
    this.addresses = new Set(options.addresses.filter((address) => address.includes('@')));
    const some = [...this.byDomain.keys(), ...[...this.addresses].map(domainOf)];
    this.sharedDomains = new Set(some.filter((domain) => !domains.has(domain)));
  }

  /** There is nothing that it would change. */
  get isEmpty(): boolean {
    return this.patterns.size === 0;
  }

  /** ReturnPath: each recipient of this message needs a transaction of its own. */
  appliesTo(envelope: Envelope): boolean {
    return this.patterns.size > 0 && envelope.sender !== '' && this.patterns.has(envelope.handling.tenant);
  }

  /** ReturnPath: the reverse-path to send with for one recipient. */
  of(envelope: Envelope, recipient: number): string {
    const { tenant } = envelope.handling;
    const { prefix, suffix, domain } = this.patterns.get(tenant)!;
    const token = this.tokens.make(envelope.id, recipient, envelope.recipients[recipient]!.address, tenant);
    return `${prefix}${token}${suffix}@${domain}`;
  }

  /** Mail to this address is a bounce or a complaint: to be taken from anyone, and its destination is `local/bounces`. */
  isBounceAddress(address: string): boolean {
    if (this.domains.size === 0 && this.addresses.size === 0 && this.byDomain.size === 0) return false;
    const domain = domainOf(address);
    if (this.domains.has(domain)) return true;
    if (this.addresses.size > 0 && this.addresses.has(lower(address, domain))) return true;
    return this.patternOf(address, domain) !== null;
  }

  /** What the token in an address says; null when there is none of ours in it. */
  read(address: string): VerpToken | null {
    const pattern = this.patternOf(address, domainOf(address));
    if (pattern === null) return null;
    const local = address.slice(0, address.lastIndexOf('@'));
    return this.tokens.read(local.slice(pattern.prefix.length, local.length - pattern.suffix.length));
  }

  private patternOf(address: string, domain: string): Pattern | null {
    const known = this.byDomain.get(domain);
    if (known === undefined) return null;
    const local = address.slice(0, address.lastIndexOf('@')).toLowerCase();
    const fits = ({ prefix, suffix }: Pattern): boolean =>
      local.length === prefix.length + TOKEN_LENGTH + suffix.length &&
      local.startsWith(prefix) &&
      local.endsWith(suffix);
    return known.find(fits) ?? null;
  }
}

function lower(address: string, domain: string): string {
  return `${address.slice(0, address.lastIndexOf('@')).toLowerCase()}@${domain}`;
}

/** `example.org`, `*@example.org` or `bounces-*@example.org`. */
function parsePattern(tenant: string, pattern: string): Pattern {
  const at = pattern.lastIndexOf('@');
  const domain = domainOf(`x@${pattern.slice(at + 1)}`);
  const local = (at <= 0 ? `${DEFAULT_PREFIX}*` : pattern.slice(0, at)).toLowerCase();
  const [prefix = '', suffix, more] = local.split('*');
  const whose = tenant === '' ? 'SLUICE_VERP' : `verp of tenant ${tenant}`;
  const problem =
    domain === '' || suffix === undefined || more !== undefined
      ? 'it is no domain, and no address with one *'
      : prefix.length + suffix.length > MAX_LOCAL_PART - TOKEN_LENGTH
        ? `at most ${MAX_LOCAL_PART - TOKEN_LENGTH} characters may stand before the @ beside the *`
        : '';
  if (problem !== '')
    throw new SluiceError(
      'bad-verp',
      `${whose}: "${pattern}": ${problem} (allowed: bounces.example.org, b+*@example.org)`,
      {
        temporary: false,
      },
    );
  return { prefix, suffix: suffix!, domain };
}
