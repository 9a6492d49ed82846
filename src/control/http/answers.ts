/**
 * Shapes of answers, for the OpenAPI document and for tests; the compiler holds them to the engine's interface.
 */
import { z } from 'zod';
import type {
  DestinationReport,
  EngineStatus,
  MessageDetail,
  OrderReport,
  QueueEntry,
  RouteReport,
  SuppressionReport,
  WhyReport,
} from '../engine-control.js';
import type { ConfigEntry } from './plane.js';

const count = z.int().min(0);
/** ms since the epoch, 0: none. */
const time = z.number().describe('ms since 1970, 0: none');
const facts = z.record(z.string(), z.unknown());
const words = z.string();

const entry = {
  id: words,
  sender: words,
  size: count,
  receivedAt: time,
  recipients: count,
  attempts: count,
  due: time,
  state: z.enum(['active', 'deferred', 'held']),
  reason: words,
};
export const queueEntry = z.object(entry) satisfies z.ZodType<QueueEntry>;
export const messageDetail = z.object({
  ...entry,
  clientAddress: words,
  helo: words,
  recipientDetails: z.array(
    z.object({
      address: words,
      status: z.enum(['pending', 'delivered', 'failed']),
      reply: words,
      host: words,
      lastAttempt: time,
    }),
  ),
}) satisfies z.ZodType<MessageDetail>;
export const status = z.object({
  version: words,
  pid: count,
  startedAt: time,
  accepted: count,
  delivered: count,
  deferred: count,
  failed: count,
  queued: count,
  flushes: count,
  serverConnections: count,
  upstreamConnections: count,
  tls: z.object({
    clientsFailed: count,
    secured: count,
    clear: count,
    failed: count,
    policyFailures: count,
    certificateExpires: time,
  }),
  returned: z.object({ bounces: count, complaints: count, other: count }),
  suppressed: count,
  kpis: facts,
}) satisfies z.ZodType<EngineStatus>;
export const why = z.object({
  id: words,
  state: entry.state,
  lane: words,
  tenant: words,
  attempts: count,
  nextAttempt: time,
  waits: z.array(z.object({ recipients: z.array(words), destination: words, kind: words, reason: words, until: time })),
}) satisfies z.ZodType<WhyReport>;
const waits = z.array(z.object({ kind: words, reason: words, until: time }));
export const route = z.object({
  sender: words,
  recipient: words,
  route: words,
  destination: words,
  egress: words,
  tenant: words,
  lane: words,
  site: words,
  hosts: z.array(z.object({ name: words, address: words, port: count, tls: words })),
  limits: facts,
  waits,
  problem: words,
}) satisfies z.ZodType<RouteReport>;
export const destination = z.object({
  destination: words,
  site: words,
  queued: z.object({ immediate: count, bulk: count, deferred: count }),
  cold: count,
  connections: count,
  hosts: z.array(facts),
  limits: facts,
  waits,
}) satisfies z.ZodType<DestinationReport>;
export const order = z.object({
  id: words,
  to: words,
  selector: z.object({ domain: words, tenant: words, pool: words, campaign: words }),
  reason: words,
  since: time,
  until: time,
  by: z.enum(['operator', 'rule']),
}) satisfies z.ZodType<OrderReport>;
export const suppression = z.object({
  tenant: words,
  address: words,
  reason: words,
  since: time,
  until: time,
}) satisfies z.ZodType<SuppressionReport>;
export const configEntry = z.object({ name: words, value: words, source: words }) satisfies z.ZodType<ConfigEntry>;
export const messages = z.object({ messages: count });
export const entries = z.object({ entries: count });

/** A page of a list; `next`: what to give as `after`, null at the end. */
export function page(item: z.ZodType) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}
