/**
 * Percentiles out of counts by ranges.
 */

/**
 * The value that a share of all observations does not exceed, in the unit of the bounds; within a range observations are
 * taken to be spread evenly (as `histogram_quantile` of Prometheus does). Beyond the last bound: that bound. null where
 * nothing was observed.
 * @param bounds upper bounds, rising. @param counts of each range alone, one more than there are bounds.
 * @param share 0 to 1.
 */
export function quantile(bounds: readonly number[], counts: ArrayLike<number>, share: number): number | null {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total <= 0) return null;
  const wanted = share * total;
  let before = 0;
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i]!;
    if (before + count >= wanted && count > 0) {
      const from = i === 0 ? 0 : bounds[i - 1]!;
      return from + (bounds[i]! - from) * Math.max(0, (wanted - before) / count);
    }
    before += count;
  }
  return bounds.at(-1) ?? null;
}
