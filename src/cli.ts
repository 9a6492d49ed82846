#!/usr/bin/env node
/**
 * The `sluice` command.
 *
 * Exit codes are those of sysexits: 0 done, 64 wrong use, 66 no such message or account, 69 the engine does not answer, 70 a
 * failure within, 73 a file cannot be made, 78 wrong configuration. Results go to standard output, everything else to
 * standard error.
 */
import {
  complain,
  EX_CANTCREAT,
  EX_CONFIG,
  EX_NOINPUT,
  EX_OK,
  EX_SOFTWARE,
  EX_USAGE,
  expectArguments,
  parse,
  print,
  UsageError,
  wholeNumber,
} from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { COMMAND_NAMES, helpOf } from './cli-help.js';
import { messageLines, QUEUE_HEADING, queueLine, statusLines } from './cli-tables.js';
import { loadProcessSettings } from './config/load-settings.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_PAGE } from './control/control-protocol.js';
import { messageOf, SluiceError } from './core/errors.js';
import { generateDkimKey } from './message/dkim/dkim-generate.js';
import { VERSION } from './version.js';

const DEFAULT_LIMIT = 100;

async function status(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { json: { type: 'boolean' }, socket: { type: 'string' } });
  expectArguments(positionals, []);
  return withEngine(values.socket, async (client) => {
    const state = await client.ask({ command: 'status' });
    if (values.json === true) print(JSON.stringify(state));
    else for (const line of statusLines(state, Date.now())) print(line);
    return EX_OK;
  });
}

async function listQueue(client: ControlClient, limit: number, json: boolean): Promise<number> {
  let after = '';
  let shown = 0;
  for (;;) {
    const wanted = limit === 0 ? MAX_PAGE : Math.min(MAX_PAGE, limit - shown);
    const page = wanted === 0 ? [] : await client.ask({ command: 'list', after, limit: wanted });
    if (!json && shown === 0 && page.length > 0) print(QUEUE_HEADING);
    for (const entry of page) print(json ? JSON.stringify(entry) : queueLine(entry, Date.now()));
    shown += page.length;
    after = page[page.length - 1]?.id ?? after;
    if (page.length < wanted || wanted === 0) break;
  }
  if (!json && shown === 0) print('the queue is empty');
  if (!json && limit > 0 && shown === limit && (await client.ask({ command: 'list', after, limit: 1 })).length > 0) {
    print(`there are more; --limit 0 shows all`);
  }
  return EX_OK;
}

const DONE = { retry: 'tried again', hold: 'held', release: 'released', delete: 'deleted' } as const;

function isChange(word: string): word is keyof typeof DONE {
  return Object.hasOwn(DONE, word);
}

async function queue(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    json: { type: 'boolean' },
    limit: { type: 'string' },
    socket: { type: 'string' },
  });
  const [action = '', id = ''] = positionals;
  const json = values.json === true;
  if (action === 'list') {
    expectArguments(positionals, ['list']);
    const limit = values.limit === undefined ? DEFAULT_LIMIT : wholeNumber(values.limit, 'limit');
    return withEngine(values.socket, (client) => listQueue(client, limit, json));
  }
  if (action !== 'show' && !isChange(action)) {
    throw new UsageError(action === '' ? 'an action is missing' : `"${action}" is not an action on the queue`);
  }
  expectArguments(positionals, [action, 'ID']);
  if (id.toLowerCase() === 'all' && action !== 'retry') throw new UsageError(`"all" is for retry only`);
  const target = id.toLowerCase() === 'all' ? 'all' : id.toUpperCase();
  return withEngine(values.socket, async (client) => {
    if (action === 'show') {
      const message = await client.ask({ command: 'show', id: target });
      if (message !== null) {
        if (json) print(JSON.stringify(message));
        else for (const line of messageLines(message, Date.now())) print(line);
        return EX_OK;
      }
    } else {
      const changed = await client.ask({ command: action, id: target });
      if (changed > 0 || target === 'all') {
        print(
          json ? JSON.stringify({ changed }) : `${changed} ${changed === 1 ? 'message' : 'messages'} ${DONE[action]}`,
        );
        return EX_OK;
      }
    }
    complain(`there is no message ${JSON.stringify(target)} in the queue that this applies to`);
    return EX_NOINPUT;
  });
}

