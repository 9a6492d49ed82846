/**
 * Purpose: the result of one run of one relay in one scenario, and how several are made one by medians.
 * Contract: figures carry their unit in their name; a figure that a scenario does not measure is absent.
 * Limits: none.
 */

/** Names of figures, in the order of the table. */
export const figureNames = [
  'acceptedPerSecond',
  'deliveredPerSecond',
  'cpuSecondsPer1000',
  'peakPssMb',
  'flushesPerMessage',
  'p50Ms',
  'p99Ms',
  'acceptP50Ms',
  'acceptP99Ms',
  'lost',
  'duplicates',
  'kbPerIdleConnection',
  'activeRatio',
  'backlog',
  'backlogRatio',
  'startSeconds',
  'startRssMb',
  'startAnonMb',
  'growthMb',
  'bulkPerSecond',
  'quietP99Ms',
  'p99Ratio',
  'quietAcceptP99Ms',
  'acceptP99Ratio',
  'plainPerSecond',
  'plainRatio',
  'plainCpuRatio',
  'mainMsPer1000',
  'plainMainMsPer1000',
  'mainRatio',
  'handshakesPerSecond',
  'handshakesPerCpuSecond',
  'handshakeP50Ms',
  'handshakeP99Ms',
  'sourceMsPerHandshake',
  'smtpPerSecond',
  'smtpRatio',
  'spooledPerSecond',
  'spooledMainMsPer1000',
  'micros1000',
  'micros10000',
  'micros50000',
  'anonMb1000',
  'anonMb10000',
  'anonMb50000',
] as const;

export type FigureName = (typeof figureNames)[number];
export type Figures = Partial<Record<FigureName, number>>;

export interface Sample {
  readonly relay: string;
  readonly scenario: string;
  readonly round: number;
  readonly figures: Figures;
  /** Anything that makes the figures doubtful: rejections, messages not signed, a drain that was not over. */
  readonly remarks: readonly string[];
}

/** Median; of an even number the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Figures that are counted over all rounds, because one bad round must not vanish in a median. */
const summed: ReadonlySet<FigureName> = new Set(['lost', 'duplicates']);

/** One row per relay and scenario: medians, sums of `lost` and `duplicates`. */
export interface Row {
  readonly relay: string;
  readonly scenario: string;
  readonly rounds: number;
  readonly figures: Figures;
  /** Least and greatest delivered/s, where measured. */
  readonly spread?: readonly [number, number];
  readonly remarks: readonly string[];
}

export function summarize(samples: readonly Sample[]): Row[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = `${sample.scenario}\n${sample.relay}`;
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].map((group) => {
    const figures: Figures = {};
    for (const name of figureNames) {
      const values = group.flatMap((sample) => sample.figures[name] ?? []);
      if (values.length === 0) continue;
      figures[name] = summed.has(name) ? values.reduce((sum, value) => sum + value, 0) : median(values);
    }
    const speeds = group.flatMap((sample) => sample.figures.deliveredPerSecond ?? []);
    return {
      relay: group[0]!.relay,
      scenario: group[0]!.scenario,
      rounds: group.length,
      figures,
      ...(speeds.length === 0 ? {} : { spread: [Math.min(...speeds), Math.max(...speeds)] as const }),
      remarks: [...new Set(group.flatMap((sample) => sample.remarks))],
    };
  });
}
