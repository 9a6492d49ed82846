/**
 * `sluice history`: what became of a message, or of the mail to or from an address.
 */
import {
  complain,
  EX_NOINPUT,
  EX_OK,
  expectArguments,
  parse,
  print,
  timeSpan,
  UsageError,
  wholeNumber,
} from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { summaryLines, timelineLines } from './cli-history-tables.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_MESSAGES } from './control/control-protocol.js';
import {
  type MessagePageReport,
  type MessageQuestion,
  RECIPIENT_STATUSES,
  type RecipientStatus,
} from './control/message-reports.js';
import { parseQueueId } from './core/queue-id.js';

const OPTIONS = {
  json: { type: 'boolean' },
  socket: { type: 'string' },
  from: { type: 'string' },
  tag: { type: 'string' },
  tenant: { type: 'string' },
  status: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  limit: { type: 'string' },
} as const;
const DEFAULT_LIMIT = 20;
/** Where nothing else narrows it down, ms. */
const DEFAULT_SINCE = 86_400_000;

/** The command. */
export async function history(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS);
  if (positionals.length > 1) expectArguments(positionals, ['id or address']);
  const subject = (positionals[0] ?? '').replace(/^<(.*)>$/, '$1');
  const json = values.json === true;
  if (subject !== '' && !subject.includes('@')) {
    const id = subject.toUpperCase();
    if (parseQueueId(id) === undefined) throw new UsageError(`"${subject}" is neither an id nor an address`);
    return withEngine(values.socket, (client) => one(client, id, json));
  }
  const { from: sender = '', tag = '', tenant = '', status = '' } = values;
  if (!isStatus(status))
    throw new UsageError(`--status "${status}" is not allowed; allowed: ${RECIPIENT_STATUSES.join(', ')}`);
  const narrow = `${subject}${sender}${tag}` !== '';
  const limit = values.limit === undefined ? DEFAULT_LIMIT : wholeNumber(values.limit, 'limit');
  const since = moment(values.since, 'since') || (narrow ? 0 : Date.now() - DEFAULT_SINCE);
  const until = moment(values.until, 'until');
  const question = { recipient: subject, sender, tag, tenant, status, since, until };
  return withEngine(values.socket, (client) => list(client, question, limit, json));
}

function isStatus(text: string): text is RecipientStatus | '' {
  return text === '' || (RECIPIENT_STATUSES as readonly string[]).includes(text);
}

/** `2h` ago, or a date as ISO 8601 has it; wall clock ms, 0 where it is not given. @throws UsageError. */
function moment(text: string | undefined, option: string): number {
  if (text === undefined) return 0;
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? Date.now() - timeSpan(text, option) : date;
}

async function one(client: ControlClient, id: string, json: boolean): Promise<number> {
  const message = await client.ask({ command: 'message', id });
  if (message === null) {
    complain(`neither the history nor the queue has a message ${id}`);
    return EX_NOINPUT;
  }
  if (json) print(JSON.stringify(message));
  else for (const line of timelineLines(message, Date.now())) print(line);
  return EX_OK;
}

async function list(
  client: ControlClient,
  question: Omit<MessageQuestion, 'limit' | 'after'>,
  limit: number,
  json: boolean,
): Promise<number> {
  let shown = 0;
  let next: string | null = '';
  while (next !== null && (limit === 0 || shown < limit)) {
    const wanted = limit === 0 ? MAX_MESSAGES : Math.min(MAX_MESSAGES, limit - shown);
    const page: MessagePageReport = await client.ask({ command: 'messages', ...question, limit: wanted, after: next });
    for (const message of page.items) {
      if (json) print(JSON.stringify(message));
      else for (const line of summaryLines(message)) print(line);
    }
    shown += page.items.length;
    next = page.next;
  }
  if (!json && shown === 0) print('the history has no such message');
  if (!json && next !== null) print('there may be more; --limit 0 shows all');
  return EX_OK;
}
