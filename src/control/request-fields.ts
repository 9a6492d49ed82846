/**
 * What operators may give, over the control socket and over HTTP alike: each field with what is allowed.
 *
 * Ids are shown ids and are checked by the engine.
 */
import { z } from 'zod';
import { EVENT_KINDS } from '../telemetry/event-filter.js';
import { MAX_IDS, MAX_MESSAGES, MAX_PAGE } from './control-protocol.js';
import { QUEUE_CHANGES } from './engine-control.js';
import { SPANS } from './live-reports.js';
import { type MessageQuestion, RECIPIENT_STATUSES } from './message-reports.js';

export const MAX_ID = 64;
const MAX_TEXT = 1000;
/** A hundred years, ms. */
const MAX_SPAN = 3_155_760_000_000;

export const text = (what: string, max = MAX_TEXT) =>
  z.string({ error: `allowed: ${what}` }).max(max, `allowed: ${what}, at most ${max} characters`);
export const needed = (what: string, max = MAX_TEXT) => text(what, max).min(1, `allowed: ${what}`);
export const selector = z.strictObject(
  {
    // As recipients have it, and as people write "all below".
    domain: text('a domain, or ".domain" for all below it')
      .transform((given) => given.toLowerCase().replace(/^\*\./, '.'))
      .default(''),
    tenant: text('a tenant').default(''),
    pool: text('an egress pool or upstream group').default(''),
    campaign: text('a tag').default(''),
  },
  { error: 'allowed: domain, tenant, pool, campaign' },
);
export const concerned = selector.refine(
  (given) => Object.values(given).some((value) => value !== ''),
  'allowed: at least one of domain, tenant, pool, campaign',
);
export const reason = text('a reason in words').default('');
export const forMs = z
  .number({ error: `allowed: milliseconds, 0 for no end` })
  .min(0, 'allowed: milliseconds, 0 for no end')
  .max(MAX_SPAN, `allowed: at most ${MAX_SPAN} ms`)
  .default(0);
export const wholePage = `allowed: a whole number from 1 to ${MAX_PAGE}`;
export const limit = z.int({ error: wholePage }).min(1, wholePage).max(MAX_PAGE, wholePage).default(100);
/** A number in a query is text. */
export const textLimit = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, `allowed: a whole number from 1 to ${MAX_PAGE}`)
  .default('100')
  .transform(Number)
  .pipe(limit.unwrap());
export const after = text('the last one seen, or ""').default('');
export const span = z.enum(SPANS, { error: `allowed: ${SPANS.join(', ')}` });
export const words = z.record(z.string().max(MAX_ID), text('a text')).default({});

const tenant = text('a tenant').default('');

/** Bodies of what can be asked, without who asks how. */
export const routeQuestion = {
  sender: text('an address'),
  recipient: needed('an address'),
  account: text('an account').default(''),
  tenant,
  listener: text('a listener').default(''),
  client: text('an address').default(''),
  lane: text('a lane').default(''),
  tags: z.array(text('a tag')).max(100).default([]),
  fields: words,
};
export const suspension = { selector: concerned, reason, forMs };
export const rerouting = {
  selector: concerned,
  to: needed('upstream/NAME, mx, host/NAME:PORT or discard'),
  reason,
  forMs,
};
export const resumption = {
  order: text('an id or all', MAX_ID).default(''),
  selector: selector.default({ domain: '', tenant: '', pool: '', campaign: '' }),
};
export const suppression = { tenant, address: needed('an address'), reason, forMs };
export const unsuppression = { tenant, address: needed('an address') };
const wholeOffset = 'allowed: 0, or the next of the last piece';
export const offset = z.int({ error: wholeOffset }).min(0, wholeOffset).default(0);
const someIds = `allowed: 1 to ${MAX_IDS} ids`;
export const ids = z.array(needed('an id', MAX_ID), { error: someIds }).min(1, someIds).max(MAX_IDS, someIds);
export const action = z.enum(QUEUE_CHANGES, { error: `allowed: ${QUEUE_CHANGES.join(', ')}` });
export const ofTenant = { tenant };
const moment = z
  .number({ error: 'allowed: milliseconds since 1970' })
  .min(0, 'allowed: milliseconds since 1970')
  .default(0);
const wholeMessages = `allowed: a whole number from 1 to ${MAX_MESSAGES}`;
export const messageQuestion = {
  recipient: text('an address').default(''),
  sender: text('an address').default(''),
  tag: text('a tag').default(''),
  tenant,
  since: moment,
  until: moment,
  status: z.enum(['', ...RECIPIENT_STATUSES], { error: `allowed: ${RECIPIENT_STATUSES.join(', ')}` }).default(''),
  limit: z.int({ error: wholeMessages }).min(1, wholeMessages).max(MAX_MESSAGES, wholeMessages).default(50),
  after: text('"next" of the page before', MAX_ID).default(''),
};

export const erasureOrder = {
  address: text('an address').regex(/^[^\s@<>]+(?:@[^\s@<>]+)+$/, 'allowed: a whole address such as ann@example.org'),
  tenant,
  suppression: z.boolean({ error: 'allowed: true or false' }).default(false),
};

/** The history is looked through for something, or for a time. */
export function narrowed<T extends z.ZodType<MessageQuestion>>(question: T) {
  return question.refine(
    ({ recipient, sender, tag, since, until }) => `${recipient}${sender}${tag}` !== '' || since > 0 || until > 0,
    'allowed: at least one of recipient, sender, tag, since, until',
  );
}

const kinds = `allowed: ${EVENT_KINDS.join(', ')}`;
/** Which events are wanted. */
export const eventFields = {
  kinds: z
    .array(z.enum(EVENT_KINDS, { error: kinds }), { error: kinds })
    .max(EVENT_KINDS.length, kinds)
    .default([]),
  tenant,
  domain: text('the domain of a recipient, or ".domain" for all below it').default(''),
  recipient: text('an address').default(''),
  tag: text('a tag').default(''),
  id: text('the id of a message', MAX_ID).default(''),
};
