/**
 * What became of a message, made of its events.
 */
import { parseQueueId } from '../core/queue-id.js';
import type { AcceptedMail } from '../telemetry/mail-event.js';
import { isReturned, type KeptEvent, recipientsOf } from './kept-event.js';
import { folded } from './key-filter.js';

/** `queued`: taken, and nothing more is known. */
export type RecipientStatus = 'queued' | Exclude<KeptEvent['kind'], 'accepted'>;

/** The last that is known of one recipient. */
export interface RecipientReport {
  readonly address: string;
  readonly status: RecipientStatus;
  /** Wall clock, ms. */
  readonly at: number;
  readonly reply: string;
  readonly dsn: string;
  readonly category: string;
  /** Host of the last attempt, '' when none was reached. */
  readonly host: string;
  readonly attempts: number;
  /** When it is tried next, 0 for ends. */
  readonly due: number;
}

export interface MessageReport {
  readonly id: string;
  readonly sender: string;
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly lane: string;
  /** Bytes, 0: not known any more. */
  readonly size: number;
  readonly acceptedAt: number;
  /** Of all; `recipients` may be the first of them. */
  readonly recipientCount: number;
  readonly recipients: readonly RecipientReport[];
  /** false: a bound was reached before all was read; the message by its id tells more. */
  readonly complete: boolean;
}

/** Wall clock ms at which an id was given, 0 for what is no id. */
export function timeOfId(id: string): number {
  return Math.floor((parseQueueId(id) ?? 0) / 1000);
}

/** Makes the report. `events`: of one message, at least one, in their order. */
export function messageReport(events: readonly KeptEvent[], complete: boolean): MessageReport {
  const { id } = events[0]!;
  let [sender, lane, size, acceptedAt] = ['', '', 0, timeOfId(id)];
  let { tenant } = events[0]!;
  let tags: readonly string[] = [];
  const recipients = new Map<string, RecipientReport>();
  for (const event of events) {
    if (!isReturned(event)) ({ sender, tenant, tags, lane } = event);
    if (event.kind === 'accepted') {
      ({ size, at: acceptedAt } = event);
      for (const address of event.recipients)
        if (!recipients.has(address)) recipients.set(address, untried(address, event.at));
    } else recipients.set(event.recipient, reportOf(event));
  }
  const all = [...recipients.values()];
  return {
    ...{ id, sender, tenant, tags, lane, size, acceptedAt, complete },
    recipientCount: all.length,
    recipients: all,
  };
}

/** With `most` recipients at most; those that are `wanted` come before others where not all are told of. */
export function shortened(
  report: MessageReport,
  most: number,
  wanted: (recipient: RecipientReport) => boolean,
): MessageReport {
  const { recipients } = report;
  if (recipients.length <= most) return report;
  const first = recipients.filter(wanted);
  const others = recipients.filter((one) => !first.includes(one));
  return { ...report, recipients: [...first, ...others].slice(0, most) };
}

function untried(address: string, at: number): RecipientReport {
  return { address, status: 'queued', at, reply: '', dsn: '', category: '', host: '', attempts: 0, due: 0 };
}

function reportOf(event: Exclude<KeptEvent, AcceptedMail>): RecipientReport {
  const { kind: status, at, recipient: address, reply, category } = event;
  if (isReturned(event)) return { ...untried(address, at), status, reply, category };
  const { dsn, attempts, due, attempt } = event;
  return { address, status, at, reply, dsn, category, host: attempt?.host ?? '', attempts, due };
}

/** Whether an event names one of the addresses (folded) as recipient. */
export function isTo(event: KeptEvent, addresses: readonly string[]): boolean {
  return recipientsOf(event).some((address) => addresses.includes(folded(address)));
}
