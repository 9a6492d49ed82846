/**
 * The operator's promises, kept count of: delivery latency, bounce rate and connection success, in all, for each tenant
 * and for each destination site, over 5 minutes, an hour and a day.
 *
 * Contract: O(1) for each event without allocation, but for a subject seen for the first time. Bounded: beyond MAX_TENANTS
 * and MAX_SITES what is new counts as `other`, and the subjects with the least mail of the last day make room for it, at
 * most once a minute.
 * Numbers: bounce rate is all bounces, those that come back later among them, by all recipients that came to an end. Mail
 * on its way counts with nothing yet.
 */
import {
  BOUNCED,
  CAME_BACK,
  COMPLAINED,
  CONNECTED,
  DEFERRED,
  DELIVERED,
  IN_TIME,
  KPI_SPANS,
  KpiSeries,
  NOT_CONNECTED,
} from './kpi-series.js';

/** Delivered within this is in time, ms. */
export const LATENCY_LIMIT = 5 * 60_000;
/** Share of deliveries in time, at least; bounces and connections that failed, at most. */
export const KPI_TARGETS = { latency: 0.95, bounces: 0.02, connections: 0.995 } as const;

/** A share and whether it keeps the promise; null: there is nothing to take a share of. */
export interface KpiShare {
  readonly share: number | null;
  readonly met: boolean | null;
}

export interface KpiFigures {
  readonly delivered: number;
  readonly bounced: number;
  readonly cameBack: number;
  readonly deferred: number;
  readonly complained: number;
  readonly latency: KpiShare;
  readonly bounces: KpiShare;
  readonly connections: KpiShare;
}

/** By span: `5m`, `1h`, `1d`. */
export type KpiSpans = Readonly<Record<string, KpiFigures>>;

/** JSON-safe. `tenants` and `sites`: those with the most mail of the last day, at most `top`. */
export interface KpiReport {
  readonly targets: { readonly latencyMs: number } & typeof KPI_TARGETS;
  readonly all: KpiSpans;
  readonly tenants: Readonly<Record<string, KpiSpans>>;
  readonly sites: Readonly<Record<string, KpiSpans>>;
}

const MAX_TENANTS = 500;
const MAX_SITES = 1000;
/** Subjects beyond the bounds, and those that made room. */
export const OTHER = 'other';
const MAKE_ROOM_EVERY = 60_000;
const DEFAULT_TOP = 50;

export class Kpi {
  private readonly all = new KpiSeries();
  private readonly tenants: Subjects;
  private readonly sites: Subjects;

  constructor(maxTenants = MAX_TENANTS, maxSites = MAX_SITES) {
    this.tenants = new Subjects(maxTenants);
    this.sites = new Subjects(maxSites);
  }

  /**
   * A recipient came to an end or was put off. `tenant` '' is nobody's; `latency`: ms since it could first be sent; times
   * are engine clock ms.
   */
  outcome(
    kind: 'delivered' | 'deferred' | 'failed' | 'expired',
    tenant: string,
    site: string,
    latency: number,
    now: number,
  ): void {
    if (kind === 'delivered') {
      this.count(DELIVERED, tenant, site, now);
      if (latency <= LATENCY_LIMIT) this.count(IN_TIME, tenant, site, now);
    } else this.count(kind === 'deferred' ? DEFERRED : BOUNCED, tenant, site, now);
  }

  /** A bounce came back for mail that had been taken. */
  cameBack(tenant: string, site: string, now: number): void {
    this.count(BOUNCED, tenant, site, now);
    this.count(CAME_BACK, tenant, site, now);
  }

  complained(tenant: string, site: string, now: number): void {
    this.count(COMPLAINED, tenant, site, now);
  }

  /** A connection to a host of a site could be used, or not. */
  connection(site: string, good: boolean, now: number): void {
    const what = good ? CONNECTED : NOT_CONNECTED;
    this.all.add(what, now);
    this.sites.get(site, now).add(what, now);
  }

