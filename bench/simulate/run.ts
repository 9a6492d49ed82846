/**
 * `npm run bench:simulate`: how well upstreams are chosen, against other ways, in a deterministic simulation.
 *
 * Exit codes: 0; 1 ours is neither best nor within 5 % of the best score in a scenario, or not the best over all; 64 a
 * mistake in the options.
 */
import { parseArgs } from 'node:util';
import type { Algorithm } from './chooser.js';
import { comparators } from './comparators.js';
import { simulate } from './engine.js';
import { type Scenario, scenarios } from './scenarios.js';
import { sluice } from './sluice.js';
import { geometricMean, type Interval, intervalOf, scoreOf } from './statistics.js';

const HELP = `Usage: npm run bench:simulate -- [options]

  --scenario NAME  only this one: ${scenarios.map(({ name }) => name).join(', ')}
  --seeds N        runs of each scenario and algorithm, each with a seed of its own (default 20)
  --from N         the first seed (default 1): others than those the algorithm was made with
  --json           print JSON lines (use npm run --silent bench:simulate)
  --help

The score is the geometric mean of delivered/s against the most in the scenario and of the least p99 in the scenario
against the own: 1 is best at both. Over all: the geometric mean of the scores.
`;

interface Row {
  readonly scenario: string;
  readonly algorithm: string;
  readonly seeds: number;
  readonly deliveredPerSecond: Interval;
  readonly p99: Interval;
  readonly deferrals: Interval;
  readonly wastedAttempts: Interval;
  readonly score: number;
}

const ALGORITHMS: readonly Algorithm[] = [sluice, ...comparators];
const WITHIN = 0.95;

function rowsOf(scenario: Scenario, seeds: number, from: number): Row[] {
  const rows = ALGORITHMS.map((algorithm) => {
    const figures = Array.from({ length: seeds }, (_, i) => simulate(scenario, algorithm, from + i));
    return {
      scenario: scenario.name,
      algorithm: algorithm.name,
      seeds,
      deliveredPerSecond: intervalOf(figures.map((one) => one.deliveredPerSecond)),
      p99: intervalOf(figures.map((one) => one.p99)),
      deferrals: intervalOf(figures.map((one) => one.deferrals)),
      wastedAttempts: intervalOf(figures.map((one) => one.wastedAttempts)),
    };
  });
  const most = Math.max(...rows.map((row) => row.deliveredPerSecond.mean));
  const least = Math.min(...rows.map((row) => row.p99.mean));
  return rows.map((row) => ({ ...row, score: scoreOf(row.deliveredPerSecond.mean, row.p99.mean, most, least) }));
}

function cell({ mean, interval }: Interval, digits: number): string {
  return `${mean.toFixed(digits)} ± ${interval.toFixed(digits)}`.padStart(20);
}

function line(row: Row): string {
  const { deliveredPerSecond, p99, deferrals, wastedAttempts, score } = row;
  const cells = [cell(deliveredPerSecond, 2), cell(p99, 0), cell(deferrals, 0), cell(wastedAttempts, 0)];
  return `${row.scenario.padEnd(12)}${row.algorithm.padEnd(19)}${cells.join('')}${score.toFixed(3).padStart(8)}`;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string', default: '' },
      seeds: { type: 'string', default: '20' },
      from: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const chosen = scenarios.filter(({ name }) => values.scenario === '' || name === values.scenario);
  const areNumbers = [values.seeds, values.from].every((given) => /^[1-9]\d{0,3}$/.test(given));
  if (chosen.length === 0 || !areNumbers) {
    process.stderr.write(
      `bench:simulate: no such scenario, or --seeds or --from is not a number from 1 to 9999\n${HELP}`,
    );
    return 64;
  }
  const say = (text: string): void => {
    if (!values.json) process.stdout.write(`${text}\n`);
  };
  const heads = ['delivered/s', 'p99 ms', 'deferrals', 'wasted attempts'].map((head) => head.padStart(20)).join('');
  say(`${'scenario'.padEnd(12)}${'algorithm'.padEnd(19)}${heads}${'score'.padStart(8)}`);
  const scores = new Map<string, number[]>(ALGORITHMS.map(({ name }) => [name, []]));
  let good = true;
  for (const scenario of chosen) {
    const rows = rowsOf(scenario, Number(values.seeds), Number(values.from));
    const best = Math.max(...rows.map(({ score }) => score));
    for (const row of rows) {
      scores.get(row.algorithm)!.push(row.score);
      if (row.algorithm === sluice.name && row.score < best * WITHIN) good = false;
      if (values.json) process.stdout.write(`${JSON.stringify(row)}\n`);
      else say(line(row));
    }
  }
  const all = [...scores].map(([name, list]) => ({ name, score: geometricMean(list) }));
  say(`\nover all: ${all.map(({ name, score }) => `${name} ${score.toFixed(3)}`).join(', ')}`);
  if (Math.max(...all.map(({ score }) => score)) > all[0]!.score) good = false;
  return good ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error) {
  process.stderr.write(`bench:simulate: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true ? 64 : 1;
}
