/**
 * What the engine says, in words for the page. Pure; everything it gives is plain text.
 */
import { count, duration, fromNow } from './format.js';

const STATES = {
  closed: 'in use',
  down: 'down',
  ejected: 'put out',
  'half-open': 'on trial',
  'slow-start': 'slow start',
  paused: 'paused',
};

/** The state of a host. */
export function stateWords(state) {
  return STATES[state] ?? String(state);
}

/** What was learnt of a host and its site: rates and connections it takes; '' for nothing. */
export function learntWords(host, limits) {
  const parts = [];
  for (const { connections, messagesPerSecond } of Array.isArray(limits?.learnt) ? limits.learnt : []) {
    if (connections !== undefined) parts.push(`takes ${count(connections)} connections`);
    if (messagesPerSecond !== undefined) parts.push(`takes ${messagesPerSecond}/s`);
  }
  if (host.planned !== null) parts.push(`planned ${host.planned}/min`);
  if (host.defersAbove !== null) parts.push(`defers above ${host.defersAbove}/min`);
  if (host.quotaLeft !== null) parts.push(`${count(host.quotaLeft)} left of its quota`);
  return parts.join(', ');
}

/** By what a destination's mail is suspended: `{by, value}`; value '' where there is no way. */
export function targetOf(destination) {
  // As src/delivery/destination.ts writes them: kind/name@egress!
  const [, kind, name] = /^([a-z]+)\/(.*?)(?:@[^@]*)?!?$/.exec(destination) ?? [];
  if (kind === 'mx') return { by: 'domain', value: name };
  return { by: 'pool', value: kind === 'upstream' ? name : '' };
}

/** Of a selector what is given: `domain example.org, tenant shop`. */
export function selectorWords(selector) {
  return Object.entries(selector)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

/** How long an order stands. */
export function orderWords({ until, by, reason }, now) {
  const end = until === 0 ? 'until resumed' : `${duration(Math.max(0, until - now))} more`;
  return [end, `by ${by}`, reason].filter((one) => one !== '').join(' · ');
}

/** What was typed into the search: by id, recipient or tag. null for nothing. */
export function queryOf(text) {
  const given = text.trim();
  if (given === '') return null;
  const tag = /^(?:tag:|#)\s*(.+)$/i.exec(given);
  if (tag !== null) return { kind: 'tag', value: tag[1] };
  if (given.includes('@')) return { kind: 'recipient', value: given.replace(/^<|>$/g, '') };
  if (/^[0-9A-Za-z]{8,11}$/.test(given)) return { kind: 'id', value: given.toUpperCase() };
  return { kind: 'tag', value: given };
}

/** An event as `{at, kind, id, who, text}`; whatever is missing is ''. Knows all of mail-event.ts, and passes on others. */
export function eventWords(event) {
  const { kind = '', at = 0, id = '' } = event;
  const said = (who, text) => ({ at, kind, id, who, text });
  switch (kind) {
    case 'accepted': {
      const [first = '', ...more] = event.recipients ?? [];
      const others = more.length === 0 ? '' : ` and ${count(more.length)} more`;
      const facts = [
        `${count(event.size)} bytes`,
        event.protocol && `by ${event.protocol}`,
        event.client && `from ${event.client}`,
        event.tls,
        (event.signed ?? []).length > 0 && `signed by ${event.signed.join(', ')}`,
      ];
      return said(`${from(event.sender)} → ${first}${others}`, facts.filter(Boolean).join(' · '));
    }
    case 'delivered':
    case 'deferred':
    case 'bounced':
    case 'expired':
    case 'dropped':
      return said(`${event.recipient ?? ''}`, outcomeWords(event));
    case 'complained':
    case 'returned':
      return said(
        `${event.recipient ?? ''}`,
        `${event.reply ?? ''}${event.verified === false ? ' (not proven to be about our mail)' : ''}`,
      );
    case 'suspended':
    case 'resumed': {
      const { domain = '', tenant = '', pool = '', campaign = '' } = event;
      return said(
        selectorWords({ domain, tenant, pool, campaign }),
        [`order ${event.order}`, event.reason, `by ${event.by}`].filter(Boolean).join(' · '),
      );
    }
    default:
      return said(event.recipient ?? event.sender ?? '', event.reply ?? event.reason ?? event.detail ?? '');
  }
}

function outcomeWords(event) {
  const { attempt, reply = '', delay, due = 0, at } = event;
  const next = due > 0 ? `next try ${fromNow(due, at)}` : '';
  const late = typeof delay === 'number' ? `after ${duration(delay)}` : '';
  return [reply, attempt ? attemptWords(attempt) : '', late, next].filter((one) => one !== '').join(' · ');
}

function attemptWords({ host = '', address = '', tls = '', ms }) {
  // A next hop that is given by its address has no other name.
  const where = address.includes(host) ? address : `${host} ${address}`;
  return `${where}, ${tls === '' ? 'in the clear' : tls}, ${duration(ms)}`;
}

function from(sender) {
  return sender === '' || sender === undefined ? '<>' : sender;
}