  /** The figures now. `top`: how many tenants and sites. */
  report(now: number, top = DEFAULT_TOP): KpiReport {
    return {
      targets: { latencyMs: LATENCY_LIMIT, ...KPI_TARGETS },
      all: spansOf(this.all, now),
      tenants: this.tenants.report(now, top),
      sites: this.sites.report(now, top),
    };
  }

  private count(what: number, tenant: string, site: string, now: number): void {
    this.all.add(what, now);
    if (tenant !== '') this.tenants.get(tenant, now).add(what, now);
    this.sites.get(site, now).add(what, now);
  }
}

/** The series of tenants or of sites, bounded. */
class Subjects {
  private readonly series = new Map<string, KpiSeries>();
  private readonly most: number;
  private other: KpiSeries | null = null;
  private roomMade = Number.NEGATIVE_INFINITY;

  constructor(most: number) {
    this.most = most;
  }

  get(name: string, now: number): KpiSeries {
    const found = this.series.get(name);
    if (found !== undefined) return found;
    if (this.series.size >= this.most && now - this.roomMade >= MAKE_ROOM_EVERY) this.makeRoom(now);
    if (this.series.size >= this.most || name === OTHER) {
      this.other ??= new KpiSeries();
      return this.other;
    }
    const fresh = new KpiSeries();
    this.series.set(name, fresh);
    return fresh;
  }

  report(now: number, top: number): Readonly<Record<string, KpiSpans>> {
    const ranked = [...this.series]
      .map(([name, series]) => ({ name, series, weight: series.weight(now) }))
      .filter(({ series }) => !series.isIdle(now))
      .sort((a, b) => b.weight - a.weight || (a.name < b.name ? -1 : 1));
    const rest = new KpiSeries();
    if (this.other !== null) rest.merge(this.other, now);
    for (const { series } of ranked.slice(top)) rest.merge(series, now);
    const shown = ranked.slice(0, top).map(({ name, series }) => [name, spansOf(series, now)] as const);
    return Object.fromEntries(rest.isIdle(now) ? shown : [...shown, [OTHER, spansOf(rest, now)] as const]);
  }

  /** Idle ones go; where that is not enough, a tenth with the least mail goes into `other`. */
  private makeRoom(now: number): void {
    this.roomMade = now;
    for (const [name, series] of this.series) if (series.isIdle(now)) this.series.delete(name);
    if (this.series.size < this.most) return;
    const ranked = [...this.series].map(([name, series]) => ({ name, series, weight: series.weight(now) }));
    ranked.sort((a, b) => a.weight - b.weight);
    this.other ??= new KpiSeries();
    for (const { name, series } of ranked.slice(0, Math.ceil(this.most / 10))) {
      this.other.merge(series, now);
      this.series.delete(name);
    }
  }
}

function spansOf(series: KpiSeries, now: number): KpiSpans {
  return Object.fromEntries(KPI_SPANS.map(({ name }, span) => [name, figures(series, span, now)]));
}

function figures(series: KpiSeries, span: number, now: number): KpiFigures {
  const sum = (what: number): number => series.sum(span, what, now);
  const delivered = sum(DELIVERED);
  const bounced = sum(BOUNCED);
  const cameBack = sum(CAME_BACK);
  const connected = sum(CONNECTED);
  return {
    delivered,
    bounced,
    cameBack,
    deferred: sum(DEFERRED),
    complained: sum(COMPLAINED),
    latency: share(sum(IN_TIME), delivered, (value) => value >= KPI_TARGETS.latency),
    bounces: share(bounced, delivered + bounced - cameBack, (value) => value < KPI_TARGETS.bounces),
    connections: share(connected, connected + sum(NOT_CONNECTED), (value) => value >= KPI_TARGETS.connections),
  };
}

/** A bounce may come back after its delivery has left the span: no share is above one. */
function share(part: number, whole: number, keeps: (value: number) => boolean): KpiShare {
  if (whole <= 0) return part > 0 ? { share: 1, met: keeps(1) } : { share: null, met: null };
  const value = Math.min(1, part / whole);
  return { share: value, met: keeps(value) };
}
