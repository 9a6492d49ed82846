/**
 * `sluice events`: what happens to mail, as it happens, from the control socket of this machine's engine.
 */
import { complain, EX_OK, EX_UNAVAILABLE, expectArguments, parse, print, UsageError } from './cli-command.js';
import { controlPath } from './cli-engine.js';
import type { EventRequest } from './control/control-protocol.js';
import { messageOf } from './core/errors.js';
import { connectUnix } from './net/unix-socket.js';
import { EVENT_KINDS } from './telemetry/event-filter.js';
import type { MailEvent } from './telemetry/mail-event.js';
import { harmless } from './telemetry/pretty-line.js';

/** What comes over the socket besides events. */
type Line =
  | MailEvent
  | { readonly kind: 'dropped-events'; readonly count: number }
  | { readonly ok: false; readonly error: string };

/** The command. Runs until it is interrupted or the engine stops. */
export async function events(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    ...{ json: { type: 'boolean' }, socket: { type: 'string' }, kind: { type: 'string' }, tenant: { type: 'string' } },
    ...{ domain: { type: 'string' }, recipient: { type: 'string' }, tag: { type: 'string' }, id: { type: 'string' } },
  });
  expectArguments(positionals, []);
  const { kind = '', tenant = '', domain = '', recipient = '', tag = '', id = '' } = values;
  const kinds = kind.split(',').filter((one) => one !== '');
  for (const one of kinds)
    if (!(EVENT_KINDS as readonly string[]).includes(one))
      throw new UsageError(`--kind "${one}" is not allowed; allowed: ${EVENT_KINDS.join(', ')}`);
  const request = { command: 'events', kinds, tenant, domain, recipient, tag, id } as EventRequest;
  const path = controlPath(values.socket);
  let rest = '';
  try {
    const socket = await connectUnix(path);
    socket.write(`${JSON.stringify(request)}\n`);
    socket.setEncoding('utf8');
    for await (const chunk of socket as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === '') continue;
        const told = JSON.parse(line) as Line;
        if ('ok' in told) {
          complain(told.error);
          return EX_UNAVAILABLE;
        }
        print(values.json === true ? line : shown(told));
      }
    }
  } catch (thrown) {
    complain(`no engine is running here: ${messageOf(thrown)}`);
    return EX_UNAVAILABLE;
  }
  complain('the engine closed the connection');
  return EX_OK;
}

function shown(event: Exclude<Line, { ok: false }>): string {
  if (event.kind === 'dropped-events') return `... ${event.count} events were left out: this terminal is too slow`;
  const time = new Date(event.at).toISOString().slice(11, 23);
  return `${time} ${event.kind.padEnd(10)} ${harmless(wordsOf(event))}`;
}

function wordsOf(event: MailEvent): string {
  switch (event.kind) {
    case 'accepted':
      return `${event.id} <${event.sender}> to <${event.recipients[0]}>${event.recipients.length > 1 ? ` and ${event.recipients.length - 1} more` : ''}, ${event.size} bytes`;
    case 'suspended':
    case 'resumed':
      return `${event.order} ${[event.domain, event.tenant, event.pool, event.campaign].filter((one) => one !== '').join(' ')} ${event.reason}`;
    case 'complained':
    case 'returned':
      return `${event.id} <${event.recipient}> ${event.reply}`;
    default:
      return `${event.id} <${event.recipient}> ${event.attempt === null ? '' : `${event.attempt.host} `}${event.reply}`;
  }
}
