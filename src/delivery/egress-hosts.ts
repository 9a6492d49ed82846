/**
 * The hosts of a site as a pool of egress sources reaches them: without the addresses of a family that none of its
 * sources has, which would be waited for in vain.
 */
import type { EgressPool } from './egress.js';
import type { SiteHost, SiteHosts } from './site.js';

/** What was found, to be connected to from the pool's sources. */
export function throughEgress(found: SiteHosts, pool: EgressPool): SiteHosts {
  if (found.kind !== 'hosts') return found;
  const hosts = found.hosts.map((host) => reachedBy(pool, host)).filter((host) => host !== null);
  if (hosts.length > 0 || found.hosts.length === 0) return { ...found, hosts, egress: pool };
  const addresses = found.hosts.map(({ address }) => address);
  // RFC 3463: X.4.4, unable to route.
  return {
    kind: 'failed',
    temporary: true,
    enhanced: '4.4.4',
    reason: `no source of egress pool ${pool.name} has an address of the family of ${shown(addresses)}`,
  };
}

function reachedBy(pool: EgressPool, host: SiteHost): SiteHost | null {
  if (host.alternatives === undefined) return pool.reaches(host.address) ? host : null;
  const [address, ...alternatives] = [host.address, ...host.alternatives].filter((one) => pool.reaches(one));
  return address === undefined ? null : { ...host, address, alternatives };
}

const MAX_SHOWN = 3;

function shown(addresses: readonly string[]): string {
  return addresses.length > MAX_SHOWN ? `${addresses.slice(0, MAX_SHOWN).join(', ')} ...` : addresses.join(', ');
}
