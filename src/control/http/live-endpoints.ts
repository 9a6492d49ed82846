/**
 * Endpoints that show the engine at work: figures over time, next hops, tenants.
 */
import { z } from 'zod';
import type { FigureLists, FiguresReport, HostReport, TenantReport, UpstreamReport } from '../live-reports.js';
import { SPANS } from '../live-reports.js';
import { span, textLimit } from '../request-fields.js';
import { page as pageOf } from './answers.js';
import { type Endpoint, endpoint } from './endpoint.js';
import { inOrder, order, page } from './paging.js';

const words = z.string();
const count = z.int().min(0);
const time = z.number().describe('ms since 1970, 0: none');
const known = z.number().nullable();
const list = z.array(known);
/** ms since the epoch; as text in a query. */
const since = z
  .string()
  .regex(/^\d{1,16}$/, 'allowed: ms since 1970, 0 for all')
  .default('0')
  .transform(Number);

const figures = z.object({
  span: z.enum(SPANS),
  step: count.describe('length of an interval, ms'),
  points: count.describe('intervals kept at most'),
  at: z.array(time).describe('ends of the intervals'),
  series: z.object({
    accepted: list.describe('messages a second'),
    delivered: list.describe('recipients a second'),
    deferred: list.describe('attempts put off, recipients a second'),
    bounced: list.describe('recipients given up a second'),
    serverConnections: list,
    upstreamConnections: list,
    queuedImmediate: list.describe('messages'),
    queuedBulk: list.describe('messages'),
    queuedDeferred: list.describe('messages'),
    latencyP50: list.describe('from our 250 to that of the next hop, ms'),
    latencyP95: list,
    latencyP99: list,
    bounceShare: list.describe('of recipients that came to an end'),
    lag: list.describe('longest delay of the main thread, ms'),
  }) satisfies z.ZodType<FigureLists>,
}) satisfies z.ZodType<FiguresReport>;

const reply = z.object({ at: time, reply: words });
const host = z.object({
  name: words,
  address: words,
  port: count,
  state: z.enum(['closed', 'down', 'ejected', 'half-open', 'slow-start', 'paused']),
  reason: words,
  until: time,
  connections: count,
  idle: count,
  outstanding: count,
  limit: known.describe('most connections, null: no limit'),
  expectedMs: known.describe('what a transaction is expected to take'),
  failureShare: z.number(),
  defersAbove: known.describe('messages a minute'),
  planned: known.describe('messages a minute'),
  quotaLeft: known,
  distanceMs: known,
  region: words,
  weight: z.number(),
  cost: z.number(),
  lastReply: reply.nullable(),
  refusals: z.array(reply),
}) satisfies z.ZodType<HostReport>;
const upstream = z.object({
  site: words,
  connections: count,
  hosts: z.array(host),
  limits: z.record(z.string(), z.unknown()),
}) satisfies z.ZodType<UpstreamReport>;
const tenant = z.object({
  tenant: words,
  queued: count.describe('messages in memory: ready or under way'),
  delivered: count,
  deferred: count,
  bounced: count,
  complained: count,
  bounceShare: known,
  inTimeShare: known,
}) satisfies z.ZodType<TenantReport>;

export const liveEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/figures',
    summary: 'Figures over time, since the engine started: rates, queue, connections, latency.',
    query: z.strictObject({ span: span.default('5m'), after: since }),
    answer: figures,
    run: ({ control, query }) => control().figures(query.span, query.after),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/upstreams',
    summary: 'A page of sites by name, or those with the most connections: their hosts, health, limits, last replies.',
    query: z.strictObject({ ...page, order }),
    answer: pageOf(upstream),
    run: ({ control, query: { after, limit, order } }) =>
      inOrder(order, control().upstreams(after, limit, order === 'busiest'), limit, ({ site }) => site),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/tenants',
    summary: 'The tenants with the most mail.',
    query: z.strictObject({ span: span.default('1h'), limit: textLimit }),
    answer: pageOf(tenant),
    run: ({ control, query }) => ({ items: control().tenants(query.span, query.limit), next: null }),
  }),
];
