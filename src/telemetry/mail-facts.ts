/**
 * Events for listeners, made of what the engine tells.
 */
import { formatQueueId } from '../core/queue-id.js';
import type { EnvelopeLike, HostLike, MessageLike, OutcomeLike, TlsLike } from './event-shapes.js';
import type { AcceptedMail, AttemptFacts, RecipientOutcome } from './mail-event.js';

/** `at`: wall clock, ms since the epoch. */
export function acceptedMail(envelope: EnvelopeLike, signed: readonly string[], at: number): AcceptedMail {
  const { recipients, content, account, origin } = envelope;
  return {
    kind: 'accepted',
    ...messageFacts(envelope, at),
    recipients: recipients.map(({ address }) => address),
    size: content.size,
    account,
    client: origin.clientAddress,
    protocol: origin.protocol,
    tls: origin.tls,
    signed,
  };
}

/** A recipient that was taken and gets nothing. */
export function droppedMail(envelope: EnvelopeLike, recipient: string, reply: string, at: number): RecipientOutcome {
  return {
    kind: 'dropped',
    ...messageFacts(envelope, at),
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
  return {
    kind: status === 'failed' ? 'bounced' : status,
    ...messageFacts(envelope, at),
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

function messageFacts({ id, sender, handling }: EnvelopeLike, at: number) {
  const { tenant, tags, lane } = handling;
  return { at, id: formatQueueId(id), sender, tenant, tags, lane };
}
