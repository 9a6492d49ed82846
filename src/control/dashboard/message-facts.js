/**
 * What is known of a message, out of the history (`known`: GET /v1/messages/{id}) and out of the queue (`queued`:
 * GET /v1/queue/{id}); either may be null. Pure; everything it gives is plain text.
 */
import { bytes, count, fromNow, moment } from './format.js';
import { eventWords } from './words.js';

const KINDS = { pending: 'deferred', delivered: 'delivered', failed: 'bounced' };

/**
 * Pairs of a name and what is to be said; what is not known is left out. `why`: GET /v1/queue/{id}/why, or null.
 * @returns {[string, string][]}
 */
export function factsOf({ known, queued, why }, now) {
  const message = { ...known, ...queued };
  const next =
    queued !== null && queued.state === 'deferred' && queued.due > 0 ? `, next try ${fromNow(queued.due, now)}` : '';
  const facts = [
    ['State', queued === null ? 'no longer in the queue' : `${queued.state}${next}`],
    ['Sender', message.sender === '' ? '<>' : message.sender],
    ['Received', moment(message.receivedAt ?? message.acceptedAt)],
    ['Size', bytes(message.size)],
    ['From', [message.clientAddress ?? message.client, message.helo && `(${message.helo})`].filter(Boolean).join(' ')],
    ['Account', message.account],
    ['Lane', why?.lane ?? message.lane],
    ['Tenant', why?.tenant ?? message.tenant],
    ['Tags', message.tags?.join(', ')],
    ['Attempts', queued === null ? undefined : count(queued.attempts)],
  ];
  return facts.filter(([, value]) => value !== undefined && value !== null && value !== '');
}

/**
 * Each recipient, as the queue has it, else as the history has it.
 * @returns {{address: string, status: string, text: string}[]}
 */
export function recipientsOf(known, queued, now) {
  const words = (parts, at) => (at === 0 ? 'not tried yet' : [...parts, fromNow(at, now)].filter(Boolean).join(' · '));
  if (queued !== null)
    return queued.recipientDetails.map(({ address, status, reply, host, lastAttempt }) => ({
      ...{ address, status },
      text: words([reply, host], lastAttempt),
    }));
  return (known?.recipients ?? []).map(({ address, status, reply = '', host = '', at = 0 }) => ({
    ...{ address, status },
    text: words([reply, host], at),
  }));
}

/**
 * What happened, oldest first, as `eventWords` has it.
 * @returns {{at: number, kind: string, id: string, who: string, text: string}[]}
 */
export function stepsOf(known, queued) {
  if (known === null) return queued === null ? [] : remembered(queued).map(eventWords);
  // What holds for the whole message is told of it once.
  const { sender, size, client, protocol, tls, signed } = known;
  const recipients = (known.recipients ?? []).map(({ address }) => address);
  return (known.timeline ?? []).map((entry) =>
    eventWords(
      entry.kind === 'accepted' ? { sender, size, client, protocol, tls, signed, recipients, ...entry } : entry,
    ),
  );
}

/** A line for a list of messages that were found. */
export function foundWords(item) {
  const { id = '', sender = '', acceptedAt = 0 } = item;
  const [first = {}, ...more] = item.recipients ?? [];
  const others = Math.max(more.length, (item.recipientCount ?? 0) - 1);
  const to = `${first.address ?? ''}${others > 0 ? ` and ${count(others)} more` : ''}`;
  return {
    id,
    who: `${sender === '' ? '<>' : sender} → ${to}`,
    text: [moment(acceptedAt), first.status, first.reply].filter(Boolean).join(' · '),
  };
}

function remembered({ receivedAt, sender, size, clientAddress, recipientDetails }) {
  const recipients = recipientDetails.map(({ address }) => address);
  const accepted = { kind: 'accepted', at: receivedAt, sender, size, client: clientAddress, recipients };
  const tries = recipientDetails
    .filter(({ lastAttempt }) => lastAttempt > 0)
    .map(({ address, status, reply, host, lastAttempt }) => ({
      ...{ kind: KINDS[status], at: lastAttempt, recipient: address },
      reply: [reply, host].filter(Boolean).join(' · '),
    }));
  return [accepted, ...tries.sort((a, b) => a.at - b.at)];
}
