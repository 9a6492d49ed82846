/**
 * Purpose: `npm run bench:compare`: Sluice at a base commit against Sluice in the working tree, side by side in one run.
 * Contract: the base is checked out into a git worktree below var/, built there, and removed again. Rounds are
 *   interleaved. Prints a table and, with --json, the ratios (working tree to base). Exit code 1 where delivered/s of
 *   any scenario is below --fail-below times the base's, a message was lost, or a run failed. A base without an engine
 *   is said so and is no failure.
 * Limits: noise of shared machines is 20 to 30 %: take five rounds and a threshold well below 1.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPrograms, projectRoot } from './programs.js';
import { sluiceRelay } from './relay-sluice.js';
import { machine, ratios } from './report.js';
import { runRounds } from './rounds.js';
import { summarize } from './sample.js';
import { loadScenarios } from './scenarios.js';
import { planOf } from './special-scenarios.js';
import { tlsScenarios } from './tls-scenarios.js';

const known = [...loadScenarios, ...tlsScenarios];
const help = `npm run bench:compare -- [options]
  --base REF         commit to compare with (default HEAD: the working tree against its last commit)
  --scenario LIST    of ${known.map((scenario) => scenario.name).join(', ')} (default 10k)
  --rounds N         default 5
  --seconds S        length of a load (default 5)
  --fail-below R     least ratio of delivered/s, for example 0.8 (default 0: never fail for speed)
  --json FILE        write ratios and samples there (- for standard output)
`;

function git(...words: string[]): string {
  return execFileSync('git', words, { cwd: projectRoot, encoding: 'utf8' }).trim();
}

/** Checks out and builds a commit; the folder, which the caller removes with removeBase(). */
function buildBase(commit: string): string {
  const folder = join(projectRoot, 'var', `bench-base-${commit.slice(0, 12)}`);
  removeBase(folder);
  git('worktree', 'add', '--detach', '--quiet', folder, commit);
  const sameLock =
    readFileSync(join(folder, 'package-lock.json'), 'utf8') ===
    readFileSync(join(projectRoot, 'package-lock.json'), 'utf8');
  if (sameLock) symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('npm', ['ci', '--ignore-scripts', '--silent'], { cwd: folder, stdio: 'inherit' });
  compile(folder);
  return folder;
}

function compile(folder: string): void {
  const compiler = join(folder, 'node_modules/typescript/bin/tsc');
  try {
    execFileSync(process.execPath, [compiler, '-p', 'tsconfig.json'], {
      cwd: folder,
      // The compiler's complaints belong to standard error: standard output may be the JSON.
      stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    });
  } catch {
    // It emits in spite of type errors, which are the type check's business; an engine that is missing is noticed.
    process.stderr.write(`${folder}: compiled with complaints\n`);
  }
}

function removeBase(folder: string): void {
  if (existsSync(folder)) {
    // The link first: removing a worktree must not reach into the shared node_modules.
    rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
    git('worktree', 'remove', '--force', folder);
  }
}

async function main(): Promise<number> {
  const { values: options } = parseArgs({
    options: {
      base: { type: 'string', default: 'HEAD' },
      scenario: { type: 'string', default: '10k' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      'fail-below': { type: 'string', default: '0' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const [rounds, seconds, failBelow] = [options.rounds, options.seconds, options['fail-below']].map(Number);
  const names = options.scenario.split(',');
  const scenarios = known.filter((scenario) => names.includes(scenario.name));
  if (!(rounds! >= 1) || !(seconds! >= 1) || !(failBelow! >= 0) || scenarios.length !== names.length) {
    process.stderr.write(help);
    return 2;
  }
  const say = (text: string) => (options.json === '-' ? process.stderr : process.stdout).write(`${text}\n`);
  const commit = git('rev-parse', '--verify', `${options.base}^{commit}`);
  buildPrograms();
  compile(projectRoot);
  const folder = buildBase(commit);
  try {
    const base = sluiceRelay('base', folder);
    const reason = base.missing();
    if (reason !== undefined) {
      say(`nothing to compare with: ${commit.slice(0, 12)} has no engine`);
      return 0;
    }
    const plan = planOf({ quick: false, seconds: seconds!, flushes: false });
    const relays = [base, sluiceRelay('working')];
    const { samples, failed } = await runRounds({ scenarios, relays, rounds: rounds!, plan, base: 'base', say });
    const rows = summarize(samples);
    const results = rows
      .filter((row) => row.relay === 'working')
      .map((row) => ({ scenario: row.scenario, ...ratios(row, rows, 'base') }));
    for (const { scenario, speed, cpu } of results) {
      say(`${scenario}: delivered/s x ${speed?.toFixed(3) ?? '-'}, CPU per message x ${cpu?.toFixed(3) ?? '-'}`);
    }
    const text = `${JSON.stringify({ base: commit, machine: machine(), results, rows, samples }, null, 2)}\n`;
    if (options.json === '-') process.stdout.write(text);
    else if (options.json !== undefined) writeFileSync(options.json, text);
    const slow = results.some(({ speed }) => speed !== undefined && speed < failBelow!);
    return failed || slow || rows.some((row) => (row.figures.lost ?? 0) > 0) ? 1 : 0;
  } finally {
    removeBase(folder);
  }
}

process.exitCode = await main();
