/**
 * Where mail of a transparent listener goes: to the very host and port that its client meant.
 *
 * Its destination is `host/192.0.2.1:25` like that of a route to a fixed host, so that limits, suspensions and listings
 * treat it as one; its site is that one address, with TLS where the host offers it.
 */
import type { Handling } from '../message/envelope.js';
import { originalDestinationOf } from '../message/original-destination.js';
import { formatDestination } from './destination.js';
import type { EgressPool } from './egress.js';
import type { Site } from './site.js';
import { opportunistic } from './tls-policy.js';

/** The key of the destination; null for mail that came by another listener. `egress`: pool of sources, '' for none. */
export function transparentDestination(handling: Handling, egress = '', tlsOptional = false): string | null {
  const name = originalDestinationOf(handling);
  return name === '' ? null : formatDestination({ kind: 'host', name, egress, tlsOptional });
}

/**
 * The site of a destination `host/<name>` that no route names: `name` is an address with a port. Null: it is none.
 * `connections`: most to it.
 */
export function addressSite(name: string, connections: number, egress: EgressPool | null = null): Site | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/.exec(name);
  if (match === null) return null;
  const address = match[1] ?? match[2]!;
  const host = {
    name: address,
    address,
    port: Number(match[3]),
    weight: 1,
    limit: connections,
    tls: opportunistic(address),
  };
  return {
    resolve: async () => ({
      kind: 'hosts',
      hosts: [host],
      order: 'preference',
      limit: connections,
      expires: Number.POSITIVE_INFINITY,
      ...(egress === null ? {} : { egress }),
    }),
  };
}
