/**
 * All metrics, gathered when they are asked for: while mail flows, numbers are counted up and nothing else.
 *
 * Bounded: of destinations and of promises by site and tenant only the busiest are told of.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { EngineStatus } from './control/engine-control.js';
import type { HistoryCounts } from './history/history.js';
import type { DestinationQueue } from './queue/destination-queue.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import { counter, gauge, type Metric, type Sample } from './telemetry/exposition.js';
import type { KpiReport, KpiSpans } from './telemetry/kpi.js';

/** Destinations and sites told of at most. */
const BUSIEST = 50;
const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;
/** How often the event loop is looked at, ms. */
const RESOLUTION = 20;

/** Since the last scrape. Begun with the first, so that it costs nothing where nobody asks. */
let lag: ReturnType<typeof monitorEventLoopDelay> | null = null;

export interface MetricSources {
  readonly status: EngineStatus;
  readonly kpis: KpiReport;
  readonly events: EngineEvents;
  readonly lanes: Readonly<Record<string, number>>;
  readonly queues: Iterable<Pick<DestinationQueue, 'key' | 'length'>>;
  /** null: there is none. */
  readonly history: HistoryCounts | null;
  readonly spool: { readonly fileBytes: number; readonly availableBytes: number };
}

export function engineMetrics({ status, kpis, events, history, lanes, queues, spool }: MetricSources): Metric[] {
  const { tls, returned } = status;
  return [
    counter('sluice_accepted_total', 'Messages accepted.', status.accepted),
    counter('sluice_delivered_total', 'Recipients delivered.', status.delivered),
    counter('sluice_deferred_total', 'Attempts at a recipient that are to be repeated.', status.deferred),
    counter('sluice_bounced_total', 'Recipients given up: refused or expired.', status.failed),
    counter('sluice_dropped_total', 'Recipients that get nothing: suppressed, or a rule says so.', events.droppedCount),
    counter('sluice_uncertain_total', 'Messages whose last reply was lost.', events.uncertainCount),
    gauge('sluice_queue_messages', 'Queued messages.', by('lane', lanes)),
    gauge('sluice_destination_messages', `Queued messages of the ${BUSIEST} busiest destinations.`, busiest(queues)),
    {
      name: 'sluice_delivery_seconds',
      help: "From our 250 to the next hop's.",
      type: 'histogram',
      histogram: events.deliveryTime,
    },
    counter('sluice_spool_flushes_total', 'Flushes of the spool to disk.', status.flushes),
    gauge('sluice_spool_bytes', 'Size of the spool file.', spool.fileBytes),
    gauge('sluice_spool_available_bytes', 'Bytes of mail that the spool has room for.', spool.availableBytes),
    gauge(
      'sluice_connections',
      'Open connections.',
      by('side', { server: status.serverConnections, upstream: status.upstreamConnections }),
    ),
    counter(
      'sluice_upstream_connects_total',
      'Connections to next hops by what came of them.',
      by('result', { usable: events.connections, failed: events.connectionsFailed }),
    ),
    counter('sluice_tls_handshakes_failed_total', 'TLS handshakes of clients that failed.', tls.clientsFailed),
    counter(
      'sluice_upstream_tls_total',
      'Connections to next hops by what came of TLS.',
      by('result', { secured: tls.secured, clear: tls.clear, failed: tls.failed }),
    ),
    counter('sluice_policy_failures_total', 'Policies (MTA-STS, DANE) not met or not had.', tls.policyFailures),
    gauge(
      'sluice_certificate_expires_seconds',
      'End of the first certificate to end, 0: none.',
      tls.certificateExpires / 1000,
    ),
    counter('sluice_returned_total', 'Mail to bounce addresses.', by('kind', returned)),
    gauge('sluice_suppressed_addresses', 'Addresses on the suppression list.', status.suppressed),
    ...ofHistory(history),
    ...promises(kpis),
    ...ofProcess(status.startedAt),
  ];
}

function ofHistory(history: HistoryCounts | null): Metric[] {
  if (history === null) return [];
  return [
    counter('sluice_history_events_total', 'Events told to the history of messages.', history.recorded),
    counter('sluice_history_lost_total', 'Of these not kept: the disk failed or was too slow.', history.lost),
    gauge('sluice_history_bytes', 'Size of the history.', history.bytes),
  ];
}

function promises(kpis: KpiReport): Metric[] {
  const shares = (spans: KpiSpans, labels: Readonly<Record<string, string>>): Sample[] =>
    Object.entries(spans).flatMap(([span, figures]) =>
      (['latency', 'bounces', 'connections'] as const)
        .filter((promise) => figures[promise].share !== null)
        .map((promise) => ({ labels: { ...labels, promise, span }, value: figures[promise].share! })),
    );
  const subjects = (kind: string, all: Readonly<Record<string, KpiSpans>>): Sample[] =>
    Object.entries(all)
      .slice(0, BUSIEST)
      .flatMap(([name, spans]) => shares({ '1h': spans['1h']! }, { [kind]: name }));
  const { latency, bounces, connections } = kpis.targets;
  return [
    gauge('sluice_kpi_target', 'What the promises are.', by('promise', { latency, bounces, connections })),
    gauge('sluice_kpi_share', 'Deliveries in time, bounces, usable connections: shares.', shares(kpis.all, {})),
    gauge('sluice_kpi_tenant_share', 'The same for the busiest tenants.', subjects('tenant', kpis.tenants)),
    gauge('sluice_kpi_site_share', 'The same for the busiest sites.', subjects('site', kpis.sites)),
  ];
}

/** Names as the Prometheus clients have them. */
function ofProcess(startedAt: number): Metric[] {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  if (lag === null) {
    lag = monitorEventLoopDelay({ resolution: RESOLUTION });
    lag.enable();
  }
  const seconds = (value: number): number => (Number.isFinite(value) ? value / NANOSECONDS : 0);
  const lags = { '0.5': lag.percentile(50), '0.99': lag.percentile(99), '1': lag.max };
  const samples = Object.entries(lags).map(([quantile, value]) => ({ labels: { quantile }, value: seconds(value) }));
  lag.reset();
  return [
    counter('process_cpu_seconds_total', 'CPU time of the process.', (user + system) / MICROSECONDS),
    gauge('process_resident_memory_bytes', 'Memory of the process.', rss),
    gauge('process_start_time_seconds', 'Start of the engine.', startedAt / 1000),
    gauge('nodejs_heap_size_used_bytes', 'Heap of the main thread.', heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory outside of the heap.', external),
    gauge('sluice_event_loop_lag_seconds', 'Turns of the main thread since the last scrape.', samples),
  ];
}

function busiest(queues: MetricSources['queues']): Sample[] {
  return [...queues]
    .filter(({ length }) => length > 0)
    .sort((a, b) => b.length - a.length)
    .slice(0, BUSIEST)
    .map(({ key, length }) => ({ labels: { destination: key }, value: length }));
}

function by(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}
