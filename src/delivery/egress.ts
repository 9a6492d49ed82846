/**
 * From which address mail leaves. The interface between the pools of connections and the egress sources.
 */
import type { Wait } from '../queue/wait.js';
import type { SiteHost } from './site.js';

/** Where a connection goes out by another machine. */
export interface EgressProxy {
  /** `socks5`: RFC 1928; `haproxy`: the PROXY header names source and target, the balancer connects (expert setups). */
  readonly kind: 'socks5' | 'haproxy';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface EgressSource {
  readonly name: string;
  /** What it says in EHLO, '' for SLUICE_HOSTNAME. */
  readonly helo: string;
  /** Local addresses, '' for none of that family. */
  readonly address4: string;
  readonly address6: string;
  readonly proxy: EgressProxy | null;
}

/** What Dial needs of it. */
export interface DialFrom {
  /** Local address to bind, '' for any; with a proxy, the address it is to use, which is not bound here. */
  readonly address: string;
  readonly proxy: EgressProxy | null;
  /** Name of the source, for what is told of failures. */
  readonly source?: string;
}

/** What Dial is to be given for a connection to `target`, an address. */
export function dialFrom(source: EgressSource, target: string): DialFrom {
  const address = target.includes(':') ? source.address6 : source.address4;
  return { address, proxy: source.proxy, source: source.name };
}

/** Whether a source has an address of the target's family; one that names none leaves it to the system or its proxy. */
export function reaches({ address4, address6 }: EgressSource, target: string): boolean {
  if (address4 === '' && address6 === '') return true;
  return (target.includes(':') ? address6 : address4) !== '';
}

/** Sources taken in turn by weight. One object for each pool of sources, shared by all destinations that use it. */
export interface EgressPool {
  readonly name: string;
  /** Whether one of its sources has an address of this one's family, or leaves that to the system or its proxy. */
  reaches(address: string): boolean;
  /**
   * The source of the next connection to a host of a site, by the family of `host.address`, or why there is none now;
   * until Infinity: it does not reach that address, now or later.
   */
  pick(host: SiteHost, site: string, now: number): EgressSource | Wait;
  /**
   * May a source carry one more message now (warm-up, pauses); null: yes, and it is booked. Nothing gives it back, so it
   * is asked last, after everything else allowed the message.
   */
  admit(source: EgressSource, site: string, now: number): Wait | null;
  /** A rule says: this source not to this site for `ms` (a site of '' : to none). */
  pause(source: string, site: string, ms: number, reason: string, now: number): void;
  /** JSON-safe, for listings. */
  describe(now: number): Readonly<Record<string, unknown>>;
}
