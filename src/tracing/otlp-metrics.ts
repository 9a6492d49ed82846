/**
 * Metrics by OTLP over HTTP (JSON), through OpenTelemetry's exporter: the same figures as /metrics, once in an interval.
 *
 * Contract: an export that takes longer than the interval is waited for, not added to; a collector that fails is told of
 * once. Counters are cumulative since the start of the process.
 */
import { ValueType } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics';
import type { Metric } from '../telemetry/exposition.js';
import type { ExportLog } from './export-queue.js';
import { hrTime, type OtlpTarget, resourceOf, SCOPE, settled } from './otlp-target.js';

type Metrics = Parameters<OTLPMetricExporter['export']>[0];

/** Exports every `interval` ms until what is given back is called. */
export function exportMetrics(
  target: OtlpTarget,
  interval: number,
  gather: () => readonly Metric[],
  log: ExportLog,
): () => void {
  const { endpoint, headers, timeout } = target;
  const exporter = new OTLPMetricExporter({ url: `${endpoint}/v1/metrics`, headers, timeoutMillis: timeout });
  const resource = resourceOf(target);
  const start = Date.now();
  let busy = false;
  let failing = false;
  const send = async (): Promise<void> => {
    try {
      const metrics = gather();
      if (metrics.length === 0) return;
      const data = { resource, scopeMetrics: [{ scope: SCOPE, metrics: otlpMetrics(metrics, start, Date.now()) }] };
      await settled((done) => exporter.export(data as unknown as Metrics, done), timeout);
      if (failing) log.info({}, 'the collector takes metrics again');
      failing = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!failing) log.warn({ reason }, 'the collector does not take metrics');
      failing = true;
    }
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void send().finally(() => {
      busy = false;
    });
  }, interval).unref();
  return () => clearInterval(timer);
}

/** Metrics as OTLP has them. `start`, `now`: ms since the epoch. */
export function otlpMetrics(metrics: readonly Metric[], start: number, now: number) {
  const times = { startTime: hrTime(start), endTime: hrTime(now) };
  return metrics.map((metric) => {
    const { name, help: description } = metric;
    // Names of OTLP have no ending for counters: collectors add it for Prometheus.
    const descriptor = {
      name: name.replace(/_total$/, ''),
      description,
      unit: unitOf(name),
      valueType: ValueType.DOUBLE,
    };
    const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
    if (metric.type === 'histogram') {
      const { bounds, counts, sum } = metric.histogram;
      const inEach = Array.from(counts);
      const count = inEach.reduce((all, one) => all + one, 0);
      const value = { buckets: { boundaries: [...bounds], counts: inEach }, sum, count, hasMinMax: false };
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: [{ ...times, attributes: {}, value }] };
    }
    const dataPoints = metric.samples.map(({ labels = {}, value }) => ({ ...times, attributes: labels, value }));
    if (metric.type === 'gauge') return { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
    return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  });
}

function unitOf(name: string): string {
  if (/_seconds(?:_total)?$/.test(name)) return 's';
  return /_bytes(?:_total)?$/.test(name) ? 'By' : '';
}
