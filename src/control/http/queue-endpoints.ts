/**
 * Endpoints for work through the whole queue: pages with recipients, contents, changes of many messages.
 */
import { z } from 'zod';
import type { ContentPiece, EngineControl } from '../engine-control.js';
import { action, ids } from '../request-fields.js';
import * as answers from './answers.js';
import { type Endpoint, endpoint } from './endpoint.js';
import { page } from './paging.js';
import { Problem } from './problem.js';
import { Stream } from './stream.js';

const changed = z.object({ ids: z.array(z.string()) });

export const queueEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/queue/details',
    summary: 'A page of queued mail with recipients, oldest first; of fewer messages where they have many recipients.',
    query: z.strictObject(page),
    answer: answers.page(answers.messageDetail),
    run: async ({ control, query }) => {
      const items = await control().details(query.after, query.limit);
      return { items, next: items[items.length - 1]?.id ?? null };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/queue/{id}/content',
    summary: 'The content of a message as its next hop gets it (message/rfc822).',
    run: async ({ params, control }) => {
      const id = params['id']!;
      const first = await control().content(id, 0);
      if (first === undefined) throw new Problem(404, 'no-such-message', `the queue has no message ${id}`);
      return new Stream('message/rfc822', pieces(id, first, control));
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/queue/change',
    summary: 'Tries, holds, releases or deletes messages; the ids of those that it applied to.',
    body: z.strictObject({ action, ids }),
    answer: changed,
    run: async ({ control, body }) => ({ ids: await control().change(body.action, body.ids) }),
  }),
];

async function* pieces(id: string, first: ContentPiece, control: () => EngineControl): AsyncGenerator<Buffer> {
  for (let piece = first; ; ) {
    yield Buffer.from(piece.data, 'base64');
    if (piece.next === 0) return;
    const next = await control().content(id, piece.next);
    if (next === undefined) throw new Problem(404, 'no-such-message', `message ${id} left the queue while it was read`);
    piece = next;
  }
}
