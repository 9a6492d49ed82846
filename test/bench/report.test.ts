import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BenchReport, compareReports, median } from '../../bench/report.js';

const RUN = join(process.cwd(), 'dist/bench/run.js');

function report(p50: Record<string, number>): BenchReport {
  const results = Object.entries(p50).map(([name, p50Ns]) => {
    return { name, operationsPerSecond: 1, meanNs: 1, p50Ns, p99Ns: 1, samples: 1 };
  });
  return { node: 'v20', cpu: 'x', cores: 2, timeMs: 1, results };
}

describe('npm run bench', () => {
  it('runs the tasks of a filter and gives figures that can be', () => {
    const text = execFileSync(process.execPath, [RUN, '--json', '--time', '5', '--filter', 'replies: '], {
      encoding: 'utf8',
    });
    const { node, cores, results } = JSON.parse(text) as BenchReport;
    expect(node).toBe(process.version);
    expect(cores).toBeGreaterThan(0);
    expect(results.length).toBeGreaterThan(2);
    for (const { name, operationsPerSecond, p50Ns, p99Ns, samples } of results) {
      expect(name).toMatch(/^replies: /);
      expect(operationsPerSecond).toBeGreaterThan(0);
      expect(p99Ns).toBeGreaterThanOrEqual(p50Ns);
      expect(samples).toBeGreaterThanOrEqual(10);
    }
  });

  it('has a task for each part that must be watched, each with a name of its own', () => {
    const names = execFileSync(process.execPath, [RUN, '--list'], { encoding: 'utf8' }).trim().split('\n');
    expect(new Set(names).size).toBe(names.length);
    const parts = [
      'history',
      'session',
      'replies',
      'scanner',
      'segments',
      'prepare',
      'dkim',
      'spool',
      'scheduler',
      'log',
    ];
    expect(new Set(names.map((name) => name.split(':')[0]))).toEqual(new Set(parts));
  });

  it('says so when nothing has the name', () => {
    const run = () => execFileSync(process.execPath, [RUN, '--filter', 'no such task'], { stdio: 'pipe' });
    expect(run).toThrow(/no task's name contains "no such task"/);
  });
});

describe('a comparison', () => {
  it('takes the median of the ratios of rounds that ran side by side', () => {
    // The machine was twice as slow in the second round, and hiccuped once in the third.
    const base = [report({ a: 100 }), report({ a: 200 }), report({ a: 100 })];
    const working = [report({ a: 110 }), report({ a: 220 }), report({ a: 500 })];
    const [only] = compareReports(base, working);
    expect(only).toMatchObject({ name: 'a', baseNs: 100, workingNs: 220, greatest: 5 });
    expect(only!.ratio).toBeCloseTo(1.1);
    expect(only!.least).toBeCloseTo(1.1);
  });

  it('leaves out what one side does not have, and what took no time', () => {
    const base = [report({ both: 10, old: 5, nothing: 0 }), report({ both: 10, old: 5, nothing: 0 })];
    const working = [report({ both: 20, new: 5, nothing: 0 }), report({ both: 20, new: 5, nothing: 0 })];
    expect(compareReports(base, working).map(({ name, ratio }) => [name, ratio])).toEqual([['both', 2]]);
    expect(compareReports([], [])).toEqual([]);
  });

  it('takes medians of odd and even counts', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7]);
  });
});
