/**
 * Spans by OTLP over HTTP (JSON), through OpenTelemetry's exporter. Loaded only where traces are wanted.
 */
import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { SpanRecord } from './message-tracer.js';
import { hrTime, type OtlpTarget, resourceOf, SCOPE, settled } from './otlp-target.js';

const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT };

type Spans = Parameters<OTLPTraceExporter['export']>[0];

/** Sends batches; rejects with words on why one was not taken. */
export function spanSender(target: OtlpTarget): (batch: readonly SpanRecord[]) => Promise<void> {
  const { endpoint, headers, timeout } = target;
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, headers, timeoutMillis: timeout });
  const resource = resourceOf(target);
  return (batch) => {
    const spans = batch.map((span) => readable(span, resource)) as unknown as Spans;
    return settled((done) => exporter.export(spans, done), timeout);
  };
}

function readable(span: SpanRecord, resource: unknown) {
  const { traceId, parentId, start, end, error } = span;
  const context = (spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED });
  const own = context(span.spanId);
  return {
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => own,
    ...(parentId === '' ? {} : { parentSpanContext: context(parentId) }),
    startTime: hrTime(start),
    endTime: hrTime(end),
    duration: hrTime(Math.max(0, end - start)),
    status: error === '' ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    attributes: span.attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: SCOPE,
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  };
}
