/**
 * `sluice why`, `sluice route` and `sluice destinations`: what the engine makes of mail, and why.
 */
import { complain, EX_NOINPUT, EX_OK, expectArguments, parse, print, UsageError, wholeNumber } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { destinationLines, routeLines, whyLines } from './cli-explain-tables.js';
import { MAX_PAGE } from './control/control-protocol.js';
import type { DestinationReport } from './control/engine-control.js';

const COMMON = { json: { type: 'boolean' }, socket: { type: 'string' } } as const;
const DEFAULT_LIMIT = 50;

/** Why one message waits. */
export async function why(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, COMMON);
  expectArguments(positionals, ['ID']);
  const id = positionals[0]!.toUpperCase();
  return withEngine(values.socket, async (client) => {
    const report = await client.ask({ command: 'why', id });
    if (report === null) {
      complain(`there is no message ${JSON.stringify(id)} in the queue: it was delivered, given up or deleted`);
      return EX_NOINPUT;
    }
    if (values.json === true) print(JSON.stringify(report));
    else for (const line of whyLines(report, Date.now())) print(line);
    return EX_OK;
  });
}

/** Where mail would go. */
export async function route(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    ...COMMON,
    account: { type: 'string' },
    tenant: { type: 'string' },
    listener: { type: 'string' },
    client: { type: 'string' },
    lane: { type: 'string' },
    tag: { type: 'string', multiple: true },
    header: { type: 'string', multiple: true },
  });
  expectArguments(positionals, ['sender', 'recipient']);
  const [sender, recipient] = positionals.map(withoutBrackets) as [string, string];
  if (!recipient.includes('@')) throw new UsageError(`"${recipient}" is not an address`);
  const fields: Record<string, string> = {};
  for (const given of values.header ?? []) {
    const match = /^([\x21-\x39\x3b-\x7e]+)\s*[:=]\s*(.*)$/.exec(given);
    if (match === null) throw new UsageError(`--header "${given}" is not "Name: value"`);
    fields[match[1]!.toLowerCase()] = match[2]!;
  }
  const { account = '', tenant = '', listener = '', client: address = '', lane = '', tag: tags = [] } = values;
  return withEngine(values.socket, async (client) => {
    const report = await client.ask({
      command: 'route',
      sender,
      recipient,
      account,
      tenant,
      listener,
      client: address,
      lane,
      tags,
      fields,
    });
    if (values.json === true) print(JSON.stringify(report));
    else for (const line of routeLines(report, Date.now())) print(line);
    return EX_OK;
  });
}

/** What is queued for where, and how it goes there. */
export async function destinations(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { ...COMMON, limit: { type: 'string' } });
  expectArguments(positionals, []);
  const wanted = values.limit === undefined ? DEFAULT_LIMIT : wholeNumber(values.limit, 'limit');
  return withEngine(values.socket, async (client) => {
    const all: DestinationReport[] = [];
    for (let after = ''; ; ) {
      const page = await client.ask({ command: 'destinations', after, limit: MAX_PAGE });
      all.push(...page);
      if (page.length < MAX_PAGE) break;
      after = page.at(-1)!.destination;
    }
    all.sort((a, b) => waiting(b) - waiting(a));
    const shown = wanted === 0 ? all : all.slice(0, wanted);
    if (values.json === true) for (const one of shown) print(JSON.stringify(one));
    else if (all.length === 0) print('nothing is queued and no connection is open');
    else {
      for (const one of shown) for (const line of destinationLines(one, Date.now())) print(line);
      if (shown.length < all.length) print(`there are ${all.length - shown.length} more; --limit 0 shows all`);
    }
    return EX_OK;
  });
}

function waiting({ queued, cold }: DestinationReport): number {
  return queued.immediate + queued.bulk + queued.deferred + cold;
}

function withoutBrackets(text: string): string {
  return text.replace(/^<(.*)>$/, '$1');
}
