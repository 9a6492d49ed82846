/**
 * What is known of a host, for listings and explanations.
 */
import type { HostState } from '../host-state.js';

/** `ejected`: by what it did with mail (breaker); `down`: it could not be reached; `paused`: it had its share. */
export type HostCondition = 'closed' | 'down' | 'ejected' | 'half-open' | 'slow-start' | 'paused';

/** JSON-safe. Times are ms; `until` is engine clock ms, 0 for "not said"; what is not known is null. */
export interface HostFacts {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly state: HostCondition;
  /** Why it is not simply in use, '' when it is. */
  readonly reason: string;
  readonly until: number;
  readonly connections: number;
  readonly idle: number;
  readonly outstanding: number;
  readonly expectedMs: number | null;
  readonly failureShare: number;
  /** What is expected soon by the trend, where there are other hosts to send mail to. */
  readonly forecast: { readonly latencyMs: number | null; readonly failureShare: number | null } | null;
  /** Messages a minute at which it was found to defer, and that are planned. */
  readonly defersAbove: number | null;
  readonly planned: number | null;
  readonly quotaLeft: number | null;
  /** Median connect time, or the guess of it. */
  readonly distanceMs: number | null;
  readonly region: string;
  readonly weight: number;
  readonly cost: number;
}

export function describeHost(host: HostState<unknown>, now: number): HostFacts {
  const { site, forecast, plan, reach } = host;
  const state = conditionOf(host, now);
  const limit = plan?.limit ?? Number.POSITIVE_INFINITY;
  const out = state === 'closed' || state === 'slow-start';
  return {
    name: site.name,
    address: site.address,
    port: site.port,
    state,
    reason: out ? '' : host.lastFailure,
    until: out ? 0 : Math.max(0, state === 'down' ? reach.restUntil : host.pausedUntil),
    connections: host.connections,
    idle: host.idle.length,
    outstanding: host.outstanding,
    expectedMs: finite(host.latency.measuredAt) === null ? null : Math.round(host.expected(now)),
    failureShare: rounded(host.expectedFailures(now)) ?? 0,
    forecast:
      forecast === null
        ? null
        : { latencyMs: rounded(forecast.latencySoon(now), 1), failureShare: rounded(forecast.failuresSoon(now)) },
    defersAbove: rounded(limit, 1),
    planned: rounded(limit === Number.POSITIVE_INFINITY ? limit : plan!.planned, 1),
    quotaLeft: host.quotaLeft(now),
    distanceMs: rounded(host.connectTimes?.median ?? site.distance ?? Number.NaN, 10),
    region: site.region ?? '',
    weight: site.weight,
    cost: site.cost ?? 0,
  };
}

function conditionOf(host: HostState<unknown>, now: number): HostCondition {
  const breaker = host.breaker.state(now);
  if (breaker === 'open') return 'ejected';
  if (host.reach.restUntil > now) return 'down';
  if (breaker === 'half-open' || host.reach.failures > 0) return 'half-open';
  if (host.pausedUntil > now) return 'paused';
  return host.share(now) < 1 ? 'slow-start' : 'closed';
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function rounded(value: number, per = 1000): number | null {
  return Number.isFinite(value) ? Math.round(value * per) / per : null;
}
