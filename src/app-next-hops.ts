/**
 * Groups of upstreams and fixed hosts as routes name them, and the one group of SLUICE_UPSTREAM.
 *
 * What a reload leaves as it is goes on: access tokens and what was learnt at logins is kept.
 */
import { type Distances, distancesFrom } from './app-distances.js';
import { upstreamsOf } from './app-upstreams.js';
import type { ConfiguredRoute } from './config/route-table.js';
import type { Settings } from './config/schema.js';
import type { UpstreamGroup } from './config/upstream-table.js';
import { type UpstreamAddress, upstreamAddress } from './config/upstream-type.js';
import type { Clock } from './core/clock.js';
import { SluiceError } from './core/errors.js';
import type { HttpClient } from './core/http.js';
import { DEFAULT_GROUP } from './delivery/routes/route-settings.js';
import type { Routes } from './delivery/routes/routes.js';
import { type HostOrder, type LookUpAddresses, type Site, upstreamSite } from './delivery/site.js';

/** A site and the text of what it was made from. */
interface Built {
  readonly from: string;
  readonly site: Site;
}

/** Connections of a relay that sends to many destinations. */
const MANY = 500;

export class NextHops {
  private readonly settings: Settings;
  private readonly http: HttpClient;
  private readonly clock: Clock;
  private readonly lookUp: LookUpAddresses;
  private readonly distances: Distances;
  private readonly standard: Site | undefined;
  private groups: ReadonlyMap<string, Built> = new Map();
  private hosts: ReadonlyMap<string, Built> = new Map();

  /** @throws SluiceError `bad-upstream` or `bad-geoip` where one of SLUICE_UPSTREAM cannot be used as it is set. */
  constructor(settings: Settings, http: HttpClient, clock: Clock, lookUp: LookUpAddresses) {
    this.settings = settings;
    this.http = http;
    this.clock = clock;
    this.lookUp = lookUp;
    this.distances = distancesFrom(settings);
    const all = settings.upstream.length === 0 ? null : upstreamsOf(settings, http, clock, this.distances);
    // Who says where they stand wants the nearest.
    const placed = settings.region !== '' || settings.upstream.some(({ region }) => region !== '');
    this.standard = all === null ? undefined : upstreamSite(all, lookUp, placed ? 'nearest' : 'balance');
  }

  /** @throws SluiceError `bad-upstream` or `bad-route`, and keeps the old. */
  configure(groups: readonly UpstreamGroup[], routes: readonly ConfiguredRoute[]): void {
    this.checkStandard(routes);
    const nextGroups = new Map<string, Built>();
    for (const { name, hosts, order } of groups)
      nextGroups.set(name, this.build(hosts, order, `[[upstream]] ${name}`, this.groups.get(name)));
    const nextHosts = new Map<string, Built>();
    for (const { target, host, name } of routes)
      if (target.kind === 'host' && host !== null && !nextHosts.has(target.name))
        nextHosts.set(target.name, this.build([host], 'balance', `[[route]] ${name}`, this.hosts.get(target.name)));
    this.groups = nextGroups;
    this.hosts = nextHosts;
  }

  group(name: string): Site | undefined {
    return name === DEFAULT_GROUP ? this.standard : this.groups.get(name)?.site;
  }

  /** `host:port`: one that a route names, else as smtp://host:port (an operator may send mail there by order). */
  host(name: string): Site | undefined {
    const known = this.hosts.get(name);
    if (known !== undefined) return known.site;
    const parsed = upstreamAddress().parse(`smtp://${name}`);
    return 'value' in parsed ? this.build([parsed.value], 'balance', name, undefined).site : undefined;
  }

  private checkStandard(routes: readonly ConfiguredRoute[]): void {
    const place = routes.findIndex(({ target }) => target.kind === 'upstream' && target.group === DEFAULT_GROUP);
    if (place < 0 || this.standard !== undefined) return;
    const why = `route[${place + 1}].upstream: "${DEFAULT_GROUP}" is SLUICE_UPSTREAM, which is not set; allowed: an [[upstream]], or mx = true`;
    throw new SluiceError('bad-route', why, { temporary: false });
  }

  private build(hosts: readonly UpstreamAddress[], order: HostOrder, where: string, before: Built | undefined): Built {
    const from = JSON.stringify([hosts, order]);
    if (before?.from === from) return before;
    // The user and password of SLUICE_UPSTREAM are for its hosts and for no others.
    const own = { ...this.settings, upstream: hosts, upstreamUser: '', upstreamPassword: '' };
    const upstreams = upstreamsOf(own, this.http, this.clock, this.distances, where);
    return { from, site: upstreamSite(upstreams, this.lookUp, order) };
  }
}

/** Connections that deliveries may want at once: by MX and by routes there is no telling, so what a busy relay has. */
export function wantedConnections(
  { upstream }: Pick<Settings, 'upstream'>,
  route: { routes(): Pick<Routes, 'exist'> },
): number {
  const sum = upstream.reduce((all, { pool }) => all + pool, 0);
  return upstream.length === 0 || route.routes().exist ? sum + MANY : sum;
}
