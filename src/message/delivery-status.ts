/**
 * Delivery status notifications: a multipart/report for the sender of a message (RFC 3464, RFC 6522; RFC 6533 where
 * addresses or the header are UTF-8), on whether and how RFC 3461 wants one.
 *
 * Contract: the result can be sent as it is: wire form (dot-stuffed), CRLF line ends only, no line over 998 bytes, no
 * NUL. Replies, addresses and the original message cannot add fields, lines or parts to it. It is sent with the null
 * reverse-path, and never made for a message that had one.
 * Limits: the original is given back up to `maxReturned` bytes, else its header up to 64 KiB; replies up to 1,500
 * characters.
 */
import { randomBytes } from 'node:crypto';
import { SluiceError } from '../core/errors.js';
import {
  decodeXtext,
  field,
  finalRecipient,
  fold,
  isInternational,
  isSmtpReply,
  type NotificationKind,
  oneLine,
  originalRecipient,
  statusOf,
} from './delivery-status-fields.js';
import { headerOf, type OriginalMessage, type ReturnedPart, returnedPart } from './delivery-status-original.js';
import { statusSubject, statusText } from './delivery-status-text.js';
import { natureOf } from './downgrade-encoding.js';
import {
  type BodyType,
  type ContentFacts,
  type DeliverBy,
  NOTIFY_DELAY,
  NOTIFY_FAILURE,
  NOTIFY_NEVER,
  NOTIFY_SUCCESS,
  type Recipient,
  type ReturnContent,
} from './envelope.js';
import { mailDate } from './mail-date.js';

/** A recipient the notice reports on. */
export interface ReportedRecipient {
  readonly address: string;
  /** ORCPT as received, '' when absent. */
  readonly originalRecipient: string;
  readonly kind: NotificationKind;
  /** The last reply (code, enhanced code and text) or reason in words. */
  readonly reply: string;
  /** Enhanced status code if known, else ''; then it is taken from the reply. */
  readonly enhanced: string;
  /** Host that gave the reply or was tried, '' when none. */
  readonly host: string;
  /** Last attempt, wall clock ms; 0 when there was none. */
  readonly attemptedAt: number;
}

export interface DeliveryStatusInput {
  /** This host. */
  readonly hostname: string;
  /** Reverse-path of the original: where the notice goes. */
  readonly sender: string;
  /** ENVID as received, '' when absent. */
  readonly envelopeId: string;
  readonly ret: ReturnContent;
  /** The original came with SMTPUTF8. */
  readonly smtpUtf8: boolean;
  /** Queue id of the original, as shown. */
  readonly queueId: string;
  /** Wall clock, ms: arrival of the original, and now. */
  readonly arrivedAt: number;
  readonly now: number;
  /** By when it was to be delivered (DELIVERBY), wall clock, ms; 0 or absent: nothing was said. */
  readonly deliverBy?: number;
  /** When delayed mail will be given up, wall clock ms; 0 when unknown. */
  readonly retryUntil: number;
  readonly recipients: readonly ReportedRecipient[];
  readonly original: OriginalMessage;
  /** Largest original given back whole, bytes. Default DEFAULT_MAX_RETURNED. */
  readonly maxReturned?: number;
}

/** A notice, with what its envelope needs. */
export interface DeliveryStatusMessage {
  readonly content: Buffer;
  readonly facts: ContentFacts;
  /** The null reverse-path. */
  readonly sender: '';
  /** NOTIFY=NEVER: nobody is told about a notice that fails (RFC 3461 section 6.2). */
  readonly recipient: Recipient;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
}

/** Default of `maxReturned`, bytes (Postfix's bounce_size_limit is 50,000). */
export const DEFAULT_MAX_RETURNED = 65_536;

/** Whether a recipient's sender is to be told (RFC 3461 section 4.1). Without NOTIFY: of failures and delays. */
export function shouldNotify(
  recipient: Pick<Recipient, 'notify'>,
  kind: NotificationKind,
  deliverBy: DeliverBy | null = null,
): boolean {
  const { notify } = recipient;
  if ((notify & NOTIFY_NEVER) !== 0) return false;
  switch (kind) {
    case 'failed':
    case 'expired':
      return notify === 0 || (notify & NOTIFY_FAILURE) !== 0;
    case 'delayed':
      return notify === 0 || (notify & NOTIFY_DELAY) !== 0;
    case 'relayed':
      // RFC 2852 section 4.1: also told of where the time is not passed on, or a trace was asked for.
      return (notify & NOTIFY_SUCCESS) !== 0 || deliverBy?.mode === 'N' || deliverBy?.trace === true;
    case 'delivered':
      return (notify & NOTIFY_SUCCESS) !== 0;
  }
}

