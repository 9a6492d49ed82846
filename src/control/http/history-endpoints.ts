/**
 * Endpoints about messages past and present: what became of them.
 */
import { z } from 'zod';
import { MAX_MESSAGES } from '../control-protocol.js';
import {
  type ErasureReport,
  type MessageHistory,
  type MessagePageReport,
  RECIPIENT_STATUSES,
} from '../message-reports.js';
import { erasureOrder, messageQuestion, narrowed } from '../request-fields.js';
import { type Endpoint, endpoint } from './endpoint.js';
import { Problem } from './problem.js';

const count = z.int().min(0);
const time = z.number().describe('ms since 1970, 0: none');
const words = z.string();

const summary = {
  id: words,
  sender: words,
  tenant: words,
  tags: z.array(words),
  lane: words,
  size: count,
  acceptedAt: time,
  recipientCount: count,
  recipients: z.array(
    z.object({
      address: words,
      status: z.enum(RECIPIENT_STATUSES),
      at: time,
      reply: words,
      dsn: words,
      category: words,
      host: words,
      attempts: count,
      due: time,
    }),
  ),
  complete: z.boolean().describe('false: not all of the history was read for it; the message by its id tells more'),
};

const page = z.object({
  items: z.array(z.object(summary)),
  next: words.nullable(),
}) satisfies z.ZodType<MessagePageReport>;

const history = z.object({
  ...summary,
  queued: z.boolean(),
  account: words,
  client: words,
  protocol: words,
  tls: words,
  signed: z.array(words),
  timeline: z.array(
    z.object({
      at: time,
      kind: z.enum([
        'accepted',
        'signed',
        'delivered',
        'deferred',
        'bounced',
        'expired',
        'dropped',
        'complained',
        'returned',
      ]),
      recipient: words,
      reply: words,
      dsn: words,
      category: words,
      attempts: count,
      delay: z.number(),
      due: time,
      attempt: z.object({ host: words, address: words, tls: words, ms: z.number() }).nullable(),
    }),
  ),
}) satisfies z.ZodType<MessageHistory>;

const erasure = z.object({
  id: words,
  address: words,
  tenant: words,
  suppression: z.boolean(),
  state: z.enum(['running', 'done', 'failed']),
  problem: words,
  startedAt: time,
  endedAt: time,
  partsDone: count,
  parts: count,
  messages: count,
  events: count,
  suppressions: count,
  logLines: count,
}) satisfies z.ZodType<ErasureReport>;

/** Text of a query as a number. */
const moment = z
  .string()
  .regex(/^\d{1,15}$/, 'allowed: milliseconds since 1970')
  .default('0')
  .transform(Number);
const most = `allowed: a whole number from 1 to ${MAX_MESSAGES}`;
const limit = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, most)
  .default('50')
  .transform(Number)
  .pipe(z.int().max(MAX_MESSAGES, most));

export const historyEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/messages',
    summary:
      'A page of messages and what became of them, those to which something happened last first. A page may have fewer than asked for and still a next one.',
    query: narrowed(z.strictObject({ ...messageQuestion, since: moment, until: moment, limit })),
    answer: page,
    run: ({ control, query }) => control().messages(query),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/messages/{id}',
    summary: 'One message with everything that happened to it.',
    answer: history,
    run: async ({ params, control }) => {
      const id = params['id']!.toUpperCase();
      const found = await control().message(id);
      if (found === undefined)
        throw new Problem(404, 'no-such-message', `neither the history nor the queue has a message ${id}`);
      return found;
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/erasures',
    summary:
      'Begins to take everything about an address out of queue, history and logs; its report tells how far it is.',
    body: z.strictObject(erasureOrder),
    answer: erasure,
    status: 202,
    run: ({ control, body }) => control().erase(body),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/erasures',
    summary: 'Erasures since the start, the last first.',
    answer: z.object({ items: z.array(erasure), next: z.null() }),
    run: ({ control }) => ({ items: control().erasures(), next: null }),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/erasures/{id}',
    summary: 'How far an erasure is.',
    answer: erasure,
    run: ({ params, control }) => {
      const found = control()
        .erasures()
        .find(({ id }) => id === params['id']);
      if (found === undefined) throw new Problem(404, 'no-such-erasure', 'no such erasure was begun since the start');
      return found;
    },
  }),
];
