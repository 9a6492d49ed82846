/**
 * Which events a listener wants: one filter for WebSockets, webhooks and the command line.
 *
 * Contract: what is '' or empty does not narrow; all that is given must fit. An event that has no such field does not fit
 * a filter that asks for it. Of mail for several recipients one that fits is enough.
 */
import type { MailEvent, MailEventKind } from './mail-event.js';

export const EVENT_KINDS = [
  ...(['accepted', 'delivered', 'deferred', 'bounced', 'expired', 'dropped'] as const),
  ...(['complained', 'returned', 'suspended', 'resumed'] as const),
] as const satisfies readonly MailEventKind[];

export interface EventFilter {
  /** None: all. */
  readonly kinds: readonly MailEventKind[];
  readonly tenant: string;
  /** Of a recipient; `.example.org` is all below it. */
  readonly domain: string;
  /** An address, compared without regard to case. */
  readonly recipient: string;
  readonly tag: string;
  /** Shown queue id. */
  readonly id: string;
}

/** Fits everything. */
export const ALL_EVENTS: EventFilter = { kinds: [], tenant: '', domain: '', recipient: '', tag: '', id: '' };

/** The same filter with its texts as they are compared, so that equal filters are equal texts as JSON. */
export function canonicalFilter({ kinds, tenant, domain, recipient, tag, id }: EventFilter): EventFilter {
  return {
    kinds: EVENT_KINDS.filter((kind) => kinds.includes(kind)),
    ...{ tenant, tag, id: id.toUpperCase() },
    ...{ domain: domain.toLowerCase(), recipient: recipient.toLowerCase() },
  };
}

/** `filter`: a canonical one. */
export function fits(filter: EventFilter, event: MailEvent): boolean {
  const { kinds, tenant, domain, recipient, tag, id } = filter;
  if (kinds.length > 0 && !kinds.includes(event.kind)) return false;
  if (tenant !== '' && event.tenant !== tenant) return false;
  if (id !== '' && (!('id' in event) || event.id !== id)) return false;
  if (tag !== '' && !tagsOf(event).includes(tag)) return false;
  if (recipient !== '' && !recipientsOf(event).some((address) => address.toLowerCase() === recipient)) return false;
  return domain === '' || domainsFit(domain, event);
}

function tagsOf(event: MailEvent): readonly string[] {
  if ('tags' in event) return event.tags;
  return 'campaign' in event ? [event.campaign] : [];
}

function recipientsOf(event: MailEvent): readonly string[] {
  if ('recipients' in event) return event.recipients;
  return 'recipient' in event ? [event.recipient] : [];
}

function domainsFit(wanted: string, event: MailEvent): boolean {
  const wants = (domain: string): boolean =>
    wanted.startsWith('.') ? domain.toLowerCase().endsWith(wanted) : domain.toLowerCase() === wanted;
  if ('order' in event) return wants(event.domain);
  return recipientsOf(event).some((address) => wants(address.slice(address.lastIndexOf('@') + 1)));
}
