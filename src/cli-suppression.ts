/**
 * `sluice suppression`: addresses that get no mail, by tenant.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { complain, EX_NOINPUT, EX_OK, expectArguments, parse, print, timeSpan, UsageError } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { shortTime } from './cli-tables.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_PAGE } from './control/control-protocol.js';
import { messageOf } from './core/errors.js';
import { harmless } from './telemetry/pretty-line.js';

const ACTIONS = ['list', 'add', 'remove', 'import'];

/** The command with its actions. */
export async function suppression(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    json: { type: 'boolean' },
    socket: { type: 'string' },
    tenant: { type: 'string' },
    for: { type: 'string' },
    reason: { type: 'string' },
  });
  const [action = '', subject = ''] = positionals;
  const json = values.json === true;
  const { tenant = '', reason = 'operator' } = values;
  const forMs = values.for === undefined ? 0 : timeSpan(values.for, 'for');
  if (!ACTIONS.includes(action))
    throw new UsageError(
      action === '' ? 'an action is missing' : `"${action}" is not an action; there are ${ACTIONS.join(', ')}`,
    );
  expectArguments(positionals, action === 'list' ? ['list'] : [action, action === 'import' ? 'file' : 'address']);
  return withEngine(values.socket, async (client) => {
    if (action === 'list') return list(client, tenant, json);
    if (action === 'import') return importFile(client, subject, tenant, reason, forMs, json);
    const changed =
      action === 'add'
        ? await client.ask({ command: 'suppress', tenant, address: subject, reason, forMs })
        : await client.ask({ command: 'unsuppress', tenant, address: subject });
    if (changed === 0) {
      complain(`<${subject}> is not on the list`);
      return EX_NOINPUT;
    }
    print(
      json ? JSON.stringify({ changed }) : `<${subject}> ${action === 'add' ? 'is on the list' : 'is off the list'}`,
    );
    return EX_OK;
  });
}

async function list(client: ControlClient, tenant: string, json: boolean): Promise<number> {
  let shown = 0;
  for (let after = ''; ; ) {
    const page = await client.ask({ command: 'suppressions', tenant, after, limit: MAX_PAGE });
    for (const one of page) {
      const end = one.until === 0 ? 'for good' : `for ${shortTime(one.until - Date.now())} more`;
      print(json ? JSON.stringify(one) : `${harmless(one.address)}  ${harmless(one.reason)}, ${end}`);
    }
    shown += page.length;
    if (page.length < MAX_PAGE) break;
    after = page.at(-1)!.address;
  }
  if (shown === 0 && !json) print('the list is empty');
  return EX_OK;
}

async function importFile(
  client: ControlClient,
  path: string,
  tenant: string,
  reason: string,
  forMs: number,
  json: boolean,
): Promise<number> {
  let changed = 0;
  try {
    const lines = createInterface({ input: path === '-' ? process.stdin : createReadStream(path, 'utf8') });
    for await (const line of lines) {
      const address = line.trim();
      if (address === '' || address.startsWith('#')) continue;
      changed += await client.ask({ command: 'suppress', tenant, address, reason, forMs });
    }
  } catch (thrown) {
    complain(`${path}: ${messageOf(thrown)} (${changed} were taken)`);
    return EX_NOINPUT;
  }
  print(json ? JSON.stringify({ changed }) : `${changed} addresses are on the list`);
  return EX_OK;
}
