/**
 * Events as the history keeps them: lists in a fixed order, which pack in half the time and space of objects.
 *
 * Contract: `eventOf(recordOf(event))` is the event. A record of a kind this version does not know is null.
 * The order of the fields is the format of the files: new ones go at the end.
 */
import type { AcceptedMail, AttemptFacts, MailEvent, RecipientOutcome, ReturnedMail } from '../telemetry/mail-event.js';

/** What is kept: what happens to mail, without the orders about it. */
export type KeptEvent = AcceptedMail | RecipientOutcome | ReturnedMail;

/** The place of a kind in this list stands in the files. */
const KINDS = ['accepted', 'delivered', 'deferred', 'bounced', 'expired', 'dropped', 'complained', 'returned'] as const;
const CODE_OF: ReadonlyMap<string, number> = new Map(KINDS.map((kind, code) => [kind, code]));

export type EventRecord = readonly unknown[];

/** Whether it is kept. */
export function isKept(event: MailEvent): event is KeptEvent {
  return CODE_OF.has(event.kind);
}

/** Whether it came back after the mail had been taken: then nothing is told of the message itself. */
export function isReturned(event: KeptEvent): event is ReturnedMail {
  return event.kind === 'complained' || event.kind === 'returned';
}

export function recordOf(event: KeptEvent): EventRecord {
  const code = CODE_OF.get(event.kind)!;
  switch (event.kind) {
    case 'accepted': {
      const { at, id, sender, tenant, tags, lane, recipients, size, account, client, protocol, tls, signed } = event;
      return [code, at, id, sender, tenant, tags, lane, recipients, size, account, client, protocol, tls, signed];
    }
    case 'complained':
    case 'returned': {
      const { at, id, recipient, tenant, reply, category, verified } = event;
      return [code, at, id, recipient, tenant, reply, category, verified];
    }
    default: {
      const { at, id, sender, tenant, tags, lane, recipient, reply, dsn, category, attempts, delay, due } = event;
      const record: unknown[] = [code, at, id, sender, tenant, tags, lane, recipient, reply, dsn, category];
      const { attempt } = event;
      // Thousandths of a millisecond are of no use to anybody and cost half of the space.
      record.push(attempts, Math.round(delay), due);
      if (attempt !== null) record.push(attempt.host, attempt.address, attempt.tls, Math.round(attempt.ms));
      return record;
    }
  }
}

export function eventOf(record: EventRecord): KeptEvent | null {
  const kind = KINDS[record[0] as number];
  if (kind === undefined) return null;
  const [, at, id] = record as readonly [number, number, string];
  if (kind === 'complained' || kind === 'returned') {
    const [, , , recipient, tenant, reply, category, verified] = record as readonly string[];
    return { kind, at, id, recipient, tenant, reply, category, verified: Boolean(verified) } as ReturnedMail;
  }
  const [, , , sender, tenant, tags, lane] = record;
  const facts = { kind, at, id, sender, tenant, tags, lane };
  if (kind === 'accepted') {
    const [, , , , , , , recipients, size, account, client, protocol, tls, signed] = record;
    return { ...facts, recipients, size, account, client, protocol, tls, signed } as AcceptedMail;
  }
  const [, , , , , , , recipient, reply, dsn, category, attempts, delay, due, host, address, tls, ms] = record;
  const attempt = host === undefined ? null : ({ host, address, tls, ms } as AttemptFacts);
  return { ...facts, recipient, reply, dsn, category, attempts, delay, due, attempt } as RecipientOutcome;
}

/** Recipients that an event is about. */
export function recipientsOf(event: KeptEvent): readonly string[] {
  return event.kind === 'accepted' ? event.recipients : [event.recipient];
}

/** Bytes an event takes in memory and unpacked, roughly. */
export function weightOf(event: KeptEvent): number {
  if (event.kind !== 'accepted') return 300 + event.reply.length;
  return 300 + 40 * event.recipients.length;
}
