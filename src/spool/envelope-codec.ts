/**
 * Envelope and delivery state as bytes: msgpack arrays with fixed positions (no field names on disk).
 *
 * Contract: what `pack*` writes, `unpack*` of the same record version reads back equal. `unpack*` throws a RangeError on
 * anything that does not have that shape; its callers verified a checksum before, so that means a defect or a newer
 * writer, never noise. A change of positions needs a new RECORD_VERSION in record-codec.ts.
 */
import { Packr } from 'msgpackr';
import {
  type BodyType,
  type DeliverBy,
  type Envelope,
  type Handling,
  type Lane,
  PLAIN_HANDLING,
  type Recipient,
  type ReturnContent,
} from '../message/envelope.js';
import type { DeliveryState, RecipientState, RecipientStatus } from './spool.js';

const packr = new Packr({ useRecords: false });

const BODY_TYPES: readonly BodyType[] = ['7BIT', '8BITMIME', 'BINARYMIME'];
const RETURN_CONTENTS: readonly ReturnContent[] = ['', 'FULL', 'HDRS'];
const LANES: readonly Lane[] = ['immediate', 'bulk'];
const DELIVER_BY_MODES: readonly DeliverBy['mode'][] = ['R', 'N'];
const STATUSES: readonly RecipientStatus[] = ['pending', 'delivered', 'failed'];

const SMTP_UTF8 = 1;
const PLAIN_FORM = 2;
const EIGHT_BIT = 4;
const BINARY = 8;
const ENDS_WITH_CRLF = 16;
const REQUIRE_TLS = 32;
const TLS_OPTIONAL = 64;

/** Fields of an envelope before its recipients, by row version: 2 has account and TLS, 3 the handling. */
const ENVELOPE_FIELDS: readonly number[] = [0, 14, 16, 17];
const NEWEST = 3;
const HANDLING_FIELDS = 9;
const RECIPIENT_FIELDS = 3;
const STATE_FIELDS = 2;
const RECIPIENT_STATE_FIELDS = 4;

/** Packs an envelope. The bytes are fresh, the caller copies them into the record. */
export function packEnvelope(envelope: Envelope): Buffer {
  const { content, origin, recipients } = envelope;
  const flags =
    (envelope.smtpUtf8 ? SMTP_UTF8 : 0) |
    (content.form === 'plain' ? PLAIN_FORM : 0) |
    (content.eightBit ? EIGHT_BIT : 0) |
    (content.binary ? BINARY : 0) |
    (content.endsWithCrlf ? ENDS_WITH_CRLF : 0) |
    (envelope.requireTls ? REQUIRE_TLS : 0) |
    (envelope.tlsOptional === true ? TLS_OPTIONAL : 0);
  const fields: (string | number | readonly (string | number)[])[] = [
    envelope.id,
    envelope.sender,
    BODY_TYPES.indexOf(envelope.bodyType),
    RETURN_CONTENTS.indexOf(envelope.ret),
    flags,
    envelope.envelopeId,
    envelope.priority,
    envelope.receivedAt,
    origin.clientAddress,
    origin.clientPort,
    origin.helo,
    origin.protocol,
    content.size,
    content.dotLines,
    envelope.account,
    origin.tls,
    packHandling(envelope.handling),
  ];
  for (const recipient of recipients) fields.push(recipient.address, recipient.notify, recipient.originalRecipient);
  return packr.pack(fields);
}

/** Reads what packEnvelope wrote, in this version or one before. @throws RangeError on a wrong shape. */
export function unpackEnvelope(bytes: Uint8Array, version = NEWEST): Envelope {
  const fixed = ENVELOPE_FIELDS[version]!;
  const fields = new Fields(packr.unpack(bytes), 'envelope');
  if (fields.length < fixed || (fields.length - fixed) % RECIPIENT_FIELDS !== 0)
    throw new RangeError(`envelope of ${fields.length} fields`);
  const flags = fields.number(4);
  const recipients: Recipient[] = [];
  for (let at = fixed; at < fields.length; at += RECIPIENT_FIELDS)
    recipients.push({
      address: fields.text(at),
      notify: fields.number(at + 1),
      originalRecipient: fields.text(at + 2),
    });
  return {
    id: fields.number(0),
    sender: fields.text(1),
    recipients,
    bodyType: fields.choice(2, BODY_TYPES),
    smtpUtf8: (flags & SMTP_UTF8) !== 0,
    ret: fields.choice(3, RETURN_CONTENTS),
    envelopeId: fields.text(5),
    priority: fields.number(6),
    requireTls: (flags & REQUIRE_TLS) !== 0,
    ...((flags & TLS_OPTIONAL) !== 0 ? { tlsOptional: true } : {}),
    account: version === 1 ? '' : fields.text(14),
    handling: version < 3 ? PLAIN_HANDLING : unpackHandling(fields.at(16)),
    receivedAt: fields.number(7),
    origin: {
      clientAddress: fields.text(8),
      clientPort: fields.number(9),
      helo: fields.text(10),
      protocol: fields.text(11),
      tls: version === 1 ? '' : fields.text(15),
    },
    content: {
      size: fields.number(12),
      form: (flags & PLAIN_FORM) !== 0 ? 'plain' : 'wire',
      dotLines: fields.number(13),
      eightBit: (flags & EIGHT_BIT) !== 0,
      binary: (flags & BINARY) !== 0,
      endsWithCrlf: (flags & ENDS_WITH_CRLF) !== 0,
    },
  };
}

