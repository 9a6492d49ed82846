/**
 * Events as the history keeps them: lists in a fixed order, which pack in half the time and space of objects.
 *
 * Contract: `eventOf(recordOf(event))` is the event. A record of a kind this version does not know is null.
 * The order of the fields is the format of the files: new ones go at the end.
 */
import type { AcceptedMail, MailEvent, RecipientOutcome, ReturnedMail } from '../telemetry/mail-event.js';

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
      // Thousandths of a millisecond are of no use to anybody and cost half of the space.
      const took = Math.round(delay);
      const { attempt } = event;
      if (attempt === null)
        return [code, at, id, sender, tenant, tags, lane, recipient, reply, dsn, category, attempts, took, due];
      const { host, address, tls, ms } = attempt;
      const whole = Math.round(ms);
      // biome-ignore format: one line for each half of it, and no spreading where each event passes
      return [
        code, at, id, sender, tenant, tags, lane, recipient, reply, dsn, category, attempts, took, due,
        host, address, tls, whole,
      ];
    }
  }
}

export function eventOf(record: EventRecord): KeptEvent | null {
  const kind = KINDS[record[0] as number];
  if (kind === undefined) return null;
  // By place and not by destructuring, which goes through an iterator: a look-up unpacks some thousand events.
  const r = record as never[];
  const at = r[1]!;
  const id = r[2]!;
  if (kind === 'complained' || kind === 'returned')
    return { kind, at, id, recipient: r[3]!, tenant: r[4]!, reply: r[5]!, category: r[6]!, verified: Boolean(r[7]) };
  const facts = { at, id, sender: r[3]!, tenant: r[4]!, tags: r[5]!, lane: r[6]! };
  if (kind === 'accepted') {
    const by = { account: r[9]!, client: r[10]!, protocol: r[11]!, tls: r[12]!, signed: r[13]! };
    return { kind, ...facts, recipients: r[7]!, size: r[8]!, ...by };
  }
  const attempt = r.length > 14 ? { host: r[14]!, address: r[15]!, tls: r[16]!, ms: r[17]! } : null;
  const told = { recipient: r[7]!, reply: r[8]!, dsn: r[9]!, category: r[10]! };
  return { kind, ...facts, ...told, attempts: r[11]!, delay: r[12]!, due: r[13]!, attempt };
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