function dkim(args: readonly string[]): number {
  const { values, positionals } = parse(args, {
    type: { type: 'string' },
    bits: { type: 'string' },
    dir: { type: 'string' },
  });
  const [action = '', domain = '', selector = ''] = positionals;
  if (action !== 'generate')
    throw new UsageError(action === '' ? 'an action is missing' : `"${action}" is not an action`);
  expectArguments(positionals, ['generate', 'domain', 'selector']);
  const { type = 'rsa' } = values;
  if (type !== 'rsa' && type !== 'ed25519')
    throw new UsageError(`--type "${type}" is not allowed; allowed: rsa, ed25519`);
  if (type === 'ed25519' && values.bits !== undefined) throw new UsageError('--bits is for rsa only');
  const bits = wholeNumber(values.bits ?? '2048', 'bits');
  const dir = values.dir ?? loadProcessSettings().settings.dkimDir;
  if (dir === '') {
    complain('SLUICE_DKIM_DIR is not set; set it to the folder of the keys, or give --dir');
    return EX_CONFIG;
  }
  try {
    const key = generateDkimKey(dir, domain, selector, type, bits);
    complain(`the private key is in ${key.path}; publish this record, then reload sluice (SIGHUP):`);
    print(key.zoneLine);
    return EX_OK;
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    if (thrown.code === 'bad-dkim-key') throw new UsageError(thrown.message);
    complain(thrown.message);
    return EX_CANTCREAT;
  }
}

async function run(args: readonly string[]): Promise<number | undefined> {
  const [first, ...rest] = args;
  if (first === '--version' || first === '-v') {
    print(VERSION);
    return EX_OK;
  }
  if (first === '--help' || first === '-h' || first === 'help' || rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(helpOf(first === 'help' ? rest[0] : first));
    return EX_OK;
  }
  switch (first) {
    case undefined:
    case 'start':
      expectArguments(parse(rest, {}).positionals, []);
      await import('./main.js');
      return undefined;
    case 'check':
      return (await import('./cli-check.js')).check(rest);
    case 'status':
      return status(rest);
    case 'queue':
      return queue(rest);
    case 'dkim':
      return dkim(rest);
    case 'user':
      return (await import('./cli-user.js')).user(rest);
    case 'why':
      return (await import('./cli-explain.js')).why(rest);
    case 'route':
      return (await import('./cli-explain.js')).route(rest);
    case 'destinations':
      return (await import('./cli-explain.js')).destinations(rest);
    case 'suspend':
    case 'resume':
    case 'reroute':
    case 'bounce':
    case 'orders':
      return (await import('./cli-orders.js')).orders(first, rest);
    case 'import-postfix':
      return (await import('./cli-import-postfix.js')).importPostfixCommand(rest);
    case 'suppression':
      return (await import('./cli-suppression.js')).suppression(rest);
    default:
      throw new UsageError(`"${first}" is not a command; there are ${COMMAND_NAMES.join(', ')}`);
  }
}

// `sluice queue list | head` closes the pipe early; that is no failure.
process.stdout.on('error', () => process.exit(EX_OK));
const args = process.argv.slice(2);
try {
  const code = await run(args);
  if (code !== undefined) process.exitCode = code;
} catch (thrown) {
  if (thrown instanceof UsageError) {
    complain(thrown.message);
    const command = COMMAND_NAMES.includes(args[0] ?? '') ? ` ${args[0]}` : '';
    process.stderr.write(`see: sluice${command} --help\n`);
    process.exitCode = EX_USAGE;
  } else {
    complain(messageOf(thrown));
    process.exitCode = EX_SOFTWARE;
  }
}