/** 0 for a message about which nothing was said. */
function packHandling(handling: Handling): number | (string | number)[] {
  if (handling === PLAIN_HANDLING) return 0;
  const { lane, tenant, tags, listener, fields, holdUntil, deliverBy } = handling;
  return [
    LANES.indexOf(lane),
    tenant,
    tags.join(' '),
    listener,
    Object.keys(fields).length === 0 ? '' : JSON.stringify(fields),
    holdUntil,
    deliverBy?.at ?? 0,
    deliverBy === null ? 0 : DELIVER_BY_MODES.indexOf(deliverBy.mode),
    deliverBy?.trace === true ? 1 : 0,
  ];
}

function unpackHandling(packed: unknown): Handling {
  if (packed === 0) return PLAIN_HANDLING;
  const fields = new Fields(packed, 'handling');
  if (fields.length !== HANDLING_FIELDS) throw new RangeError(`handling of ${fields.length} fields`);
  const tags = fields.text(2);
  return {
    lane: fields.choice(0, LANES),
    tenant: fields.text(1),
    tags: tags === '' ? [] : tags.split(' '),
    listener: fields.text(3),
    fields: headerFields(fields.text(4)),
    holdUntil: fields.number(5),
    deliverBy:
      fields.number(6) === 0
        ? null
        : { at: fields.number(6), mode: fields.choice(7, DELIVER_BY_MODES), trace: fields.number(8) === 1 },
  };
}

function headerFields(text: string): Readonly<Record<string, string>> {
  if (text === '') return {};
  try {
    return JSON.parse(text) as Readonly<Record<string, string>>;
  } catch {
    throw new RangeError('handling: header fields are not JSON');
  }
}

/** Packs what the state row holds beside the schedule row: attempts and the recipients. */
export function packDeliveryState(state: DeliveryState): Buffer {
  const fields: (string | number)[] = [state.attempts, state.delayNotified ? 1 : 0];
  for (const { status, reply, host, at } of state.recipients) fields.push(STATUSES.indexOf(status), reply, host, at);
  return packr.pack(fields);
}

/** Reads what packDeliveryState wrote; `due` and `held` come from the schedule row. @throws RangeError on a wrong shape. */
export function unpackDeliveryState(bytes: Uint8Array, due: number, held: boolean): DeliveryState {
  const fields = new Fields(packr.unpack(bytes), 'delivery state');
  if (fields.length < STATE_FIELDS || (fields.length - STATE_FIELDS) % RECIPIENT_STATE_FIELDS !== 0)
    throw new RangeError(`delivery state of ${fields.length} fields`);
  const recipients: RecipientState[] = [];
  for (let at = STATE_FIELDS; at < fields.length; at += RECIPIENT_STATE_FIELDS)
    recipients.push({
      status: fields.choice(at, STATUSES),
      reply: fields.text(at + 1),
      host: fields.text(at + 2),
      at: fields.number(at + 3),
    });
  return { due, held, attempts: fields.number(0), delayNotified: fields.number(1) === 1, recipients };
}

/** Packs any small plain object (meta and quarantine rows). */
export function packPlain(value: Readonly<Record<string, string | number>>): Buffer {
  return packr.pack(value);
}

/** Reads what packPlain wrote; undefined when it is not that. */
export function unpackPlain(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = packr.unpack(bytes);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A decoded array whose elements are taken by position and type. */
class Fields {
  readonly length: number;
  private readonly values: readonly unknown[];
  private readonly what: string;

  constructor(decoded: unknown, what: string) {
    if (!Array.isArray(decoded)) throw new RangeError(`${what} is not an array`);
    this.values = decoded;
    this.length = decoded.length;
    this.what = what;
  }

  at(at: number): unknown {
    return this.values[at];
  }

  text(at: number): string {
    const value = this.values[at];
    if (typeof value !== 'string') throw new RangeError(`${this.what} field ${at} is not text`);
    return value;
  }

  number(at: number): number {
    const value = this.values[at];
    if (typeof value !== 'number') throw new RangeError(`${this.what} field ${at} is not a number`);
    return value;
  }

  choice<T>(at: number, choices: readonly T[]): T {
    const value = choices[this.number(at)];
    if (value === undefined) throw new RangeError(`${this.what} field ${at} is out of range`);
    return value;
  }
}
