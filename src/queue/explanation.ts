/**
 * Why a message waits, as far as the queue knows. For operators: it looks through queues and rings.
 */
import type { QueueId } from '../core/queue-id.js';
import type { DestinationQueue } from './destination-queue.js';
import type { DestinationQueues } from './destination-queues.js';
import type { DeliveryJob, QueuedMessage } from './queued-message.js';
import type { Wait } from './wait.js';
import type { WaitingMail } from './waiting-mail.js';

export interface ExplainedWait extends Wait {
  /** Key of the destination it is about, '' when it is about all. */
  readonly destination: string;
  /** Indexes of the recipients it is about; empty: all. */
  readonly recipients: readonly number[];
}

const NEVER = Number.POSITIVE_INFINITY;

/** @internal The scheduler's `explain`. */
export function explain(
  id: QueueId,
  active: QueuedMessage | undefined,
  queues: DestinationQueues,
  waiting: WaitingMail,
  now: number,
): readonly ExplainedWait[] {
  if (active !== undefined) return explainActive(active, queues);
  for (const queue of queues.values()) {
    const cold = queue.findCold(id);
    if (cold === undefined) continue;
    const reason =
      `${queue.key} has its share of memory; it waits in the spool, ${cold.before} of lane ${cold.lane} before it there ` +
      `and ${queue.lengthOf(cold.lane)} in memory`;
    return [{ kind: 'memory', reason, until: NEVER, destination: queue.key, recipients: [] }];
  }
  if (waiting.isLoading(id))
    return [
      { kind: 'memory', reason: 'being read back from the spool', until: NEVER, destination: '', recipients: [] },
    ];
  const found = waiting.find(id);
  if (found === undefined) return [];
  const { due, lane } = found;
  return due > now
    ? [{ kind: 'schedule', reason: 'the time of its next attempt', until: due, destination: '', recipients: [] }]
    : [
        {
          kind: 'memory',
          reason: `due, and not yet read back from the spool (lane ${lane})`,
          until: NEVER,
          destination: '',
          recipients: [],
        },
      ];
}

function explainActive(message: QueuedMessage, queues: DestinationQueues): ExplainedWait[] {
  const waits: ExplainedWait[] = [];
  if (message.held)
    waits.push({ kind: 'held', reason: 'held by an operator', until: NEVER, destination: '', recipients: [] });
  for (const queue of queues.values())
    for (const job of queue) if (job.message === message) waits.push(turnOf(job, queue));
  return waits;
}

function turnOf(job: DeliveryJob, queue: DestinationQueue): ExplainedWait {
  const { lane, envelope } = job.message;
  const { tenant } = envelope.handling;
  const reason =
    `${queue.before(job)} before it in lane ${lane}${tenant === '' ? '' : ` of tenant ${tenant}`}, ` +
    `${queue.lengthOf(lane)} in the lane in all`;
  return { kind: 'turn', reason, until: NEVER, destination: queue.key, recipients: job.recipients };
}
