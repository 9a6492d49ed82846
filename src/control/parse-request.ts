/**
 * Requests as they come in over the control socket.
 *
 * Contract: never throws; what it gives is a request of exactly one of the known shapes, or a text that says what is
 * wrong and what is allowed. Ids are shown ids and are checked by the engine.
 */
import { z } from 'zod';
import { type ControlRequest, ID_COMMANDS, MAX_PAGE } from './control-protocol.js';

const MAX_ID = 64;
const MAX_TEXT = 1000;
/** A hundred years, ms. */
const MAX_SPAN = 3_155_760_000_000;

const text = (what: string, max = MAX_TEXT) =>
  z.string({ error: `allowed: ${what}` }).max(max, `allowed: ${what}, at most ${max} characters`);
const needed = (what: string, max = MAX_TEXT) => text(what, max).min(1, `allowed: ${what}`);
const selector = z.strictObject(
  {
    domain: text('a domain, or ".domain" for all below it').default(''),
    tenant: text('a tenant').default(''),
    pool: text('an egress pool or upstream group').default(''),
    campaign: text('a tag').default(''),
  },
  { error: 'allowed: domain, tenant, pool, campaign' },
);
const concerned = selector.refine(
  (given) => Object.values(given).some((value) => value !== ''),
  'allowed: at least one of domain, tenant, pool, campaign',
);
const reason = text('a reason in words').default('');
const forMs = z
  .number({ error: `allowed: milliseconds, 0 for no end` })
  .min(0, 'allowed: milliseconds, 0 for no end')
  .max(MAX_SPAN, `allowed: at most ${MAX_SPAN} ms`)
  .default(0);
const wholePage = `allowed: a whole number from 1 to ${MAX_PAGE}`;
const limit = z.int({ error: wholePage }).min(1, wholePage).max(MAX_PAGE, wholePage).default(100);
const after = text('the last one seen, or ""').default('');
const words = z.record(z.string().max(MAX_ID), text('a text')).default({});

const requests = [
  z.object({ command: z.enum(['status', 'orders']) }),
  z.object({ command: z.literal('list'), after: text('the last id seen, or ""', MAX_ID).default(''), limit }),
  z.object({ command: z.literal('destinations'), after, limit }),
  z.object({ command: z.enum(ID_COMMANDS), id: needed('an id', MAX_ID) }),
  z.object({
    command: z.literal('route'),
    sender: text('an address'),
    recipient: needed('an address'),
    account: text('an account').default(''),
    tenant: text('a tenant').default(''),
    listener: text('a listener').default(''),
    client: text('an address').default(''),
    lane: text('a lane').default(''),
    tags: z.array(text('a tag')).max(100).default([]),
    fields: words,
  }),
  z.object({ command: z.enum(['suspend', 'bounce']), selector: concerned, reason, forMs }),
  z.object({
    command: z.literal('reroute'),
    selector: concerned,
    to: needed('upstream/NAME, mx, host/NAME:PORT or discard'),
    reason,
    forMs,
  }),
  z.object({
    command: z.literal('resume'),
    order: text('an id or all', MAX_ID).default(''),
    selector: selector.default({ domain: '', tenant: '', pool: '', campaign: '' }),
  }),
  z.object({ command: z.literal('suppressions'), tenant: text('a tenant').default(''), after, limit }),
  z.object({
    command: z.literal('suppress'),
    tenant: text('a tenant').default(''),
    address: needed('an address'),
    reason,
    forMs,
  }),
  z.object({ command: z.literal('unsuppress'), tenant: text('a tenant').default(''), address: needed('an address') }),
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
