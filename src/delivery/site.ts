/**
 * Sites: where a destination's mail can be handed in. Either the configured upstreams, balanced by weight, or the mail
 * hosts of a domain in order of preference.
 */
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { ClientCredentials } from '../smtp/client-sasl.js';
import type { EgressPool } from './egress.js';
import type { MailHostResolver } from './mx-resolver.js';
import type { MxSecurity } from './mx-security.js';
import type { TlsPolicy } from './tls-policy.js';

/** One host and port with the addresses to try. */
export interface SiteHost {
  readonly name: string;
  readonly address: string;
  /** Further addresses of the same host, tried in turn when it cannot be reached. */
  readonly alternatives?: readonly string[];
  readonly port: number;
  /** Share among balanced hosts, 1 or more. */
  readonly weight: number;
  /** Most connections to it. */
  readonly limit: number;
  /** How safely it must be reached. */
  readonly tls: TlsPolicy;
  /** That mail for the destination may go to this host is certain: configured, or found by a validated way. */
  readonly foundSecurely?: boolean;
  /** Who we are to it; none: it is not asked. */
  readonly credentials?: HostCredentials;
  /** Messages on one connection at most, 0 or none: as the engine has it. */
  readonly maxMessages?: number;
  /** Recipients in one transaction at most, 0 or none: as the engine has it. */
  readonly maxRecipients?: number;
  /** Where it stands, for the nearest first: `eu-west`, or coordinates; '' or none: not said. */
  readonly region?: string;
  /** How far it is by region, coordinates or GeoIP, as ms of a connect time: a guess until measured. None: not known. */
  readonly distance?: number;
  /** Every so many ms without mail it is looked whether it answers, 0 or none: not. */
  readonly check?: number;
  /** Share of its price: of equal hosts the cheaper is taken. 0 or none: not said. */
  readonly cost?: number;
  /** Messages a day at most, 0 or none: no limit. */
  readonly quota?: number;
}

/**
 * Which of several hosts is taken: `balance`: the one that is expected to be done first, about equal ones by weight;
 * `nearest`: the same among the nearest that work; `preference`: the first that works (RFC 5321 section 5.1).
 */
export type HostOrder = 'balance' | 'nearest' | 'preference';

/** What a host is shown of us, and where a token comes from. */
export interface HostCredentials {
  readonly sasl: ClientCredentials;
  /** With `sasl.token` only. Rejects with a SluiceError that says whether waiting can help. */
  fetchToken?(): Promise<string>;
  /** The host did not take the token. */
  tokenRefused?(): void;
}

export type SiteHosts =
  | {
      readonly kind: 'hosts';
      readonly hosts: readonly SiteHost[];
      readonly order: HostOrder;
      /** Most connections in all. */
      readonly limit: number;
      /** Engine clock ms until which this holds. */
      readonly expires: number;
      /** Sources for its connections; none: the system chooses. */
      readonly egress?: EgressPool;
    }
  | {
      /** Nothing to connect to: the engine itself deals with the mail (discard, bounces that come back). */
      readonly kind: 'local';
      /** Outcomes parallel to the job's recipients. A rejection puts the job off. */
      deliver(job: DeliveryJob): Promise<readonly Outcome[]>;
      readonly expires: number;
    }
  | {
      readonly kind: 'failed';
      readonly temporary: boolean;
      readonly enhanced: string;
      readonly reason: string;
      /** Hosts known from before must not be used either: a policy forbids them. */
      readonly forbidden?: boolean;
    };

/** Finds the hosts of one destination. Never rejects. */
export interface Site {
  resolve(): Promise<SiteHosts>;
}

/** A configured upstream. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  readonly pool: number;
  readonly weight: number;
  readonly tls: TlsPolicy;
  readonly credentials?: HostCredentials;
  readonly maxMessages?: number;
  readonly maxRecipients?: number;
  /** As SiteHost has them. Where a region is given the nearest is chosen. */
  readonly region?: string;
  readonly cost?: number;
  readonly quota?: number;
  readonly check?: number;
  /** How far an address of it is by what is known of places, as ms of a connect time; undefined: not known. */
  guessDistance?(address: string): number | undefined;
}

/** Addresses of a host name or literal, best first; throws what `MailHostResolver` would report as failed. */
export type LookUpAddresses = (host: string) => Promise<{ addresses: readonly string[]; expires: number }>;

/** A group of configured upstreams. One whose name does not resolve now is left out; none left is temporary. */
export function upstreamSite(
  upstreams: readonly Upstream[],
  lookUp: LookUpAddresses,
  order: HostOrder = 'balance',
): Site {
  return {
    async resolve() {
      const hosts: SiteHost[] = [];
      let expires = Number.POSITIVE_INFINITY;
      let reason = '';
      for (const upstream of upstreams) {
        try {
          const found = await lookUp(upstream.host);
          expires = Math.min(expires, found.expires);
          const [address, ...alternatives] = found.addresses;
          if (address === undefined) throw new Error(`no address for upstream ${upstream.host}`);
          const { host: name, pool: limit, guessDistance, ...same } = upstream;
          const distance = guessDistance?.(address);
          const host = { ...same, foundSecurely: true, name, limit, address, alternatives };
          hosts.push(distance === undefined ? host : { ...host, distance });
        } catch (error) {
          reason = error instanceof Error ? error.message : String(error);
        }
      }
      if (hosts.length === 0) return { kind: 'failed', temporary: true, enhanced: '4.4.3', reason };
      const limit = upstreams.reduce((sum, upstream) => sum + upstream.pool, 0);
      return { kind: 'hosts', hosts, order, limit, expires };
    },
  };
}

/**
 * The mail hosts of a recipient domain (RFC 5321 section 5), as far as its policies let them be used (RFC 7672, RFC 8461).
 * `connections`: most to the destination. A domain whose policies leave no host is tried again later, never given up for
 * that (RFC 8461 section 5).
 */
export function mailSite(
  domain: string,
  resolver: MailHostResolver,
  security: MxSecurity,
  port: number,
  connections: number,
): Site {
  return {
    async resolve() {
      const found = await resolver.resolve(domain);
      if (found.kind === 'failed') return found;
      const secured = await security.secure(domain, found);
      if (secured.hosts.length === 0 && secured.refusal !== null)
        return { kind: 'failed', temporary: true, forbidden: true, ...secured.refusal };
      const hosts = secured.hosts.flatMap(({ host, tls, foundSecurely }) =>
        host.addresses.map((address) => ({
          name: host.name,
          address,
          port,
          weight: 1,
          limit: connections,
          tls,
          foundSecurely,
        })),
      );
      return { kind: 'hosts', hosts, order: 'preference', limit: connections, expires: secured.expires };
    },
  };
}
