/**
 * The known name that was probably meant by an unknown one.
 */

/** Insertions, deletions, replacements and swaps of neighbours between two texts (optimal string alignment distance). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

/** The nearest of `names`, or undefined when none is near (more than a third of the name differs). */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let distance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const known of names) {
    const d = editDistance(name, known);
    if (d < distance) [nearest, distance] = [known, d];
  }
  return nearest;
}
