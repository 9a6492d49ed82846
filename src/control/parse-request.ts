/**
 * Requests as they come in over the control socket.
 *
 * Contract: never throws; what it gives is a request of exactly one of the known shapes, or a text that says what is
 * wrong and what is allowed. Ids are shown ids and are checked by the engine.
 */
import { z } from 'zod';
import { type ControlRequest, ID_COMMANDS } from './control-protocol.js';
import {
  action,
  after,
  erasureOrder,
  eventFields,
  ids,
  limit,
  MAX_ID,
  messageQuestion,
  narrowed,
  needed,
  offset,
  ofTenant,
  rerouting,
  resumption,
  routeQuestion,
  span,
  suppression,
  suspension,
  text,
  unsuppression,
} from './request-fields.js';

const requests = [
  z.object({ command: z.enum(['status', 'orders', 'erasures']) }),
  z.object({ command: z.enum(['list', 'details']), after: text('the last id seen, or ""', MAX_ID).default(''), limit }),
  z.object({ command: z.literal('destinations'), after, limit }),
  z.object({
    command: z.literal('figures'),
    span: span.default('5m'),
    after: z
      .number({ error: 'allowed: ms since 1970, 0 for all' })
      .min(0, 'allowed: ms since 1970, 0 for all')
      .default(0),
  }),
  z.object({
    command: z.literal('upstreams'),
    after,
    limit,
    busiest: z.boolean('allowed: true, false').default(false),
  }),
  z.object({ command: z.literal('tenants'), span: span.default('1h'), limit }),
  z.object({ command: z.enum(ID_COMMANDS), id: needed('an id', MAX_ID) }),
  z.object({ command: z.literal('content'), id: needed('an id', MAX_ID), offset }),
  z.object({ command: z.literal('change'), action, ids }),
  z.object({ command: z.literal('route'), ...routeQuestion }),
  z.object({ command: z.literal('erase'), ...erasureOrder }),
  narrowed(z.object({ command: z.literal('messages'), ...messageQuestion })),
  z.object({ command: z.enum(['suspend', 'bounce']), ...suspension }),
  z.object({ command: z.literal('reroute'), ...rerouting }),
  z.object({ command: z.literal('resume'), ...resumption }),
  z.object({ command: z.literal('suppressions'), ...ofTenant, after, limit }),
  z.object({ command: z.literal('suppress'), ...suppression }),
  z.object({ command: z.literal('unsuppress'), ...unsuppression }),
  z.object({ command: z.literal('webhooks') }),
  z.object({ command: z.enum(['test-webhook', 'resume-webhook']), name: needed('the name of a webhook') }),
  z.object({ command: z.literal('events'), ...eventFields }),
] as const;

const request = z.discriminatedUnion('command', requests);
const COMMANDS = requests.flatMap(({ shape }) => [
  ...('options' in shape.command ? shape.command.options : shape.command.values),
]);

/** Reads one request line. A text says what is wrong with it and what is allowed. */
export function parseRequest(line: string): ControlRequest | string {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    return 'the request is not JSON; send one JSON object a line, such as {"command":"status"}';
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'the request is not a JSON object';
  const { command } = given as Readonly<Record<string, unknown>>;
  if (!COMMANDS.includes(command as never))
    return `unknown command ${JSON.stringify(command)?.slice(0, 100)}; allowed: ${COMMANDS.join(', ')}`;
  const parsed = request.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `"${issue!.path.join('.')}" of "${String(command)}" is missing or not allowed; ${issue!.message}`;
}