/**
 * Makes the notice about one or more recipients of a message.
 * @throws SluiceError `no-return-path` for a message with the null reverse-path; `no-recipients` without recipients.
 */
export function buildDeliveryStatus(input: DeliveryStatusInput): DeliveryStatusMessage {
  if (input.sender === '') {
    throw new SluiceError('no-return-path', 'a message with a null sender gets no notice', { temporary: false });
  }
  if (input.recipients.length === 0) {
    throw new SluiceError('no-recipients', 'a notice must report on a recipient', { temporary: false });
  }
  const header = headerOf(input.original);
  const international = isInternational(input.sender) || (input.smtpUtf8 && needsUtf8(input, header));
  const kinds = input.recipients.map((recipient) => recipient.kind);
  const failure = kinds.some((kind) => kind === 'failed' || kind === 'expired');
  const maxReturned = input.maxReturned ?? DEFAULT_MAX_RETURNED;
  const returned = returnedPart(input.original, input.ret, failure, maxReturned, international);
  const text = Buffer.from(statusText({ ...input, international }), 'utf8');
  const report = Buffer.from(statusFields(input, international), 'utf8');
  const boundary = freeBoundary([text, report, returned.body]);
  const eightBit = returned.eightBit || natureOf(text).eightBit || natureOf(report).eightBit;
  const plain = Buffer.concat([
    Buffer.from(messageHeader(input, statusSubject(kinds), boundary, header, eightBit), 'utf8'),
    ...part(boundary, `text/plain; charset=${natureOf(text).eightBit ? 'utf-8' : 'us-ascii'}`, 'Notification', text),
    ...part(
      boundary,
      international ? 'message/global-delivery-status' : 'message/delivery-status',
      'Delivery report',
      report,
    ),
    ...part(boundary, returned.mediaType, returnedDescription(returned, failure), returned.body),
    Buffer.from(`--${boundary}--\r\n`, 'latin1'),
  ]);
  const { content, dotLines } = stuffDots(plain);
  const contentEightBit = natureOf(content).eightBit;
  return {
    content,
    facts: {
      size: content.length,
      form: 'wire',
      dotLines,
      eightBit: contentEightBit,
      binary: false,
      endsWithCrlf: true,
    },
    sender: '',
    recipient: { address: input.sender, notify: NOTIFY_NEVER, originalRecipient: '' },
    bodyType: contentEightBit ? '8BITMIME' : '7BIT',
    // RFC 6532 section 3.7 lets its types be carried in ordinary mail; only our own header decides.
    smtpUtf8: isInternational(input.sender),
  };
}

/** Plain forms are kept where they do: a report in the types of RFC 6533 is understood by fewer. */
function needsUtf8(input: DeliveryStatusInput, header: Buffer): boolean {
  return (
    natureOf(header).eightBit ||
    input.recipients.some(
      (recipient) =>
        isInternational(recipient.address) ||
        recipient.originalRecipient.toLowerCase().startsWith('utf-8;') ||
        isInternational(recipient.reply),
    )
  );
}

