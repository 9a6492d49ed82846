/**
 * Purpose: `npm run bench:native`: relays side by side, as whole processes on this machine.
 * Contract: rounds are interleaved (A B C, C B A, ...) so that a change of the machine's mood meets all relays; rows are
 *   medians. A relay that cannot run here or is unfit for a scenario is left out with a printed reason. Exit code 1
 *   where a message was lost or a run failed, 2 for wrong options.
 * Limits: Linux. Load, sink and relays share the cores. See --help.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { attachedScenarios } from './attached-scenario.js';
import { destinationsScenarios } from './destinations-scenario.js';
import { injectScenarios } from './inject-scenarios.js';
import { laneScenarios } from './lane-scenarios.js';
import { ProcessAccount } from './process-account.js';
import { buildPrograms, commandExists } from './programs.js';
import type { RelayDriver } from './relay.js';
import { eximRelay } from './relay-exim.js';
import { harakaRelay } from './relay-haraka.js';
import { noRelay, nullRelay } from './relay-null.js';
import { postfixRelay } from './relay-postfix.js';
import { sluiceBrainRelay, sluiceRelay } from './relay-sluice.js';
import { sluiceWebhookRelay } from './relay-webhook.js';
import { machine, ratios } from './report.js';
import { runRounds } from './rounds.js';
import { summarize } from './sample.js';
import { loadScenarios } from './scenarios.js';
import { planOf, specialScenarios } from './special-scenarios.js';
import { tlsScenarios } from './tls-scenarios.js';

const relays: readonly RelayDriver[] = [
  sluiceRelay(),
  sluiceBrainRelay(),
  sluiceWebhookRelay(),
  postfixRelay,
  eximRelay,
  harakaRelay,
  sluiceRelay('sluice-no-history', undefined, { SLUICE_HISTORY: 'off' }),
  nullRelay,
  noRelay,
];
const scenarios = [
  ...loadScenarios,
  ...specialScenarios,
  ...laneScenarios,
  ...injectScenarios,
  ...attachedScenarios,
  ...destinationsScenarios,
  ...tlsScenarios,
];
const help = `npm run bench:native -- [options]
  --scenario LIST   of ${scenarios.map((scenario) => scenario.name).join(', ')}, or all (default 10k)
  --relays LIST     of ${relays.map((relay) => relay.name).join(', ')} (default sluice,postfix,null)
  --rounds N        interleaved rounds (default 3; with --quick 1)
  --seconds S       length of a load (default 10; with --quick 3)
  --messages N      end loads after N messages instead
  --sluice-tls-threads LIST  measure sluice once for each number of TLS threads, such as 0,1,2
  --no-flushes      leave out the separate short runs under strace that count flushes
  --json FILE       write samples, medians and the machine there (- for standard output)
  --quick           short runs and small backlogs: a look, not a measurement
Scenarios:
${scenarios.map((scenario) => `  ${scenario.name.padEnd(15)} ${scenario.purpose}`).join('\n')}
`;

function fail(problem: string): never {
  process.stderr.write(`${problem}\n${help}`);
  process.exit(2);
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) fail(`--${name} wants a whole number above 0, not '${text}'`);
  return Number(text);
}

/** The entries of a list of names, in the order given. */
function pick<T extends { readonly name: string }>(kind: string, list: string, known: readonly T[]): T[] {
  if (list === 'all') return [...known];
  return list.split(',').map((name) => {
    return known.find((entry) => entry.name === name) ?? fail(`there is no ${kind} '${name}'`);
  });
}

/** All relays; with a list of numbers Sluice is several, one for each setting of SLUICE_TLS_THREADS. */
function relaysFor(threads: string | undefined): readonly RelayDriver[] {
  if (threads === undefined) return relays;
  if (!/^\d{1,3}(,\d{1,3})*$/.test(threads)) fail(`--sluice-tls-threads wants numbers such as 0,1,2, not '${threads}'`);
  const settings = threads.split(',');
  return [
    ...settings.map((count) => sluiceRelay(`sluice-${count}`, undefined, { SLUICE_TLS_THREADS: count })),
    ...relays.filter((relay) => relay.name !== 'sluice'),
  ];
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        scenario: { type: 'string', default: '10k' },
        relays: { type: 'string', default: 'sluice,postfix,null' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        messages: { type: 'string' },
        'sluice-tls-threads': { type: 'string' },
        'no-flushes': { type: 'boolean', default: false },
        json: { type: 'string' },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const seconds = wholeNumber('seconds', options.seconds);
  const messages = wholeNumber('messages', options.messages);
  const rounds = wholeNumber('rounds', options.rounds) ?? (options.quick ? 1 : 3);
  const flushes = !options['no-flushes'];
  // With --json - standard output belongs to the JSON, and the tables go to standard error.
  const say = (text: string) => (options.json === '-' ? process.stderr : process.stdout).write(`${text}\n`);
  const plan = planOf({
    quick: options.quick,
    flushes,
    ...(seconds === undefined ? {} : { seconds }),
    ...(messages === undefined ? {} : { messages }),
  });
  buildPrograms();
  if (flushes && !commandExists('strace')) say('flushes are not counted: strace is not installed');
  const known = relaysFor(options['sluice-tls-threads']);
  // `sluice` means all of its settings.
  const settings = known.filter(({ name }) => /^sluice(?:-\d+)?$/.test(name)).map(({ name }) => name);
  const names = options.relays.split(',').flatMap((name) => (name === 'sluice' ? settings : name));
  const present = pick('relay', names.join(','), known).filter((relay) => {
    const reason = relay.missing();
    if (reason !== undefined) say(`skipped ${relay.name}: ${reason}`);
    return reason === undefined;
  });
  if (present.length === 0) return fail('no relay is left to measure');
  const probe = new ProcessAccount('probe');
  const description = { ...machine(), cpuAccounting: probe.method };
  await probe.close();
  say(`machine: ${JSON.stringify(description)}`);
  const chosen = pick('scenario', options.scenario, scenarios);
  const { samples, failed } = await runRounds({ scenarios: chosen, relays: present, rounds, plan, say });
  const rows = summarize(samples);
  if (options.json !== undefined) {
    const withRatios = rows.map((row) => ({ ...row, toPostfix: ratios(row, rows) }));
    const text = `${JSON.stringify({ machine: description, plan, rounds, rows: withRatios, samples }, null, 2)}\n`;
    if (options.json === '-') process.stdout.write(text);
    else {
      mkdirSync(dirname(options.json), { recursive: true });
      writeFileSync(options.json, text);
    }
  }
  return failed || rows.some((row) => (row.figures.lost ?? 0) > 0) ? 1 : 0;
}

process.exitCode = await main();
