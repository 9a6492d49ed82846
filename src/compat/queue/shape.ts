/**
 * The table of qshape(1): how many recipients of a domain wait, by the age of their messages.
 *
 * Ages are in buckets whose ends double from FIRST minutes on, as qshape's are by itself (-b 10 -t 5).
 */

const FIRST = 5;
const BUCKETS = 10;

export class QueueShape {
  private readonly counts = new Map<string, number[]>();

  /** Counts one recipient. `age`: of the message, s. */
  add(domain: string, age: number): void {
    const row = this.counts.get(domain) ?? new Array<number>(BUCKETS).fill(0);
    this.counts.set(domain, row);
    const minutes = age / 60;
    let bucket = 0;
    while (bucket < BUCKETS - 1 && minutes >= FIRST * 2 ** bucket) bucket++;
    row[bucket]!++;
  }

  /** Lines of the table, the fullest domain first. */
  lines(): string[] {
    const rows = [...this.counts].map(([domain, counts]) => ({ domain, counts, sum: total(counts) }));
    rows.sort((a, b) => b.sum - a.sum || a.domain.localeCompare(b.domain));
    const all = Array.from({ length: BUCKETS }, (_, i) => rows.reduce((sum, { counts }) => sum + counts[i]!, 0));
    const ends = Array.from({ length: BUCKETS }, (_, i) =>
      i < BUCKETS - 1 ? String(FIRST * 2 ** i) : `${FIRST * 2 ** (i - 1)}+`,
    );
    const first = Math.max(5, ...rows.map(({ domain }) => domain.length)) + 1;
    const widths = [total(all), ...all].map(
      (n, i) => Math.max(String(n).length, (['T', ...ends][i] ?? '').length, 2) + 1,
    );
    const line = (name: string, cells: readonly (string | number)[]): string =>
      name.padStart(first) + cells.map((cell, i) => String(cell).padStart(widths[i]!)).join('');
    return [
      line('', ['T', ...ends]),
      line('TOTAL', [total(all), ...all]),
      ...rows.map(({ domain, counts, sum }) => line(domain, [sum, ...counts])),
    ];
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0);
}
