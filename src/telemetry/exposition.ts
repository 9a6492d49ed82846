/**
 * Metrics as text: Prometheus 0.0.4, or OpenMetrics 1.0.0.
 *
 * Contract: names and labels are those of the caller and must be valid; values of labels may be anything and are escaped.
 */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface HistogramLike {
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

/** One metric. Names of counters end in `_total`. */
export type Metric =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly samples: readonly Sample[];
    }
  | { readonly name: string; readonly help: string; readonly type: 'histogram'; readonly histogram: HistogramLike };

/** A number that only rises; one value, or samples with labels. */
export function counter(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { name, help, type: 'counter', samples: typeof value === 'number' ? [{ value }] : value };
}

/** A number that comes and goes. */
export function gauge(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { name, help, type: 'gauge', samples: typeof value === 'number' ? [{ value }] : value };
}

/** The whole text. */
export function expose(metrics: readonly Metric[], openMetrics: boolean): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    // OpenMetrics names the family of a counter without its ending.
    const family = openMetrics ? metric.name.replace(/_total$/, '') : metric.name;
    lines.push(`# HELP ${family} ${metric.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${family} ${metric.type}`);
    if (metric.type === 'histogram') lines.push(...ranges(metric.name, metric.histogram));
    else
      for (const { labels, value } of metric.samples) lines.push(`${metric.name}${labelText(labels)} ${number(value)}`);
  }
  if (openMetrics) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function ranges(name: string, { bounds, counts, sum }: HistogramLike): string[] {
  let below = 0;
  const lines = bounds.map((bound, i) => {
    below += counts[i]!;
    return `${name}_bucket{le="${number(bound)}"} ${below}`;
  });
  below += counts[bounds.length]!;
  return [...lines, `${name}_bucket{le="+Inf"} ${below}`, `${name}_sum ${number(sum)}`, `${name}_count ${below}`];
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function number(value: number): string {
  return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
