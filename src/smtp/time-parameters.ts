/**
 * Parameters of MAIL about time: until when a message is to be there (BY, RFC 2852) and before when it is not to be sent
 * (HOLDFOR and HOLDUNTIL, RFC 4865 with erratum 2040: any date-time of RFC 3339).
 *
 * Times are kept as engine time, which is the wall clock but for steps of it while the engine runs. null: malformed.
 */
import { makeReply, type Reply } from './replies.js';

/** BY of MAIL. */
export interface DeliverByTime {
  /** From MAIL, ms, and when that was, engine time, ms. */
  readonly within: number;
  readonly since: number;
  readonly mode: 'R' | 'N';
  readonly trace: boolean;
}

export interface TimeLimits {
  /** Longest hold, ms; 0: none is offered. */
  readonly maxHold: number;
  /** Least time that BY may give with mode R, s (RFC 2852 section 4: min-by-time). */
  readonly minDeliverBy: number;
}

/** `[+-]seconds;N|R[T]`; at most nine digits, and with R a time that is still to come. */
export function parseDeliverBy(value: string, limits: TimeLimits, now: number): DeliverByTime | Reply | null {
  const match = /^([+-]?\d{1,9});([NR])(T?)$/i.exec(value);
  if (match === null) return null;
  const seconds = Number(match[1]);
  const mode = match[2]!.toUpperCase() as 'R' | 'N';
  if (mode === 'R' && seconds <= 0) return null;
  if (mode === 'R' && seconds < limits.minDeliverBy)
    return makeReply(
      555,
      '5.5.4',
      `Mail cannot be promised to be there within ${seconds} s: at least ${limits.minDeliverBy}`,
    );
  return { within: seconds * 1000, since: now, mode, trace: match[3] !== '' };
}

/** Seconds. When to send, engine time, ms. */
export function parseHoldFor(value: string, limits: TimeLimits, now: number): number | Reply | null {
  if (!/^[1-9]\d{0,8}$/.test(value)) return null;
  return within(now + Number(value) * 1000, limits, now);
}

/** A date-time of RFC 3339; one that has passed is now. */
export function parseHoldUntil(value: string, limits: TimeLimits, now: number): number | Reply | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:Z|[+-](\d\d):(\d\d))$/i.exec(value);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, , offsetHour = '0', offsetMinute = '0'] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  // A leap second is the one after it; Date knows none.
  const leap = second === '60';
  const text = leap ? value.replace(/:60/, ':59') : value;
  const at = Date.parse(text.toUpperCase()) + (leap ? 1000 : 0);
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number.isNaN(at) || Number(day) > days) return null;
  return within(Math.max(at, now), limits, now);
}

function within(at: number, { maxHold }: TimeLimits, now: number): number | Reply {
  if (at - now <= maxHold) return at;
  return makeReply(501, '5.5.4', `Mail is held for at most ${Math.floor(maxHold / 1000)} s`);
}

/** Value of the EHLO keyword FUTURERELEASE: longest hold in seconds, and until when that is. */
export function futureReleaseValue(maxHold: number, now: number): string {
  return `${Math.floor(maxHold / 1000)} ${new Date(now + maxHold).toISOString().replace(/\.\d+Z$/, 'Z')}`;
}
