/**
 * Which message of ours a report is about, and whether that is proved.
 *
 * Proved by a token of ours (VERP): in the address the report was sent to, in what a complaint says was the reverse-path,
 * or in the Return-Path of the message that came back. Without one, the Received field of this host and the Message-ID
 * name the message as far as anybody can write them.
 */
import { parseQueueId } from '../core/queue-id.js';
import type { Report, ReturnedHeader } from './report.js';
import { addressesIn, first } from './report-fields.js';
import type { Verp } from './verp.js';
import type { VerpToken } from './verp-token.js';

export interface ReportIdentity {
  /** null: nothing proves that it is about mail of ours. */
  readonly token: VerpToken | null;
  /** Queue id as shown, '' when nothing names one. */
  readonly queueId: string;
  /** `<...>` of the message, '' when it did not come back. */
  readonly messageId: string;
}

/** Older tokens prove nothing any more: what is bounced or complained about now was sent lately, ms. */
const MAX_AGE = 90 * 86_400_000;
/** Clocks that were set back, ms. */
const MAX_AHEAD = 86_400_000;
const MAX_RECEIVED = 50;
const MAX_MESSAGE_ID = 250;

/** `to`: the address the report came to; `hostname`: ours; `wall`: ms since the epoch. */
export function identify(report: Report, to: string, verp: Verp, hostname: string, wall: number): ReportIdentity {
  const returned = 'returned' in report ? report.returned : new Map<string, readonly string[]>();
  const candidates = [
    to,
    ...(report.kind === 'complaint' ? [report.mailFrom] : []),
    ...['return-path', 'x-return-path', 'errors-to', 'x-envelope-from'].flatMap((name) =>
      addressesIn(first(returned, name)),
    ),
  ];
  const token = candidates.map((address) => verp.read(address)).find((found) => found !== null) ?? null;
  const age = token === null ? 0 : wall - token.id / 1000;
  return {
    token: age <= MAX_AGE && age >= -MAX_AHEAD ? token : null,
    queueId: queueIdIn(returned, hostname),
    messageId: /<[^<>\s]+>/.exec(first(returned, 'message-id'))?.[0].slice(0, MAX_MESSAGE_ID) ?? '',
  };
}

/** The id in the Received field that this host put on. */
function queueIdIn(returned: ReturnedHeader, hostname: string): string {
  for (const value of (returned.get('received') ?? []).slice(0, MAX_RECEIVED)) {
    const match = /\bby ([^\s;()]+)[^;]*?\bid ([0-9A-Za-z]{1,11})(?=[\s;]|$)/i.exec(value);
    if (match === null || match[1]!.toLowerCase() !== hostname.toLowerCase()) continue;
    if (parseQueueId(match[2]!) !== undefined) return match[2]!.toUpperCase();
  }
  return '';
}
