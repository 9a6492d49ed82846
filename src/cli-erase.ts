/**
 * `sluice erase`: takes an address out of queue, history and, where asked for, suppression list.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { complain, EX_NOINPUT, EX_OK, expectArguments, parse, print, UsageError } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { readLine } from './cli-password.js';
import { harmless } from './telemetry/pretty-line.js';

/** Between looks at how far it is, ms. */
const LOOK_EVERY = 200;

/** The command; ends when the erasure has. */
export async function eraseCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    json: { type: 'boolean' },
    socket: { type: 'string' },
    tenant: { type: 'string' },
    suppression: { type: 'boolean' },
    yes: { type: 'boolean' },
  });
  expectArguments(positionals, ['address']);
  const address = positionals[0]!.replace(/^<(.*)>$/, '$1');
  if (!address.includes('@')) throw new UsageError(`"${address}" is not an address`);
  const { tenant = '', suppression = false } = values;
  if (values.yes !== true) {
    if (!process.stdin.isTTY) throw new UsageError('it cannot be undone: give --yes');
    process.stderr.write(`Queued mail to and from <${harmless(address)}> and its history will be gone. Type yes: `);
    if ((await readLine(process.stdin)).trim() !== 'yes') throw new UsageError('nothing was erased');
  }
  return withEngine(values.socket, async (client) => {
    let report = await client.ask({ command: 'erase', address, tenant, suppression });
    const { id } = report;
    while (report.state === 'running') {
      await pause(LOOK_EVERY);
      const found = (await client.ask({ command: 'erasures' })).find((one) => one.id === id);
      if (found === undefined) {
        complain('the engine was started anew; it goes on with the erasure');
        return EX_OK;
      }
      report = found;
    }
    if (values.json === true) print(JSON.stringify(report));
    if (report.state === 'failed') {
      complain(`not all could be erased: ${report.problem}; order it again`);
      return EX_NOINPUT;
    }
    const { messages, events, suppressions, logLines } = report;
    if (values.json !== true) {
      print(`taken out of ${messages} queued messages and ${events} events of the history`);
      if (suppression) print(`${suppressions} entries of the suppression list are gone`);
      if (logLines > 0) print(`${logLines} lines of log files are gone`);
    }
    return EX_OK;
  });
}
