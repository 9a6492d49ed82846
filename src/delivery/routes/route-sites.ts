/**
 * From the key of a destination to its site.
 *
 * Routes may change while mail waits, so that a site looks each time at what holds then. One whose group or route is gone
 * puts its mail off, which then goes by the routes there are.
 */
import type { Outcome } from '../../queue/outcome.js';
import { parseDestination } from '../destination.js';
import type { EgressPool } from '../egress.js';
import { throughEgress } from '../egress-hosts.js';
import type { Site, SiteHosts } from '../site.js';
import { DEFAULT_GROUP, type RouteSettings } from './route-settings.js';

/** What holds now. */
export interface SiteSources {
  /** Engine clock, ms. */
  now(): number;
  route(name: string): RouteSettings | undefined;
  /** The upstreams of a group, undefined: there is no such group. */
  group(name: string): Site | undefined;
  /** `host:port`. */
  host(name: string): Site | undefined;
  mx(domain: string, tlsOptional: boolean): Site;
  /** What the engine itself deals with, by the name behind `local/`. */
  local(name: string): Site | undefined;
  /** A pool of egress sources; '' is what mail without one goes by. null: there is none of that name. */
  egressPool(name: string): EgressPool | null;
}

/** The name of the route that an operator's order to discard stands for; no route can have it. */
export const ORDERED = '*';

/** A change of groups and hosts is followed within this, ms. */
const CHECK_INTERVAL = 60_000;
/** How soon mail whose route is gone is looked at again, ms. */
const SOON = 1000;

/** The site of a destination. Always a site: what is wrong with the key is what it resolves to. */
export function siteOfDestination(key: string, sources: SiteSources): Site {
  const { kind, name, egress, tlsOptional } = parseDestination(key);
  switch (kind) {
    case 'upstream':
      return outward(egress, sources, () => checked(sources.group(name), name, sources, 'upstream group'));
    case 'host':
      return outward(egress, sources, () => checked(sources.host(name), name, sources, 'host'));
    case 'mx': {
      const site = sources.mx(name, tlsOptional);
      return outward(egress, sources, () => site.resolve());
    }
    case 'local':
      return { resolve: async () => sources.local(name)?.resolve() ?? gone('local destination', name) };
    case 'discard':
    case 'refuse':
      return { resolve: async () => local((count) => ownOutcomes(kind, name, count, sources)) };
    default:
      return { resolve: async () => gone('kind of destination', key) };
  }
}

/** With the sources its connections go out from. */
function outward(egress: string, sources: SiteSources, resolve: () => Promise<SiteHosts>): Site {
  return {
    async resolve() {
      const found = await resolve();
      if (found.kind !== 'hosts') return found;
      const pool = sources.egressPool(egress);
      if (pool !== null) return throughEgress(found, pool);
      // Mail meant for certain addresses does not leave from others.
      return egress === '' ? found : gone('pool of egress sources', egress);
    },
  };
}

async function checked(site: Site | undefined, name: string, sources: SiteSources, what: string): Promise<SiteHosts> {
  if (site === undefined) return gone(what, name);
  const found = await site.resolve();
  // The group of SLUICE_UPSTREAM stays as long as the process does.
  if (found.kind !== 'hosts' || name === DEFAULT_GROUP) return found;
  return { ...found, expires: Math.min(found.expires, sources.now() + CHECK_INTERVAL) };
}

function gone(what: string, name: string): SiteHosts {
  // RFC 3463: X.3.5, system incorrectly configured.
  const reason = `there is no ${what} ${name} any more`;
  return { kind: 'failed', temporary: true, forbidden: true, enhanced: '4.3.5', reason };
}

function local(outcomesOf: (count: number) => Outcome[]): SiteHosts {
  return {
    kind: 'local',
    deliver: async ({ recipients }) => outcomesOf(recipients.length),
    expires: Number.POSITIVE_INFINITY,
  };
}

function ownOutcomes(kind: 'discard' | 'refuse', name: string, count: number, sources: SiteSources): Outcome[] {
  return new Array<Outcome>(count).fill(outcomeOfRoute(kind, name, sources));
}

/** What becomes of mail at a route without a next hop. */
function outcomeOfRoute(kind: 'discard' | 'refuse', name: string, sources: SiteSources): Outcome {
  const made = { host: '', relayed: false } as const;
  if (kind === 'discard' && name === ORDERED)
    return { ...made, kind: 'delivered', reply: 'discarded by order of the operator', enhanced: '2.0.0' };
  const target = sources.route(name)?.target;
  if (target?.kind === 'discard' && kind === 'discard')
    return { ...made, kind: 'delivered', reply: `discarded by route ${name}`, enhanced: '2.0.0' };
  if (target?.kind === 'refuse' && kind === 'refuse') {
    const { code, enhanced, text } = target;
    return { ...made, kind: code < 500 ? 'deferred' : 'failed', reply: `${code} ${enhanced} ${text}`, enhanced };
  }
  const reply = `route ${name} is no more`;
  return { ...made, kind: 'deferred', reply, enhanced: '4.3.5', putOff: sources.now() + SOON };
}
