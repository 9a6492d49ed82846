/**
 * `npm run bench:compare`: the in-process benchmarks of a base commit against those of the working tree, in one run.
 *
 * The base is checked out into a git worktree below var/, built there with the modules of this folder (or its own, where
 * the lock files differ), and removed again. Rounds are interleaved, base and working tree in turn, so that a change of
 * the machine's mood hits both. Each round is a process of its own. Exit codes: 0; 1 a task is slower than --fail-above
 * allows, or something failed; 64 a mistake in the options. A base without these benchmarks is said so and is no failure.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BenchReport, type Comparison, compareReports } from './report.js';

const HELP = `Usage: npm run bench:compare -- [options]

  --base REV          commit to compare with (default HEAD: the working tree against its last commit)
  --filter TEXT       only tasks whose name contains it
  --rounds N          of each side, in turn (default 3)
  --time MS           time for each task in a round (default 200)
  --fail-above RATIO  exit 1 when the median ratio of a task is above it, for example 1.2 (default: never)
  --json FILE         where the result goes (default var/bench-compare.json)
  --help
`;

const root = fileURLToPath(new URL('../../', import.meta.url));
/** One round of one side may take this long, ms. */
const ROUND_LIMIT = 600_000;

interface CompareOptions {
  readonly base: string;
  readonly filter: string;
  readonly rounds: number;
  readonly time: number;
  readonly failAbove: number;
  readonly json: string;
}

function git(...words: string[]): string {
  return execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
}

function removeBase(folder: string): void {
  // The link first: removing a worktree must not reach into the shared modules.
  rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
  if (existsSync(folder)) git('worktree', 'remove', '--force', folder);
  git('worktree', 'prune');
}

/** Checks out and builds a commit in `folder`. */
function buildBase(commit: string, folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  git('worktree', 'add', '--detach', '--quiet', folder, commit);
  const lock = (place: string): string => readFileSync(join(place, 'package-lock.json'), 'utf8');
  if (lock(folder) === lock(root)) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('npm', ['ci', '--ignore-scripts', '--silent'], { cwd: folder, stdio: 'inherit' });
  try {
    execFileSync(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], {
      cwd: folder,
      stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    });
  } catch {
    // It emits in spite of type errors, which are the type check's business.
    process.stderr.write(`bench: ${commit} was compiled with complaints\n`);
  }
}

/** One round: the benchmarks of a checkout in a process of their own. */
function round(folder: string, { filter, time }: CompareOptions): BenchReport {
  const words = [join(folder, 'dist/bench/run.js'), '--json', '--time', String(time), '--filter', filter];
  const text = execFileSync(process.execPath, words, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: ROUND_LIMIT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(text) as BenchReport;
}

function table(comparisons: readonly Comparison[], failAbove: number): string {
  const micro = (ns: number): string => (ns / 1_000).toFixed(ns < 1e5 ? 3 : 0).padStart(13);
  const ratio = (value: number): string => value.toFixed(2).padStart(8);
  const lines = [
    `${'p50 in µs'.padEnd(66)}${'base'.padStart(13)}${'working'.padStart(13)}${'ratio'.padStart(8)}   of the rounds`,
  ];
  for (const { name, baseNs, workingNs, ratio: middle, least, greatest } of comparisons) {
    const mark = middle > failAbove ? '  slower' : '';
    const spread = `${ratio(least)} to${ratio(greatest)}`;
    lines.push(`${name.padEnd(66)}${micro(baseNs)}${micro(workingNs)}${ratio(middle)} ${spread}${mark}`);
  }
  return lines.join('\n');
}

function compare(options: CompareOptions): number {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const commit = git('rev-parse', '--verify', `${options.base}^{commit}`);
  const folder = join(root, 'var', `bench-base-${commit.slice(0, 12)}-${process.pid}`);
  const base: BenchReport[] = [];
  const working: BenchReport[] = [];
  try {
    buildBase(commit, folder);
    if (!existsSync(join(folder, 'dist/bench/run.js'))) {
      say(`nothing to compare with: ${commit.slice(0, 12)} has no such benchmarks`);
      return 0;
    }
    for (let i = 1; i <= options.rounds; i++) {
      say(`round ${i} of ${options.rounds}`);
      base.push(round(folder, options));
      working.push(round(root, options));
    }
  } finally {
    removeBase(folder);
  }
  const comparisons = compareReports(base, working);
  process.stdout.write(`${table(comparisons, options.failAbove)}\n`);
  const { node, cpu, cores, timeMs } = working[0]!;
  const result = { base: commit, node, cpu, cores, timeMs, rounds: options.rounds, comparisons };
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return comparisons.some(({ ratio }) => ratio > options.failAbove) ? 1 : 0;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      base: { type: 'string', default: 'HEAD' },
      filter: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      time: { type: 'string', default: '200' },
      'fail-above': { type: 'string', default: 'Infinity' },
      json: { type: 'string', default: join(root, 'var/bench-compare.json') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [rounds, time, failAbove] = [values.rounds, values.time, values['fail-above']].map(Number);
  if (!(Number.isInteger(rounds) && rounds! > 0) || !(time! >= 1) || !(failAbove! > 0)) {
    process.stderr.write(`bench: --rounds, --time and --fail-above take numbers above 0\n${HELP}`);
    return 64;
  }
  const { base, filter, json } = values;
  return compare({ base, filter, json, rounds: rounds!, time: time!, failAbove: failAbove! });
}

try {
  process.exitCode = main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true ? 64 : 1;
}
