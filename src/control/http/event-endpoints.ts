/**
 * Live events over WebSocket, as far as a request is concerned: its row in the table of endpoints and what it may ask for.
 * The talk itself is in event-sockets.ts.
 */
import { z } from 'zod';
import { EVENT_KINDS, type EventFilter } from '../../telemetry/event-filter.js';
import { eventFields } from '../request-fields.js';
import { type Endpoint, endpoint } from './endpoint.js';
import { Problem } from './problem.js';

const { kinds: _list, ...others } = eventFields;
const kinds = `allowed: ${EVENT_KINDS.join(', ')}; several with commas`;

/** What the query may hold. */
export const eventQuery = z
  .strictObject({
    kind: z
      .string()
      .default('')
      .transform((given) => given.split(',').filter((one) => one !== ''))
      .pipe(z.array(z.enum(EVENT_KINDS, { error: kinds })).max(EVENT_KINDS.length, kinds)),
    ...others,
  })
  .transform(({ kind, ...rest }): EventFilter => ({ kinds: kind, ...rest }));

export const eventEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/events',
    summary:
      'Live events over WebSocket: each frame is a JSON array. Browsers give the token as the subprotocol ' +
      '"bearer.TOKEN" beside "sluice.events".',
    query: eventQuery,
    status: 101,
    run: () => {
      throw new Problem(426, 'not-a-websocket', 'ask for this with a WebSocket', { headers: { Upgrade: 'websocket' } });
    },
  }),
];
