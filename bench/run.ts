/**
 * `npm run bench`: runs the in-process benchmarks and prints a table, or JSON.
 *
 * Times are of one call of a task, the cost of reading the clock taken off. On a machine shared with others the median is
 * the figure to go by. Exit codes: 0; 1 a task failed, or none has the name; 64 a mistake in the options.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import type { BenchFigures, BenchReport } from './report.js';
import { type Suite, suites } from './suites.js';

const HELP = `Usage: npm run bench -- [options]

  --filter TEXT   only tasks whose name contains it
  --time MS       time for each task (default 500; a quarter of it more to warm up)
  --list          print the names only
  --json          print JSON (use npm run --silent bench)
  --help
`;

interface RunOptions {
  readonly filter: string;
  /** Milliseconds. */
  readonly time: number;
}

/** Runs one suite; what it opened is closed again whatever happens. `listed`: called instead of running. */
async function runSuite(suite: Suite, options: RunOptions, listed?: (name: string) => void): Promise<BenchFigures[]> {
  const bench = new Bench({
    time: options.time,
    warmupTime: options.time / 4,
    // A commit may take as long as the disk likes: the time is the bound.
    iterations: 10,
    warmupIterations: 5,
    subtractTimerOverhead: true,
    throws: true,
  });
  const close = await suite.add(bench);
  try {
    for (const { name } of [...bench.tasks]) {
      if (!name.startsWith(`${suite.name}: `)) throw new Error(`task "${name}" is not named after suite ${suite.name}`);
      if (!name.includes(options.filter)) bench.remove(name);
    }
    if (listed !== undefined) {
      for (const { name } of bench.tasks) listed(name);
      return [];
    }
    await bench.run();
    return bench.tasks.map(({ name, result }) => {
      if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
      const { latency } = result;
      return {
        name,
        operationsPerSecond: latency.mean > 0 ? 1_000 / latency.mean : 0,
        meanNs: latency.mean * 1e6,
        p50Ns: latency.p50 * 1e6,
        p99Ns: latency.p99 * 1e6,
        samples: latency.samplesCount,
      };
    });
  } finally {
    if (typeof close === 'function') await close();
  }
}

/** A span of time in the unit that suits it. */
function span(ns: number): string {
  if (ns < 1_000) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1_000).toFixed(2)} µs`;
  return `${(ns / 1e6).toFixed(2)} ms`;
}

function row(figures: BenchFigures): string {
  const { name, operationsPerSecond, p50Ns, p99Ns, samples } = figures;
  const cells = [Math.round(operationsPerSecond).toLocaleString('en'), span(p50Ns), span(p99Ns), String(samples)];
  return `${name.padEnd(66)}${cells.map((cell) => cell.padStart(12)).join('')}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      filter: { type: 'string', default: '' },
      time: { type: 'string', default: '500' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!/^\d{1,6}$/.test(values.time) || Number(values.time) === 0) {
    process.stderr.write(`bench: --time "${values.time}": allowed is a number of milliseconds from 1 to 999999\n`);
    return 64;
  }
  const options = { filter: values.filter, time: Number(values.time) };
  const say = (text: string): void => {
    if (!values.json) process.stdout.write(`${text}\n`);
  };
  if (!values.list)
    say(`${''.padEnd(66)}${['per second', 'p50', 'p99', 'samples'].map((t) => t.padStart(12)).join('')}`);
  const results: BenchFigures[] = [];
  let listed = 0;
  for (const suite of suites) {
    const list = (name: string): void => {
      listed++;
      process.stdout.write(`${name}\n`);
    };
    const figures = await runSuite(suite, options, values.list ? list : undefined);
    for (const one of figures) say(row(one));
    results.push(...figures);
  }
  if (results.length === 0 && listed === 0) {
    process.stderr.write(`bench: no task's name contains "${options.filter}"; see --list\n`);
    return 1;
  }
  const report: BenchReport = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    timeMs: options.time,
    results,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true ? 64 : 1;
}
