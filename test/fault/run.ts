/**
 * The crash harness: `run.js [--rounds 5] [--cases kill,worker,...] [--long] [--libfaketime PATH] [--drivers DIR] [--keep]`.
 *
 * Runs the fault cases one after another against the built engine and prints a line for each: passed, failed with what
 * was found, or skipped with the reason. Exit code 1 when one failed. Cases that mount do so in a mount namespace of this
 * process, so nothing is left behind; where that is not permitted they are skipped.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/core/errors.js';
import { badClientCases } from './bad-clients.js';
import { badTlsClientCases } from './bad-tls-clients.js';
import { conformanceCases } from './conformance.js';
import { damageCases } from './damage-cases.js';
import { diskCases } from './disk-cases.js';
import { type FaultCase, type FaultContext, type FaultReport, SkipCase } from './fault-case.js';
import { httpCases } from './http-case.js';
import { killCases } from './kill-cases.js';
import { limitCases } from './limit-cases.js';
import { mountsAllowed } from './machine.js';
import { soakCases } from './soak-case.js';
import { tlsCases } from './tls-cases.js';

const CASES: readonly FaultCase[] = [
  ...killCases,
  ...httpCases,
  ...diskCases,
  ...damageCases,
  ...limitCases,
  ...badClientCases,
  ...tlsCases,
  ...badTlsClientCases,
  ...conformanceCases,
  ...soakCases,
];

const LIBFAKETIME = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    cases: { type: 'string' },
    long: { type: 'boolean', default: false },
    libfaketime: { type: 'string' },
    drivers: { type: 'string' },
    keep: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    /** Set by this program: it is in its own mount namespace already. */
    mounts: { type: 'boolean', default: false },
  },
});

if (values.list) {
  for (const { name, quick, purpose } of CASES)
    console.log(`${name.padEnd(14)}${quick ? 'quick' : 'long '}  ${purpose}`);
} else if (!values.mounts && mountsAllowed()) {
  const own = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--mounts'];
  const child = spawn('unshare', ['-m', '--propagation', 'private', process.execPath, ...own], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} else process.exit(await main());

async function main(): Promise<number> {
  const long = values.long;
  const rounds = Number(values.rounds ?? (long ? 100 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1');
  const wanted = values.cases?.split(',');
  for (const name of wanted ?? [])
    if (!CASES.some((one) => one.name === name))
      throw new Error(`no case ${name}; there are ${CASES.map((one) => one.name).join(', ')}`);
  const chosen = CASES.filter((one) => (wanted === undefined ? long || one.quick : wanted.includes(one.name)));
  const tally = { passed: 0, failed: 0, skipped: 0 };
  const began = Date.now();
  for (const one of chosen) {
    const outcome = await runCase(one, rounds, long);
    tally[outcome]++;
  }
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped in ${seconds} s`);
  return tally.failed > 0 ? 1 : 0;
}

async function runCase(one: FaultCase, rounds: number, long: boolean): Promise<'passed' | 'failed' | 'skipped'> {
  const directory = mkdtempSync(join(tmpdir(), `sluice-fault-${one.name}-`));
  const memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `sluice-fault-${one.name}-`));
  const context: FaultContext = {
    rounds,
    long,
    directory,
    memory,
    mounts: values.mounts,
    libfaketime: values.libfaketime ?? LIBFAKETIME.find((path) => existsSync(path)) ?? '',
    drivers: driversFolder(),
    note: (text) => console.log(`  ${one.name}: ${text}`),
  };
  const began = Date.now();
  let report: FaultReport;
  try {
    report = await one.run(context);
  } catch (error) {
    if (error instanceof SkipCase) {
      console.log(`SKIPPED ${one.name}: ${error.message}`);
      remove(directory, memory);
      return 'skipped';
    }
    report = { facts: {}, problems: [messageOf(error)] };
  }
  const facts = Object.entries(report.facts).map(([name, value]) => `${name}=${value}`);
  const failed = report.problems.length > 0;
  console.log(`${failed ? 'FAILED ' : 'PASSED '} ${one.name} ${facts.join(' ')} (${Date.now() - began} ms)`);
  for (const problem of report.problems) console.log(`  PROBLEM ${one.name}: ${problem}`);
  if (failed && values.keep) console.log(`  kept: ${directory} ${memory}`);
  else remove(directory, memory);
  return failed ? 'failed' : 'passed';
}

function driversFolder(): string {
  const folder = resolve(values.drivers ?? '../shared/conformance');
  return existsSync(join(folder, 'crash/ledger.py')) ? folder : '';
}

function remove(...paths: string[]): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}
