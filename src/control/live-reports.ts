/**
 * What operators are shown of an engine that runs: figures over time, next hops, tenants. JSON-safe; times are of the
 * wall clock, ms since the epoch, 0 where there is none.
 */

export const SPANS = ['5m', '1h', '24h'] as const;
export type Span = (typeof SPANS)[number];

/** Lists have an entry for each interval, oldest first. Kept by the engine since it started, in memory only. */
export interface FiguresReport {
  readonly span: Span;
  /** Length of an interval, ms. */
  readonly step: number;
  /** Intervals kept at most. */
  readonly points: number;
  /** Ends of the intervals. */
  readonly at: readonly number[];
  readonly series: FigureLists;
}

/** null: nothing happened in the interval. */
export interface FigureLists {
  /** Messages a second. */
  readonly accepted: readonly (number | null)[];
  /** Recipients a second, by what became of an attempt. */
  readonly delivered: readonly (number | null)[];
  readonly deferred: readonly (number | null)[];
  readonly bounced: readonly (number | null)[];
  /** At the end of the interval. */
  readonly serverConnections: readonly (number | null)[];
  readonly upstreamConnections: readonly (number | null)[];
  readonly queuedImmediate: readonly (number | null)[];
  readonly queuedBulk: readonly (number | null)[];
  readonly queuedDeferred: readonly (number | null)[];
  /** From our 250 to the next hop's, ms. */
  readonly latencyP50: readonly (number | null)[];
  readonly latencyP95: readonly (number | null)[];
  readonly latencyP99: readonly (number | null)[];
  /** Of recipients that came to an end. */
  readonly bounceShare: readonly (number | null)[];
  /** Longest delay of the main thread, ms. */
  readonly lag: readonly (number | null)[];
}

/** A site: the hosts that take mail for a provider, a domain or a group of upstreams, and how they do. */
export interface UpstreamReport {
  readonly site: string;
  readonly connections: number;
  readonly hosts: readonly HostReport[];
  /** Limits set and learnt (rates, connections), by the name of what sets them. */
  readonly limits: Readonly<Record<string, unknown>>;
}

export interface HostReport {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** `ejected`: by what it did with mail (breaker); `down`: not reached; `paused`: it had its share. */
  readonly state: 'closed' | 'down' | 'ejected' | 'half-open' | 'slow-start' | 'paused';
  readonly reason: string;
  readonly until: number;
  readonly connections: number;
  readonly idle: number;
  /** Transactions under way. */
  readonly outstanding: number;
  /** Most connections; null: no limit. */
  readonly limit: number | null;
  /** What a transaction is expected to take, ms; null: not known. */
  readonly expectedMs: number | null;
  readonly failureShare: number;
  /** Messages a minute at which it was found to defer, and that are planned; null: none. */
  readonly defersAbove: number | null;
  readonly planned: number | null;
  readonly quotaLeft: number | null;
  readonly distanceMs: number | null;
  readonly region: string;
  readonly weight: number;
  readonly cost: number;
  readonly lastReply: { readonly at: number; readonly reply: string } | null;
  /** The last that refused something, oldest first. */
  readonly refusals: readonly { readonly at: number; readonly reply: string }[];
}

/** A tenant's mail of a span; shares are null where there is nothing to take a share of. */
export interface TenantReport {
  readonly tenant: string;
  /** Messages in memory: ready or under way. Those put off wait in the spool and are not counted. */
  readonly queued: number;
  readonly delivered: number;
  readonly deferred: number;
  readonly bounced: number;
  readonly complained: number;
  readonly bounceShare: number | null;
  /** Of deliveries that were in time. */
  readonly inTimeShare: number | null;
}

/** Questions about it. */
export interface LiveControl {
  /** The intervals that ended after `after`. */
  figures(span: Span, after: number): FiguresReport;
  /** By name after the given one, or (`busiest`) those with the most connections first, whatever `after` is. */
  upstreams(after: string, limit: number, busiest: boolean): UpstreamReport[];
  /** Those with the most mail of the last day first. */
  tenants(span: Span, limit: number): TenantReport[];
}
