/**
 * Takes everything about an address out of a history: events of mail to it and from it, and the address wherever else it
 * stands (the replies of hosts like to repeat it).
 *
 * Contract: when `erase` resolves, no file of the history has the address in it, written in whatever case; what is told of
 * messages from before is forgotten as it comes (see History.forget). Another address that only ends or begins with it
 * stays. It may be run again at any time.
 */
import type { Files } from './files.js';
import { spellings } from './find-messages.js';
import type { History } from './history.js';
import { isReturned, type KeptEvent } from './kept-event.js';
import { folded } from './key-filter.js';
import { timeOfId } from './message-report.js';
import { type Change, rewriteSegment } from './rewrite.js';

/** In the place of an address that stood in a text. */
const ERASED = '[erased]';

/** `tenant`: only in what is of this tenant, '' : of all. */
export interface ErasedAddress {
  readonly address: string;
  readonly tenant: string;
}

/** Takes an address out of events. */
export function erasing({ address, tenant }: ErasedAddress): Change {
  const all = spellings(address);
  const pattern = wordPattern(all);
  const isIt = (text: string): boolean => all.includes(folded(text));
  const clean = (text: string): string => text.replace(pattern, ERASED);
  const plain = all.every((one) => /^[\x20-\x7e]*$/.test(one));
  return {
    mayConcern: (raw) => {
      if (!plain) return true;
      const text = raw.toString('latin1').toLowerCase();
      return all.some((one) => text.includes(one));
    },
    apply: (event) => {
      if (tenant !== '' && event.tenant !== tenant) return event;
      if (!isReturned(event) && isIt(event.sender)) return null;
      if (event.kind !== 'accepted') return isIt(event.recipient) ? null : cleaned(event, clean);
      const recipients = event.recipients.filter((one) => !isIt(one));
      if (recipients.length === 0) return null;
      return cleaned(recipients.length === event.recipients.length ? event : { ...event, recipients }, clean);
    },
  };
}

function wordPattern(all: readonly string[]): RegExp {
  const words = all.map((one) => one.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|');
  // Characters that may be part of an address (RFC 5322 section 3.2.3) make it another one.
  return new RegExp(`(?<![\\w!#$%&'*+/=?^\`{|}~.-])(?:${words})(?![\\w-]|\\.[\\w-])`, 'giu');
}

/** The event with every text of it cleaned; itself where that changes nothing. */
function cleaned(event: KeptEvent, clean: (text: string) => string): KeptEvent {
  const next = withTexts(event, clean) as KeptEvent;
  return JSON.stringify(next) === JSON.stringify(event) ? event : next;
}

function withTexts(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.map((one) => withTexts(one, clean));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withTexts(one, clean)]));
}

/** Forgets what is still told of messages that were accepted until `until` (wall clock, ms). */
export function forgetting(what: ErasedAddress, until: number): (event: KeptEvent) => KeptEvent | null {
  const { apply } = erasing(what);
  return (event) => (timeOfId(event.id) <= until ? apply(event) : event);
}

/** Takes the address out of all files. Events changed or taken out. Rejects with what the disk says; then some may be done. */
export async function erase(
  files: Files,
  history: History,
  what: ErasedAddress,
  progress: (done: number, of: number) => void,
): Promise<number> {
  const change = erasing(what);
  await history.endAll();
  const { segments } = history;
  const all = segments.full;
  const alone = <T>(work: () => Promise<T>): Promise<T> => history.alone(work);
  let events = 0;
  for (let i = 0; i < all.length; i++) {
    progress(i, all.length);
    // It may have been dropped or swept meanwhile: then there is another one in its place, or none.
    const segment = segments.full.find(({ path }) => path === all[i]!.path);
    if (segment !== undefined)
      events += await rewriteSegment({ files, segments, alone }, segment, change, segment.swept);
  }
  progress(all.length, all.length);
  return events;
}
