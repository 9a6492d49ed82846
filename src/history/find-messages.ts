/**
 * Finds messages in a history: by recipient, sender, tag, tenant, time and state; or one by its id.
 *
 * A message is listed where its newest event that fits is, the youngest first, so that a page goes on where the one before
 * ended. Contract: each message is listed once over all pages that begin with the same first one, also while mail flows;
 * one request reads a bounded number of blocks, and a page that is ended by that has fewer messages and a `next`.
 */
import { domainToASCII, domainToUnicode } from 'node:url';
import { isReturned, type KeptEvent } from './kept-event.js';
import { folded, keyHash, mayHave } from './key-filter.js';
import type { LookUp, ReadableBlock } from './look-up.js';
import {
  isTo,
  type MessageReport,
  messageReport,
  type RecipientStatus,
  shortened,
  timeOfId,
} from './message-report.js';

/** '' and 0: not said. */
export interface MessageQuery {
  readonly recipient: string;
  readonly sender: string;
  readonly tag: string;
  readonly tenant: string;
  /** When it was accepted, wall clock ms. */
  readonly since: number;
  readonly until: number;
  /** A recipient is in this state now. */
  readonly status: RecipientStatus | '';
  readonly limit: number;
  /** `next` of the page before. */
  readonly after: string;
}

export interface MessagePage {
  readonly items: readonly MessageReport[];
  /** What to give as `after`; null: there are no more. */
  readonly next: string | null;
}

/** An event and where it is: block number and place in it as one number. */
interface Placed {
  readonly at: number;
  readonly event: KeptEvent;
}

type Visible = (event: KeptEvent) => boolean;

/** Events of a block fit below this (see BLOCK_EVENTS). */
const PLACES = 4096;
/** An id is given before the message is prepared and durable; its acceptance is told of within this, ms. */
const ACCEPTED_WITHIN = 60_000;
/** Recipients of a message on a page; the message by its id has all. */
const SHOWN_RECIPIENTS = 50;
/** With more recipients than these, their keys narrow down nothing. */
const FEW_RECIPIENTS = 8;
/** Share of the blocks of a request that go into finding; the rest is for what else happened to what was found. */
const FINDING = 0.5;

/** One page. `after` of the query is checked by `isCursor` before. */
export async function findMessages(lookUp: LookUp, query: MessageQuery, visible: Visible): Promise<MessagePage> {
  const match = matcherOf(query);
  const cursor = cursorOf(query.after);
  const finding = lookUp.budget * (1 - FINDING);
  const found = new Map<string, Placed>();
  let top = cursor?.top ?? 0;
  let end = cursor?.below ?? Number.POSITIVE_INFINITY;
  const until = query.until === 0 ? Number.POSITIVE_INFINITY : query.until;
  const wanted = (block: ReadableBlock): boolean =>
    match.mayBeIn(block) && (block.entry?.oldestId ?? 0) <= until * 1000;
  const range = { seq: Math.floor((end - 1) / PLACES), since: query.since, until: Number.POSITIVE_INFINITY };
  let next = false;
  search: for await (const block of lookUp.blocks(range, wanted)) {
    if (lookUp.budget <= finding) {
      end = (block.seq + 1) * PLACES;
      next = true;
      break;
    }
    const events = await block.events();
    for (let i = events.length - 1; i >= 0; i--) {
      const event = events[i]!;
      const at = block.seq * PLACES + i;
      if (top === 0) top = at;
      if (at >= end || found.has(event.id) || !match.fits(event) || !visible(event)) continue;
      if (found.size === query.limit) {
        end = at + 1;
        next = true;
        break search;
      }
      found.set(event.id, { at, event });
    }
  }
  const { events, complete } = await gather(lookUp, new Map([...found].map(([id, { event }]) => [id, event])), visible);
  const items: MessageReport[] = [];
  const addresses = spellings(query.recipient);
  for (const [id, { at, event }] of found) {
    const own = events.get(id) ?? [{ at, event }];
    // Further up it was, or is, on a page before this one.
    if (own.some((one) => one.at > at && one.at <= top && match.fits(one.event))) continue;
    const report = messageReport(
      own.map((one) => one.event),
      complete,
    );
    if (query.status !== '' && !report.recipients.some(({ status }) => status === query.status)) continue;
    items.push(shortened(report, SHOWN_RECIPIENTS, ({ address }) => addresses.includes(folded(address))));
  }
  return { items, next: next ? `${top.toString(36)}-${end.toString(36)}` : null };
}

/** All events of a message, in their order. */
export async function eventsOfMessage(
  lookUp: LookUp,
  id: string,
  visible: Visible,
): Promise<{ readonly events: readonly KeptEvent[]; readonly complete: boolean }> {
  const { events, complete } = await gather(lookUp, new Map([[id, null]]), visible);
  return { events: (events.get(id) ?? []).map(({ event }) => event), complete };
}

