/**
 * Means with intervals, and the score.
 */

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95 % interval of the mean (Student's t). */
  readonly interval: number;
}

/** Two-sided 95 % points of Student's t by degrees of freedom (1 to 30); beyond, the normal's is near enough. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

export function intervalOf(values: readonly number[]): Interval {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, interval: 0 };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, interval: (T95[n - 2] ?? 1.96) * Math.sqrt(variance / n) };
}

/**
 * From 0 to 1: the geometric mean of delivered/s against the best of the scenario and of the best p99 against its own.
 * 1: none delivered more and none had a shorter p99.
 */
export function scoreOf(delivered: number, p99: number, mostDelivered: number, leastP99: number): number {
  return Math.sqrt((delivered / mostDelivered) * (leastP99 / p99));
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
