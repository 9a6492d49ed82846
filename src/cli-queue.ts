/**
 * `sluice queue`: queued mail, looked at and acted on one by one.
 */
import { complain, EX_NOINPUT, EX_OK, expectArguments, parse, print, UsageError, wholeNumber } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { messageLines, QUEUE_HEADING, queueLine } from './cli-tables.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_PAGE } from './control/control-protocol.js';

const DEFAULT_LIMIT = 100;

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

/** The command with its actions. @throws UsageError. */
export async function queue(args: readonly string[]): Promise<number> {
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
