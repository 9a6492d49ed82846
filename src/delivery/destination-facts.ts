/**
 * What is known of a destination, and what its mail waits for, in words for operators.
 */
import type { Wait } from '../queue/wait.js';
import type { EgressPool } from './egress.js';
import type { HostFacts } from './health/describe-host.js';
import type { HostState } from './host-state.js';
import type { SaidReply } from './last-replies.js';
import type { SiteControl } from './site-control.js';
import type { Slots } from './slots.js';

/** JSON-safe but for `until` Infinity of a wait. Times are engine clock ms. */
export interface DestinationFacts {
  readonly destination: string;
  /** As the control of its site has it, '' while that is not known or where there is none. */
  readonly site: string;
  /** Connections that carry its mail, being made and made; of the whole site. */
  readonly connections: number;
  readonly siteConnections: number;
  readonly hosts: readonly Readonly<Record<string, unknown>>[];
  /** Most connections of the destination and what the control of the site says; pools of sources. */
  readonly limits: Readonly<Record<string, unknown>>;
  readonly waits: readonly Wait[];
}

/** A site with its hosts, in use or not. `hosts`: as in DestinationFacts. */
export interface KnownSite {
  readonly site: string;
  readonly connections: number;
  readonly hosts: readonly KnownHost[];
  readonly limits: Readonly<Record<string, unknown>>;
}

/** JSON-safe. Times are engine clock ms. */
export interface KnownHost extends HostFacts {
  /** Most connections; null: no limit. */
  readonly limit: number | null;
  readonly lastReply: SaidReply | null;
  readonly refusals: readonly SaidReply[];
}

/** What a pool shows of itself. */
export interface PoolView {
  readonly destination: string;
  readonly slots: Slots;
  readonly resolving: boolean;
  /** null while it has none. */
  readonly site: { readonly control: SiteControl; readonly slots: Slots } | null;
  readonly hosts: readonly HostState[];
  readonly egress: EgressPool | null;
  /** The limit that stood in its way last. */
  readonly refusal: Wait | null;
  /** It waits for a connection that others have. */
  readonly inLine: boolean;
}

export function factsOf(pool: PoolView, now: number): DestinationFacts {
  const { destination, slots, site, hosts, egress } = pool;
  return {
    destination,
    site: site?.control.site ?? '',
    connections: slots.connections,
    siteConnections: site?.slots.connections ?? 0,
    hosts: hosts.map((host) => ({ ...factsOfHost(host, now) })),
    limits: {
      connections: finite(slots.limit),
      siteConnections: finite(site?.slots.limit ?? slots.limit),
      ...site?.control.describe(now),
      ...(egress === null ? {} : { egress: egress.describe(now) }),
    },
    waits: waitsOf(pool, now),
  };
}

/** Everything that is in the way of its mail now, besides what concerns single messages. */
export function waitsOf(pool: PoolView, now: number): readonly Wait[] {
  const { destination, slots, site, hosts, refusal } = pool;
  const waits: Wait[] = [];
  const add = (wait: Wait): void => {
    if (!waits.some(({ reason }) => reason === wait.reason)) waits.push(wait);
  };
  if (pool.resolving) {
    const reason = `the hosts of ${destination} are being found out`;
    return [{ kind: 'resolving', reason, until: Number.POSITIVE_INFINITY }];
  }
  if (site === null) return [];
  if (refusal !== null && refusal.until > now) add(refusal);
  for (const wait of site.control.waits(now)) add(wait);
  for (const host of hosts) {
    const wait = waitOfHost(host, now);
    if (wait !== null) add(wait);
  }
  const full = (scope: Slots, what: string, idle: number): void => {
    if (!scope.hasRoom(false) && !(scope.sparesOne && idle > 0)) add(allBusy(scope, what));
  };
  full(slots, destination, site.slots.idle);
  full(site.slots, `site ${site.control.site}`, site.slots.idle);
  for (const host of hosts) full(host.slots, `host ${host.site.name} (${host.site.address})`, host.idle.length);
  return waits;
}

/** The connections of one site, which may have several controls: one for each set of hosts. `sites`: at least one. */
export function factsOfSites(
  sites: readonly {
    readonly control: SiteControl;
    readonly slots: Slots;
    readonly states: Iterable<HostState>;
  }[],
  now: number,
): KnownSite {
  return {
    site: sites[0]!.control.site,
    connections: sites.reduce((sum, { slots }) => sum + slots.connections, 0),
    hosts: sites.flatMap(({ states }) => [...states].map((host) => factsOfHost(host, now))),
    limits: { ...sites[0]!.control.describe(now) },
  };
}

function factsOfHost(host: HostState, now: number): KnownHost {
  const { replies, slots } = host;
  return {
    ...host.describe(now),
    limit: finite(slots.limit),
    lastReply: replies.newest,
    refusals: replies.refusals,
  };
}

/** A host that is paused, or rests and has no connection to go on with. */
function waitOfHost(host: HostState, now: number): Wait | null {
  const { site, pausedUntil, restUntil, idle, lastFailure } = host;
  const who = `host ${site.name} (${site.address})`;
  if (pausedUntil > now)
    return { kind: host.pauseCause, reason: `${who} is given no mail: ${lastFailure}`, until: pausedUntil };
  if (restUntil <= now || idle.length > 0) return null;
  return { kind: 'breaker', reason: `${who} is left alone: ${lastFailure}`, until: restUntil };
}

function allBusy({ connections, limit, reserve }: Slots, what: string): Wait {
  const kept = reserve > 0 ? `, ${reserve} for immediate mail only` : '';
  return {
    kind: 'connections',
    reason: `${what}: all connections it may have are in use (${connections} of ${limit}${kept})`,
    until: Number.POSITIVE_INFINITY,
  };
}

/** JSON has no Infinity. */
function finite(limit: number): number | null {
  return Number.isFinite(limit) ? limit : null;
}
