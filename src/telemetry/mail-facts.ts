/**
 * Events for listeners, made of what the engine tells.
 */
import { formatQueueId } from '../core/queue-id.js';
import type { EnvelopeLike, HostLike, MessageLike, OutcomeLike, TlsLike } from './event-shapes.js';
import type { AcceptedMail, AttemptFacts, RecipientOutcome } from './mail-event.js';

// Field by field: spreading costs a microsecond for each of two events of every message.

/** `at`: wall clock, ms since the epoch. */
export function acceptedMail(envelope: EnvelopeLike, signed: readonly string[], at: number): AcceptedMail {
  const { id, sender, recipients, content, account, origin, handling } = envelope;
  return {
    kind: 'accepted',
    at,
    id: formatQueueId(id),
    sender,
    tenant: handling.tenant,
    tags: handling.tags,
    lane: handling.lane,
    recipients: recipients.length === 1 ? [recipients[0]!.address] : recipients.map(({ address }) => address),
    size: content.size,
    account,
    client: origin.clientAddress,
    protocol: origin.protocol,
    tls: origin.tls,
    signed,
  };
}

/** A recipient that was taken and gets nothing. */
export function droppedMail(
  { id, sender, handling }: EnvelopeLike,
  recipient: string,
  reply: string,
  at: number,
): RecipientOutcome {
  const { tenant, tags, lane } = handling;
  return {
    ...{ kind: 'dropped', at, id: formatQueueId(id), sender, tenant, tags, lane },
    ...{ recipient, reply, dsn: '2.0.0', category: '', attempts: 0, delay: 0, due: 0, attempt: null },
  };
}

/** `due`, `now`: engine clock; `due` 0 or Infinity: no time. */
export function recipientOutcome(
  { envelope, attempts }: MessageLike,
  recipient: number,
  { reply, enhanced, attempt }: OutcomeLike,
  status: OutcomeLike['kind'] | 'expired',
  category: string,
  due: number,
  now: number,
  at: number,
): RecipientOutcome {
  const { id, sender, handling } = envelope;
  return {
    kind: status === 'failed' ? 'bounced' : status,
    at,
    id: formatQueueId(id),
    sender,
    tenant: handling.tenant,
    tags: handling.tags,
    lane: handling.lane,
    recipient: envelope.recipients[recipient]!.address,
    reply,
    dsn: enhanced,
    category,
    attempts: Math.max(1, attempts),
    delay: now - envelope.receivedAt,
    due: due === 0 || !Number.isFinite(due) ? 0 : Math.round(at + due - now),
    attempt: attempt ?? null,
  };
}

/** `address`: with the port. `ms`: of the whole transaction. */
export function attemptFacts({ name }: HostLike, address: string, ms: number, tls: TlsLike | null): AttemptFacts {
  return { host: name, address, tls: tls === null ? '' : `${tls.version} ${tls.cipher}`, ms };
}
