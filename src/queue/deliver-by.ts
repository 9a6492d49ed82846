/**
 * DELIVERBY (RFC 2852): what a message's own time limit asks of the queue.
 *
 * Mode R: what is not delivered by then is returned (section 4.1, status 5.4.7 of RFC 3463), also when it could not be
 * tried. Mode N: the sender is told of the delay (4.4.7) and delivery goes on.
 */
import type { Envelope } from '../message/envelope.js';
import type { Outcome } from './outcome.js';

/** The last attempt comes this long before the time, ms; before a short time a quarter of it. */
const LAST_CHANCE = 60_000;

/** It is to be returned. */
export function isLapsed({ handling }: Envelope, now: number): boolean {
  const by = handling.deliverBy;
  return by !== null && by.mode === 'R' && now >= by.at;
}

/** The sender is to be told that it goes on. */
export function isLate({ handling }: Envelope, now: number): boolean {
  const by = handling.deliverBy;
  return by !== null && by.mode === 'N' && now >= by.at;
}

/** When to try again at the latest, given when it would be otherwise; `told`: a notice of delay was sent. */
export function withinDeliverBy(envelope: Envelope, due: number, now: number, told: boolean): number {
  const by = envelope.handling.deliverBy;
  if (by === null || by.at <= now || due < by.at) return due;
  if (by.mode === 'N') return told ? due : by.at;
  const last = by.at - Math.min(LAST_CHANCE, (by.at - envelope.receivedAt) / 4);
  return last > now + 1000 && last >= envelope.handling.holdUntil ? last : by.at;
}

/** The end of a recipient whose time is over; `last`: the reply or reason of the last attempt, '' when there was none. */
export function lapsedOutcome({ reply: last, host }: Pick<Outcome, 'reply' | 'host'>): Outcome {
  const reason = 'not delivered within the time that the sender gave it (DELIVERBY)';
  return {
    kind: 'failed',
    reply: last === '' ? reason : `${reason}; at last: ${last}`,
    enhanced: '5.4.7',
    host,
    relayed: false,
  };
}

/** What the notice of delay says about a recipient that has not been tried. */
export const LATE: Outcome = {
  kind: 'deferred',
  reply: 'not yet delivered within the time that the sender asked for (DELIVERBY); it goes on being tried',
  enhanced: '4.4.7',
  host: '',
  relayed: false,
};
