/**
 * The audit log over HTTP.
 */
import { z } from 'zod';
import { MAX_PAGE } from '../control-protocol.js';
import { limit } from '../request-fields.js';
import { page } from './answers.js';
import { type Endpoint, endpoint } from './endpoint.js';
import type { AuditReport } from './plane.js';

const entry = z.object({
  seq: z.int().min(1),
  time: z.string().describe('RFC 3339, UTC'),
  actor: z.string(),
  action: z.string(),
  details: z.record(z.string(), z.unknown()),
  prev: z.string(),
  hash: z.string().describe('SHA-256 over the line without this member'),
}) satisfies z.ZodType<AuditReport>;

/** Numbers in a query are text. */
const number = (what: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `allowed: ${what}`)
    .transform(Number);

export const auditEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/audit',
    summary: 'A page of the audit log, oldest first; `sluice audit verify` says whether it is as it was written.',
    query: z.strictObject({
      after: number('the number (seq) of the last entry seen').default(0),
      since: number('milliseconds since 1970').default(0),
      limit: number(`a whole number from 1 to ${MAX_PAGE}`).pipe(limit.unwrap()).default(100),
    }),
    answer: page(entry),
    run: async ({ plane, query }) => {
      const items = await plane.audit(query);
      return { items, next: items.length < query.limit ? null : String(items.at(-1)!.seq) };
    },
  }),
];
