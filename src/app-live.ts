/**
 * What operators are shown of the engine while it runs, tied to its parts: figures over time, next hops, tenants.
 *
 * Contract: nothing of it is done for a message: a timer reads counters once a second, the rest is looked at when it is
 * asked for. Figures begin with the engine, anew where it opens its spool anew.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LiveControl, Span, TenantReport } from './control/live-reports.js';
import type { Clock } from './core/clock.js';
import type { Delivery } from './delivery/delivery.js';
import type { SaidReply } from './delivery/last-replies.js';
import type { Scheduler } from './queue/scheduler.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import { Figures, type Reading } from './telemetry/figures.js';
import type { KpiReport } from './telemetry/kpi.js';

const SECOND = 1000;
/** How often the event loop is looked at, ms; the library counts it into each delay. */
const RESOLUTION = 20;
const NANOSECONDS = 1e6;
/** The same span as the promises name it. */
const KPI_SPAN: Readonly<Record<Span, string>> = { '5m': '5m', '1h': '1h', '24h': '1d' };
/** How long a count of mail by tenant holds, ms: all messages in memory are looked at for it. */
const COUNT_HOLDS = 2000;

export interface LiveParts {
  readonly clock: Clock;
  readonly events: EngineEvents;
  readonly scheduler: Pick<Scheduler, 'laneCounts' | 'active'>;
  readonly delivery: Pick<Delivery, 'connections' | 'describeSites'>;
  /** Connections of clients. */
  clients(): number;
  kpis(): KpiReport;
}

export interface Live {
  readonly control: LiveControl;
  /** Ends the timer. */
  close(): void;
}

/** Begins to take figures. */
export function openLive(parts: LiveParts): Live {
  const { clock, delivery } = parts;
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  delays.enable();
  const read = (): Reading => {
    const { events, scheduler } = parts;
    const lanes = scheduler.laneCounts();
    const lag = Math.max(0, delays.max / NANOSECONDS - RESOLUTION);
    delays.reset();
    return {
      accepted: events.acceptedCount,
      delivered: events.delivered,
      deferred: events.deferred,
      bounced: events.failed,
      serverConnections: parts.clients(),
      upstreamConnections: delivery.connections,
      queuedImmediate: lanes.immediate,
      queuedBulk: lanes.bulk,
      queuedDeferred: lanes.deferred,
      latency: events.deliveryTime,
      lag,
    };
  };
  const figures = new Figures(read(), clock.now());
  const timer = setInterval(() => figures.sample(read(), clock.now(), clock.wall()), SECOND);
  timer.unref();
  const inMemory = mailByTenant(parts);
  return {
    control: {
      figures: (span, after) => ({ span, ...figures.report(span, after) }),
      upstreams: (after, limit, busiest) =>
        delivery.describeSites(after, limit, busiest).map((site) => ({
          ...site,
          hosts: site.hosts.map(({ forecast: _soon, ...host }) => ({
            ...host,
            until: wallTime(host.until, clock),
            lastReply: host.lastReply === null ? null : said(host.lastReply, clock),
            refusals: host.refusals.map((reply) => said(reply, clock)),
          })),
        })),
      tenants: (span, limit) => tenants(span, limit, parts.kpis(), inMemory()),
    },
    close: () => {
      clearInterval(timer);
      delays.disable();
    },
  };
}

function tenants(span: Span, limit: number, { tenants: all }: KpiReport, queued: ReadonlyMap<string, number>) {
  const names = new Set([...Object.keys(all), ...[...queued.keys()].filter((name) => name !== '')]);
  return [...names].slice(0, limit).map((tenant): TenantReport => {
    const figures = all[tenant]?.[KPI_SPAN[span]];
    const { delivered = 0, deferred = 0, bounced = 0, complained = 0 } = figures ?? {};
    return {
      ...{ tenant, queued: queued.get(tenant) ?? 0, delivered, deferred, bounced, complained },
      bounceShare: figures?.bounces.share ?? null,
      inTimeShare: figures?.latency.share ?? null,
    };
  });
}

/** Counts when asked, and not again soon. */
function mailByTenant({ scheduler, clock }: LiveParts): () => ReadonlyMap<string, number> {
  let counts = new Map<string, number>();
  let countedAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.now() - countedAt < COUNT_HOLDS) return counts;
    countedAt = clock.now();
    counts = new Map();
    for (const { envelope } of scheduler.active.values()) {
      const { tenant } = envelope.handling;
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    }
    return counts;
  };
}

function said({ at, reply }: SaidReply, clock: Clock) {
  return { at: wallTime(at, clock), reply };
}

/** Engine clock to wall clock; 0 is none. */
function wallTime(at: number, clock: Clock): number {
  return at === 0 ? 0 : Math.round(at + clock.wall() - clock.now());
}