/** Whether a text can be `after`. */
export function isCursor(text: string): boolean {
  return text === '' || /^[0-9a-z]{1,11}-[0-9a-z]{1,11}$/.test(text);
}

function cursorOf(text: string): { readonly top: number; readonly below: number } | null {
  const [top, below] = text.split('-');
  return below === undefined ? null : { top: Number.parseInt(top!, 36), below: Number.parseInt(below, 36) };
}

/**
 * Everything that happened to some messages. Their acceptance comes first, for it names the recipients: every other event
 * is about one of these, which tells blocks apart better than the id alone.
 */
async function gather(lookUp: LookUp, messages: ReadonlyMap<string, KeptEvent | null>, visible: Visible) {
  const events = new Map<string, Placed[]>();
  const read = new Set<number>();
  const take = async (block: ReadableBlock): Promise<void> => {
    if (read.has(block.seq)) return;
    read.add(block.seq);
    (await block.events()).forEach((event, i) => {
      if (!messages.has(event.id) || !visible(event)) return;
      const own = events.get(event.id);
      const placed = { at: block.seq * PLACES + i, event };
      if (own === undefined) events.set(event.id, [placed]);
      else own.push(placed);
    });
  };
  const all = [...messages.keys()].map((id) => ({ id, key: keyHash('id', id), time: timeOfId(id) }));
  const since = all.reduce((first, { time }) => Math.min(first, time), Number.POSITIVE_INFINITY);
  let complete = true;
  const scan = async (until: number, wanted: (block: ReadableBlock) => boolean): Promise<void> => {
    for await (const block of lookUp.blocks({ seq: Number.POSITIVE_INFINITY, since, until }, wanted)) {
      if (lookUp.budget <= 0) {
        complete = false;
        return;
      }
      await take(block);
    }
  };
  const latest = all.reduce((last, { time }) => Math.max(last, time), 0) + ACCEPTED_WITHIN;
  await scan(latest, ({ entry }) => {
    if (entry === null) return true;
    return all.some(
      ({ key, time }) => entry.last >= time && entry.first <= time + ACCEPTED_WITHIN && mayHave(entry.filter, key),
    );
  });
  const parties = all.map(({ id, key, time }) => {
    const accepted = events.get(id)?.find(({ event }) => event.kind === 'accepted')?.event;
    const known = accepted?.kind === 'accepted' && accepted.recipients.length <= FEW_RECIPIENTS;
    return { key, time, recipients: known ? accepted.recipients.map((one) => keyHash('recipient', one)) : null };
  });
  await scan(Number.POSITIVE_INFINITY, ({ entry, seq }) => {
    if (entry === null) return true;
    if (read.has(seq)) return false;
    return parties.some(
      ({ key, time, recipients }) =>
        entry.last >= time &&
        mayHave(entry.filter, key) &&
        (recipients === null || recipients.some((one) => mayHave(entry.filter, one))),
    );
  });
  for (const own of events.values()) own.sort((a, b) => a.at - b.at);
  return { events, complete };
}

/** What fits a query: of blocks maybe, of events exactly. */
function matcherOf({ recipient, sender, tag, tenant, since, until }: MessageQuery) {
  const [recipients, senders] = [spellings(recipient), spellings(sender)];
  const [lowerTag, lowerTenant] = [folded(tag), folded(tenant)];
  const keys: (readonly number[])[] = [];
  if (recipient !== '') keys.push(recipients.map((one) => keyHash('recipient', one)));
  if (sender !== '') keys.push(senders.map((one) => keyHash('sender', one)));
  if (tag !== '') keys.push([keyHash('tag', tag)]);
  if (tenant !== '') keys.push([keyHash('tenant', tenant)]);
  return {
    mayBeIn: ({ entry }: ReadableBlock): boolean =>
      entry === null || keys.every((some) => some.some((key) => mayHave(entry.filter, key))),
    fits: (event: KeptEvent): boolean => {
      if (event.id === '') return false;
      const time = timeOfId(event.id);
      if (time < since || (until !== 0 && time > until)) return false;
      if (tenant !== '' && folded(event.tenant) !== lowerTenant) return false;
      if (recipient !== '' && !isTo(event, recipients)) return false;
      if (sender === '' && tag === '') return true;
      if (isReturned(event)) return false;
      if (sender !== '' && !senders.includes(folded(event.sender))) return false;
      return tag === '' || event.tags.some((one) => folded(one) === lowerTag);
    },
  };
}

/** An address as events may have it, in lower case: its domain as given, in A-labels and in Unicode. */
export function spellings(address: string): string[] {
  const lower = folded(address);
  const at = lower.lastIndexOf('@');
  if (at < 0) return [lower];
  const [local, domain] = [lower.slice(0, at + 1), lower.slice(at + 1)];
  const others = [domainToASCII(domain), domainToUnicode(domain)].filter((one) => one !== '');
  return [...new Set([lower, ...others.map((one) => local + one)])];
}