function messageHeader(
  input: DeliveryStatusInput,
  subject: string,
  boundary: string,
  original: Buffer,
  eightBit: boolean,
): string {
  const thread = messageIdOf(original);
  return [
    `Date: ${mailDate(input.now)}`,
    `From: MAILER-DAEMON@${input.hostname} (Mail Delivery System)`,
    fold(oneLine(input.sender, true), ' ', 'To: '),
    `Subject: ${subject}`,
    `Message-ID: <${input.queueId}.${randomBytes(9).toString('hex')}@${input.hostname}>`,
    ...(thread === '' ? [] : [`In-Reply-To: ${thread}`, `References: ${thread}`]),
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    ` boundary="${boundary}"`,
    ...(eightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    'This is a delivery report in MIME format.',
    '',
    '',
  ].join('\r\n');
}

/** The original's Message-ID if it is a plain one, to thread the notice with it (RFC 3834 section 3.1.5). */
function messageIdOf(header: Buffer): string {
  const match = /(?:^|\r\n)message-id:[ \t]*(?:\r\n[ \t]+)?(<[\x21-\x3b\x3d\x3f-\x7e]{1,240}>)[ \t]*(?:\r\n|$)/i.exec(
    header.toString('latin1'),
  );
  return match?.[1] ?? '';
}

const ACTIONS: Record<NotificationKind, string> = {
  failed: 'failed',
  expired: 'failed',
  delayed: 'delayed',
  delivered: 'delivered',
  relayed: 'relayed',
};

/** The per-message fields, then a group of fields for each recipient (RFC 3464 section 2.2 and 2.3). */
function statusFields(input: DeliveryStatusInput, international: boolean): string {
  let text = '';
  const envelopeId = oneLine(decodeXtext(input.envelopeId), false);
  if (envelopeId !== '') text += field('Original-Envelope-Id', envelopeId);
  text += field('Reporting-MTA', `dns; ${oneLine(input.hostname, false)}`);
  text += field('X-Sluice-Queue-Id', oneLine(input.queueId, false));
  text += field('Arrival-Date', mailDate(input.arrivedAt));
  // RFC 2852 section 5.
  if (input.deliverBy !== undefined && input.deliverBy !== 0)
    text += field('Deliver-By-Date', mailDate(input.deliverBy));
  for (const recipient of input.recipients) {
    const { kind } = recipient;
    text += '\r\n';
    const originally = originalRecipient(recipient.originalRecipient, international);
    if (originally !== '') text += field('Original-Recipient', originally);
    text += field('Final-Recipient', finalRecipient(recipient.address, international));
    text += field('Action', ACTIONS[kind]);
    text += field('Status', statusOf(kind, recipient.reply, recipient.enhanced));
    if (recipient.host !== '') text += field('Remote-MTA', `dns; ${oneLine(recipient.host, international)}`);
    const reply = oneLine(recipient.reply, international);
    if (reply !== '') text += field('Diagnostic-Code', `${isSmtpReply(reply) ? 'smtp' : 'X-Sluice'}; ${reply}`);
    if (recipient.attemptedAt > 0) text += field('Last-Attempt-Date', mailDate(recipient.attemptedAt));
    if (kind === 'delayed' && input.retryUntil > 0) text += field('Will-Retry-Until', mailDate(input.retryUntil));
  }
  return text;
}

function returnedDescription(returned: ReturnedPart, failure: boolean): string {
  const what = returned.mediaType.endsWith('headers') ? 'Message header' : 'Message';
  return failure ? `Undelivered ${what.toLowerCase()}` : what;
}

function part(boundary: string, mediaType: string, description: string, body: Buffer): Buffer[] {
  const encoding = natureOf(body).eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '';
  const header =
    `--${boundary}\r\nContent-Description: ${description}\r\n` + `Content-Type: ${mediaType}\r\n${encoding}\r\n`;
  return [Buffer.from(header, 'latin1'), body, Buffer.from('\r\n', 'latin1')];
}

/** A boundary that is in none of the bodies. */
function freeBoundary(bodies: readonly Buffer[]): string {
  for (;;) {
    // `=_` is in no quoted-printable and no base64 text (RFC 2045 section 6.7).
    const boundary = `=_sluice_${randomBytes(12).toString('hex')}`;
    if (bodies.every((body) => !body.includes(boundary))) return boundary;
  }
}

/** Wire form: a dot more at the start of lines that begin with one (RFC 5321 section 4.5.2). */
function stuffDots(plain: Buffer): { content: Buffer; dotLines: number } {
  const pieces: Buffer[] = [];
  let done = 0;
  for (let at = plain.indexOf('\r\n.'); at >= 0; at = plain.indexOf('\r\n.', at + 3)) {
    pieces.push(plain.subarray(done, at + 3), DOT);
    done = at + 3;
  }
  if (pieces.length === 0) return { content: plain, dotLines: 0 };
  pieces.push(plain.subarray(done));
  return { content: Buffer.concat(pieces), dotLines: (pieces.length - 1) / 2 };
}

const DOT = Buffer.from('.');
