/**
 * Rows of the schema about traces and metrics by OTLP, and the standard variables of OpenTelemetry that stand for them;
 * schema.ts puts all rows together.
 */
import type { Aliases, Layer } from './postfix-aliases.js';
import { setting } from './setting.js';
import { webUrl } from './url-type.js';
import { duration, list, text, type ValueType } from './value-type.js';

const SECOND = 1000;
const HOUR = 3_600_000;

/** A share from 0 to 1. */
function share(): ValueType<number> {
  return {
    allowed: 'a number from 0 to 1',
    unit: '',
    parse: (given) => {
      const value = /^(?:\d{1,3}|\d?\.\d{1,9}|\d\.)$/.test(given) ? Number(given) : Number.NaN;
      return value >= 0 && value <= 1 ? { value } : { problem: '' };
    },
    format: String,
  };
}

/** `name=value`, percent-encoded as OpenTelemetry has it. `hidden`: values are never shown. */
function pair(hidden: boolean): ValueType<readonly [string, string]> {
  return {
    allowed: 'name=value',
    unit: '',
    ...(hidden ? { hidden } : {}),
    parse: (given) => {
      const match = /^([\w.\-/]{1,256})\s*=(.{0,4096})$/.exec(given);
      if (match === null) return { problem: 'it is not of the form name=value' };
      try {
        const value = decodeURIComponent(match[2]!.trim());
        if (/[\u0000-\u001f\u007f]/.test(value)) return { problem: 'it has a control character' };
        return { value: [match[1]!, value] };
      } catch {
        return { problem: 'a % is not followed by two hex digits' };
      }
    },
    format: ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  };
}

export const tracingSettings = {
  otlpEndpoint: setting({
    name: 'SLUICE_OTLP_ENDPOINT',
    group: 'Traces and metrics by OTLP',
    type: webUrl(),
    default: '',
    defaultNote: 'none: no traces are made',
    purpose:
      'The OpenTelemetry collector that traces of messages and metrics go to, `http://host:4318`, as JSON over HTTP. OTEL_EXPORTER_OTLP_ENDPOINT stands for it.',
    trades: 'A collector that is down or slow costs traces, never mail.',
  }),
  otlpHeaders: setting({
    name: 'SLUICE_OTLP_HEADERS',
    group: 'Traces and metrics by OTLP',
    type: list(pair(true), 'name=value, several with commas', ',', 32),
    default: '',
    defaultNote: 'none',
    purpose: 'Headers for the collector, such as a token. OTEL_EXPORTER_OTLP_HEADERS stands for it.',
    trades: 'Over http:// they can be read on the way.',
    secret: true,
  }),
  traces: setting({
    name: 'SLUICE_TRACES',
    group: 'Traces and metrics by OTLP',
    type: share(),
    default: '0.01',
    purpose:
      'Share of messages that are traced where their submitter does not say so itself by a header field `traceparent` (W3C Trace Context), which is taken out of submissions. OTEL_TRACES_SAMPLER_ARG stands for it.',
    trades: 'A traced message is five spans, made and encoded on the main thread.',
  }),
  otlpMetrics: setting({
    name: 'SLUICE_OTLP_METRICS',
    group: 'Traces and metrics by OTLP',
    type: duration({ min: SECOND, max: HOUR, zero: 'none' }),
    default: '60s',
    purpose: 'How often the metrics of /metrics go to the collector.',
    trades: 'Each time some ms of the main thread.',
  }),
  otlpService: setting({
    name: 'SLUICE_OTLP_SERVICE',
    group: 'Traces and metrics by OTLP',
    type: text('a name'),
    default: 'sluice',
    purpose: 'The name of this service in traces and metrics. OTEL_SERVICE_NAME stands for it.',
    trades: 'One name for all engines that do the same; they are told apart by SLUICE_HOSTNAME.',
  }),
  otlpResource: setting({
    name: 'SLUICE_OTLP_RESOURCE',
    group: 'Traces and metrics by OTLP',
    type: list(pair(false), 'name=value, several with commas', ',', 64),
    default: '',
    defaultNote: 'none',
    purpose: 'Attributes of this engine in traces and metrics. OTEL_RESOURCE_ATTRIBUTES stands for it.',
    trades: 'They are sent with each batch.',
  }),
};

const STANDARD: Readonly<Record<string, string>> = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'SLUICE_OTLP_ENDPOINT',
  OTEL_EXPORTER_OTLP_HEADERS: 'SLUICE_OTLP_HEADERS',
  OTEL_TRACES_SAMPLER_ARG: 'SLUICE_TRACES',
  OTEL_SERVICE_NAME: 'SLUICE_OTLP_SERVICE',
  OTEL_RESOURCE_ATTRIBUTES: 'SLUICE_OTLP_RESOURCE',
};

/** The standard variables that count in `layers`: where the setting itself is given nowhere, and OTEL_SDK_DISABLED not set. */
export function otelAliases(layers: readonly Layer[]): Aliases {
  const given = (name: string): readonly [string, string] | undefined => {
    for (const [source, env] of layers) if ((env[name] ?? '').trim() !== '') return [env[name]!.trim(), source];
    return undefined;
  };
  if (given('OTEL_SDK_DISABLED')?.[0].toLowerCase() === 'true') return { layers: [], warnings: [] };
  const found: Layer[] = [];
  for (const [alias, name] of Object.entries(STANDARD)) {
    const value = given(alias);
    if (value === undefined || given(name) !== undefined || given(`${name}_FILE`) !== undefined) continue;
    found.push([`${alias}, ${value[1]}`, { [name]: value[0] }]);
  }
  const protocol = given('OTEL_EXPORTER_OTLP_PROTOCOL')?.[0] ?? '';
  const endpoint = given('OTEL_EXPORTER_OTLP_ENDPOINT') ?? given('SLUICE_OTLP_ENDPOINT');
  const warnings =
    endpoint !== undefined && protocol === 'grpc'
      ? ['OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken; name the HTTP port of the collector (4318)']
      : [];
  return { layers: found, warnings };
}
