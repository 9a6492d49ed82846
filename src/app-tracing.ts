/**
 * Traces and metrics by OTLP, tied to the engine. Nothing of it is loaded where no collector is named.
 */
import type { Settings } from './config/schema.js';
import { messageOf } from './core/errors.js';
import type { Metric } from './telemetry/exposition.js';
import type { Log } from './telemetry/log.js';
import type { MailTracer } from './telemetry/mail-tracer.js';
import { VERSION } from './version.js';

export interface Tracing {
  /** null: no traces are made. */
  readonly tracer: MailTracer | null;
  /** Sends what is left, as far as there is time. */
  close(): Promise<void>;
}

const OFF: Tracing = { tracer: null, close: async () => {} };
/** For a batch, retries included, ms. */
const TIMEOUT = 10_000;

/** Where it cannot be had one log line says why, and mail flows without. `figures`: metrics as they are now. */
export async function openTracing(settings: Settings, log: Log, figures: () => readonly Metric[]): Promise<Tracing> {
  const { otlpEndpoint, otlpHeaders, traces, otlpMetrics } = settings;
  if (otlpEndpoint === '') return OFF;
  const endpoint = otlpEndpoint.replace(/\/+$/, '');
  const resource = {
    'service.name': settings.otlpService,
    'service.version': VERSION,
    'service.instance.id': settings.hostname,
    ...Object.fromEntries(settings.otlpResource),
  };
  const target = { endpoint, headers: Object.fromEntries(otlpHeaders), timeout: TIMEOUT, resource };
  try {
    const [{ spanSender }, { exportMetrics }, { ExportQueue }, { MessageTracer }] = await Promise.all([
      import('./tracing/otlp-spans.js'),
      import('./tracing/otlp-metrics.js'),
      import('./tracing/export-queue.js'),
      import('./tracing/message-tracer.js'),
    ]);
    const spans = new ExportQueue(spanSender(target), log);
    const tracer = new MessageTracer(traces, (span) => spans.put(span));
    const stop = otlpMetrics === 0 ? () => {} : exportMetrics(target, otlpMetrics, figures, log);
    log.info({ endpoint: shown(endpoint), traces, metrics: otlpMetrics }, 'traces and metrics go to a collector');
    return {
      tracer,
      close: () => {
        stop();
        return spans.close();
      },
    };
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'no traces and metrics by OTLP: mail flows without them');
    return OFF;
  }
}

/** Without a user and password. */
function shown(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint);
  return `${origin}${pathname === '/' ? '' : pathname}`;
}
