/**
 * The JSON that `npm run bench -- --json` prints, and what a comparison makes of two series of it. Pure.
 */

export interface BenchFigures {
  readonly name: string;
  readonly operationsPerSecond: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly samples: number;
}

export interface BenchReport {
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  /** Time for each task, ms. */
  readonly timeMs: number;
  readonly results: readonly BenchFigures[];
}

export interface Comparison {
  readonly name: string;
  /** Medians over the rounds of the rounds' medians. */
  readonly baseNs: number;
  readonly workingNs: number;
  /** Median over the rounds of working to base in the same round: above 1 is slower. */
  readonly ratio: number;
  /** Least and greatest ratio of a round: how far the machine can be trusted. */
  readonly least: number;
  readonly greatest: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Compares tasks that both have in every round. Round i of one was run next to round i of the other. */
export function compareReports(base: readonly BenchReport[], working: readonly BenchReport[]): Comparison[] {
  const medians = (reports: readonly BenchReport[], name: string): number[] =>
    reports.flatMap(({ results }) => results.filter((figures) => figures.name === name).map(({ p50Ns }) => p50Ns));
  const comparisons: Comparison[] = [];
  for (const { name } of working[0]?.results ?? []) {
    const [before, after] = [medians(base, name), medians(working, name)];
    if (before.length !== base.length || after.length !== base.length || before.length === 0) continue;
    const ratios = after.map((ns, round) => ns / before[round]!).filter((ratio) => Number.isFinite(ratio));
    if (ratios.length === 0) continue;
    comparisons.push({
      name,
      baseNs: median(before),
      workingNs: median(after),
      ratio: median(ratios),
      least: Math.min(...ratios),
      greatest: Math.max(...ratios),
    });
  }
  return comparisons;
}
