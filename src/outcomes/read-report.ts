/**
 * Reads mail that came back: delivery reports (RFC 3464, RFC 6522, RFC 6533), feedback reports of complaints (RFC 5965,
 * RFC 6591), and the bounces of programs that know neither (plain-bounce.ts).
 *
 * Contract: anything at all has an answer, `unknown` where it is no report; never throws but for what the parser of MIME
 * refuses as too deep. Everything in it is from outside and proves nothing.
 * Limits: the first 1,500 lines, since the parser of MIME takes about 20 us for each (30 ms in all, measured); 10 levels
 * of MIME, 64 KiB of headers.
 */
import PostalMime, { type Attachment, type Email } from 'postal-mime';
import { readPlainBounce } from './plain-bounce.js';
import type { Report, ReportedRecipient, ReturnedHeader } from './report.js';
import { addressesIn, type Fields, first, readGroups, readHeader, withoutType } from './report-fields.js';

const LIMITS = { maxNestingDepth: 10, maxHeadersSize: 64 * 1024, forceRfc822Attachments: true } as const;
const MAX_LINES = 1500;
/** Of a returned message only its header is looked at, bytes. */
const MAX_RETURNED = 64 * 1024;
const MAX_SUBJECT = 200;
const LF = 10;

const STATUS_PARTS = ['message/delivery-status', 'message/global-delivery-status'];
const RETURNED_PARTS = [
  'message/rfc822',
  'text/rfc822-headers',
  'text/rfc822-header',
  'message/rfc822-headers',
  'message/global',
  'message/global-headers',
  'text/rfc822',
];

/** Reads a message: its content in plain form (no dot-stuffing), whole or its beginning. */
export async function readReport(content: Buffer): Promise<Report> {
  const mail = await PostalMime.parse(firstLines(content), LIMITS);
  const returned = returnedHeader(mail);
  const feedback = mail.attachments.find(({ mimeType }) => mimeType === 'message/feedback-report');
  if (feedback !== undefined)
    return complaint(readGroups(textOf(feedback))[0] ?? new Map<string, string[]>(), returned);
  const groups = mail.attachments
    .filter(({ mimeType }) => STATUS_PARTS.includes(mimeType))
    .flatMap((part) => readGroups(textOf(part)));
  // Some put the fields into a text part.
  if (groups.length === 0 && /^(?:final|original)-recipient[ \t]*:/im.test(mail.text ?? ''))
    groups.push(...readGroups(mail.text ?? ''));
  const recipients = groups.filter(isAboutRecipient).map(recipientOf);
  if (recipients.length > 0) {
    const reporter = groups.map((group) => first(group, 'reporting-mta')).find((value) => value !== '') ?? '';
    return { kind: 'delivery', reporter: hostOf(reporter), recipients, returned };
  }
  const plain = readPlainBounce({ header: headerOf(mail), text: plainText(mail) });
  if (plain === null)
    return { kind: isReply(mail) ? 'reply' : 'unknown', subject: (mail.subject ?? '').slice(0, MAX_SUBJECT) };
  return {
    kind: 'delivery',
    reporter: '',
    recipients: plain.recipients,
    returned: returned.size > 0 ? returned : plain.returned,
  };
}

function firstLines(content: Buffer): Buffer {
  let end = -1;
  for (let lines = 0; lines < MAX_LINES; lines++) {
    end = content.indexOf(LF, end + 1);
    if (end < 0) return content;
  }
  return content.subarray(0, end + 1);
}

function complaint(fields: Fields, returned: ReturnedHeader): Report {
  return {
    kind: 'complaint',
    type: first(fields, 'feedback-type').toLowerCase().slice(0, 40) || 'other',
    reporter: hostOf(first(fields, 'reporting-mta')) || first(fields, 'user-agent').slice(0, 100),
    mailFrom: addressesIn(first(fields, 'original-mail-from'))[0] ?? '',
    addresses: [...(fields.get('original-rcpt-to') ?? []), ...(fields.get('removal-recipient') ?? [])].flatMap(
      addressesIn,
    ),
    returned,
  };
}

function isAboutRecipient(fields: Fields): boolean {
  return fields.has('final-recipient') || fields.has('original-recipient') || fields.has('action');
}

function recipientOf(fields: Fields): ReportedRecipient {
  const status = /[245]\.\d{1,3}\.\d{1,3}/.exec(first(fields, 'status'))?.[0] ?? '';
  const action = first(fields, 'action').toLowerCase();
  const failed = action.startsWith('fail') || (action === '' && status.startsWith('5'));
  const delayed = action.startsWith('delay') || (action === '' && status.startsWith('4'));
  return {
    action: failed ? 'failed' : delayed ? 'delayed' : 'other',
    status,
    diagnostic: diagnosticOf(withoutType(first(fields, 'diagnostic-code'))),
    addresses: ['original-recipient', 'final-recipient', 'x-actual-recipient'].flatMap((name) =>
      addressesIn(first(fields, name)),
    ),
  };
}

/** From the reply's code on: `host mx.example.net said: 550 5.1.1 ...` has it inside. */
export function diagnosticOf(text: string): string {
  const at = text.search(/(?<![\w.])[45]\d\d[ -](?=\D|$|[45]\.\d)/);
  return (at < 0 ? text : text.slice(at)).replace(/^(\d{3})-/, '$1 ');
}

function hostOf(value: string): string {
  return /^[^\s()]{1,255}/.exec(withoutType(value))?.[0].toLowerCase() ?? '';
}

function returnedHeader(mail: Email): ReturnedHeader {
  const part = mail.attachments.find(({ mimeType }) => RETURNED_PARTS.includes(mimeType));
  return part === undefined ? new Map() : readHeader(textOf(part));
}

/** Bytes as they are: what is not ASCII in them names nothing that we look for, except addresses of SMTPUTF8. */
function textOf({ content }: Attachment): string {
  if (typeof content === 'string') return content;
  const bytes = content instanceof Uint8Array ? content : new Uint8Array(content);
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, MAX_RETURNED)).toString('utf8');
}

function headerOf(mail: Email): Fields {
  const fields = new Map<string, string[]>();
  for (const { key, value } of mail.headers) fields.set(key, [...(fields.get(key) ?? []), value]);
  return fields;
}

function plainText({ text, html }: Email): string {
  if (text !== undefined && text.trim() !== '') return text;
  return (html ?? '').replace(/<(?:br|\/p|\/div|\/tr)\b[^<>]*>/gi, '\n').replace(/<[^<>@]*>/g, ' ');
}

/** An answer by a machine (RFC 3834), as the headers of those in use say it. */
function isReply(mail: Email): boolean {
  const header = headerOf(mail);
  const automatic = first(header, 'auto-submitted').toLowerCase();
  return (
    (automatic !== '' && automatic !== 'no') ||
    ['x-autoreply', 'x-autorespond', 'x-auto-response-suppress', 'x-autoresponder'].some((name) => header.has(name)) ||
    /^(?:bulk|auto_reply|junk)$/i.test(first(header, 'precedence')) ||
    /out of (?:the )?office|auto(?:matic)?[ -]?(?:reply|response)|abwesen|vacation|absence/i.test(mail.subject ?? '')
  );
}
