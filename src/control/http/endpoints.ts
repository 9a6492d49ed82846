/**
 * All endpoints.
 */
import { z } from 'zod';
import {
  ofTenant,
  rerouting,
  resumption,
  routeQuestion,
  suppression,
  suspension,
  unsuppression,
} from '../request-fields.js';
import * as answers from './answers.js';
import { auditEndpoints } from './audit-endpoints.js';
import { Answer, type Call, type Endpoint, endpoint } from './endpoint.js';
import { eventEndpoints } from './event-endpoints.js';
import { historyEndpoints } from './history-endpoints.js';
import { liveEndpoints } from './live-endpoints.js';
import { messageEndpoints } from './message-endpoints.js';
import { openApi } from './openapi.js';
import { inOrder, order, page, paged } from './paging.js';
import { Problem } from './problem.js';
import { queueEndpoints } from './queue-endpoints.js';
import { webhookEndpoints } from './webhook-endpoints.js';

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

function plain(status: number, words: string): Answer {
  return new Answer(status, 'text/plain; charset=utf-8', `${words}\n`);
}

function known<T>(what: T | undefined | null, id: string): T {
  if (what === undefined || what === null) throw new Problem(404, 'no-such-message', `the queue has no message ${id}`);
  return what;
}

/** A command on one message. */
function onMessage(action: 'retry' | 'hold' | 'release' | 'remove', summary: string): Endpoint {
  return endpoint({
    method: action === 'remove' ? 'DELETE' : 'POST',
    path: action === 'remove' ? '/v1/queue/{id}' : `/v1/queue/{id}/${action}`,
    summary,
    answer: answers.messages,
    run: async ({ params, control }) => {
      const id = params['id']!;
      // The engine takes the word for every message; here that has a path of its own.
      const messages = id === 'all' ? 0 : await control()[action](id);
      return { messages: known(messages === 0 ? null : messages, id) };
    },
  });
}

const rows: Endpoint[] = [
  ...historyEndpoints,
  endpoint({
    method: 'GET',
    path: '/healthz',
    summary: 'The process is alive.',
    open: true,
    run: () => plain(200, 'alive'),
  }),
  endpoint({
    method: 'GET',
    path: '/readyz',
    summary: 'Mail is taken: it listens, the spool can be written, no shutdown is under way.',
    open: true,
    run: ({ plane }) => {
      const reason = plane.notReady();
      return reason === '' ? plain(200, 'ready') : plain(503, reason);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics as Prometheus or, where Accept asks for it, OpenMetrics text.',
    run: ({ plane, accept }) => {
      const open = accept.includes('application/openmetrics-text');
      const text = plane.metrics(open);
      if (text === '') throw new Problem(503, 'not-running', 'the engine is starting');
      return new Answer(200, open ? OPENMETRICS : PROMETHEUS, text);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description.',
    run: ({ plane }) => openApi(rows, plane.version),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/status',
    summary: 'Counts since the start, connections, TLS, promises.',
    answer: answers.status,
    run: ({ control }) => control().status(),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/queue',
    summary: 'A page of queued mail, oldest first.',
    query: z.strictObject(page),
    answer: answers.page(answers.queueEntry),
    run: async ({ control, query }) =>
      paged(await control().list(query.after, query.limit), query.limit, ({ id }) => id),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/queue/retry',
    summary: 'Tries all that waits now.',
    answer: answers.messages,
    run: async ({ control }) => ({ messages: await control().retry('all') }),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/queue/{id}',
    summary: 'One message with its recipients.',
    answer: answers.messageDetail,
    run: async ({ params, control }) => known(await control().show(params['id']!), params['id']!),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/queue/{id}/why',
    summary: 'What a message waits for.',
    answer: answers.why,
    run: async ({ params, control }) => known(await control().why(params['id']!), params['id']!),
  }),
  onMessage('retry', 'Tries a message now.'),
  onMessage('hold', 'Holds a message until it is released.'),
  onMessage('release', 'Releases a message that is held.'),
  onMessage('remove', 'Deletes a message without telling its sender.'),
  endpoint({
    method: 'GET',
    path: '/v1/destinations',
    summary: 'A page of destinations by name, or those with the most mail: queued mail, connections, hosts, limits.',
    query: z.strictObject({ ...page, order }),
    answer: answers.page(answers.destination),
    run: ({ control, query: { after, limit, order } }) =>
      inOrder(
        order,
        control().destinations(after, limit, order === 'busiest'),
        limit,
        ({ destination }) => destination,
      ),
  }),
  ...liveEndpoints,
  endpoint({
    method: 'POST',
    path: '/v1/route',
    summary: 'Where mail would go; nothing is sent.',
    body: z.strictObject(routeQuestion),
    answer: answers.route,
    run: ({ control, body }) => control().route(body),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/orders',
    summary: 'Suspensions and reroutes that stand.',
    answer: answers.page(answers.order),
    run: ({ control }) => ({ items: control().orders(), next: null }),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/orders/suspend',
    summary: 'Keeps mail waiting.',
    body: z.strictObject(suspension),
    answer: answers.order,
    status: 201,
    run: ({ control, body }) => control().suspend(body.selector, body.reason, body.forMs),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/orders/reroute',
    summary: 'Sends mail another way than its route.',
    body: z.strictObject(rerouting),
    answer: answers.order,
    status: 201,
    run: ({ control, body }) => control().reroute(body.selector, body.to, body.reason, body.forMs),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/orders/resume',
    summary: 'Takes back orders: by id, all, or of a selector.',
    body: z.strictObject(resumption),
    answer: answers.page(answers.order),
    run: async ({ control, body }) => ({ items: await control().resume(body.order, body.selector), next: null }),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/orders/bounce',
    summary: 'Fails queued mail and tells its senders.',
    body: z.strictObject({ selector: suspension.selector, reason: suspension.reason }),
    answer: answers.messages,
    run: async ({ control, body }) => ({ messages: await control().bounce(body.selector, body.reason) }),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/suppressions',
    summary: 'A page of addresses that get nothing.',
    query: z.strictObject({ ...ofTenant, ...page }),
    answer: answers.page(answers.suppression),
    run: async ({ control, query }) =>
      paged(
        await control().suppressions(query.tenant, query.after, query.limit),
        query.limit,
        ({ address }) => address,
      ),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/suppressions',
    summary: 'Puts an address on the list.',
    body: z.strictObject(suppression),
    answer: answers.entries,
    status: 201,
    run: async ({ control, body: { tenant, address, reason, forMs } }) => ({
      entries: await control().suppress(tenant, address, reason, forMs),
    }),
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/suppressions',
    summary: 'Takes an address off the list.',
    query: z.strictObject(unsuppression),
    answer: answers.entries,
    run: async ({ control, query }) => {
      const entries = await control().unsuppress(query.tenant, query.address);
      if (entries === 0) throw new Problem(404, 'not-suppressed', 'the address is not on the list');
      return { entries };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/config',
    summary: 'Every setting in effect and where it came from; secrets are masked.',
    answer: answers.page(answers.configEntry),
    run: ({ plane }: Call<unknown, unknown>) => ({ items: plane.config(), next: null }),
  }),
  ...auditEndpoints,
  ...eventEndpoints,
  ...messageEndpoints,
  ...queueEndpoints,
  ...webhookEndpoints,
];

export const endpoints: readonly Endpoint[] = rows;
