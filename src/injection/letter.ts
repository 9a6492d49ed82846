/**
 * A message to be composed, read and judged: addresses parsed, header texts known to be harmless.
 *
 * What gets through here cannot start a line of its own in a header: no text has a control character, names of fields are
 * those of RFC 5322 section 2.2, and fields that the composer or the engine writes themselves cannot be given.
 */
import { decodeBase64 } from './base64.js';
import type { Attachment, ComposedItem } from './mail-item.js';
import { isHeaderText, isUnicode, type Mailbox, parseMailbox } from './mailbox.js';
import { BadItem } from './refusals.js';

/** An attachment that was decoded. */
export interface LetterFile extends Omit<Attachment, 'content'> {
  readonly content: Buffer;
}

export interface Letter {
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  readonly cc: readonly Mailbox[];
  readonly bcc: readonly Mailbox[];
  readonly replyTo: readonly Mailbox[];
  readonly subject: string;
  readonly text: string | undefined;
  readonly html: string | undefined;
  /** Name and value. */
  readonly headers: readonly (readonly [string, string])[];
  readonly attachments: readonly LetterFile[];
}

const NONE: readonly never[] = [];
/** Of a line by RFC 5322 section 2.1.1, less what stands before it. */
const MAX_SUBJECT = 900;
/** Bytes of all fields together, far below what is allowed to a header. */
const MAX_HEADERS = 64 * 1024;
/** ftext of RFC 5322 section 3.6.8. */
const FIELD_NAME = /^[!-9;-~]{1,64}$/;
/** Written by the composer or by relays (trace fields), or asked for by a member of its own. */
const RESERVED =
  /^(?:from|to|cc|bcc|reply-to|subject|mime-version|content-.*|received|return-path|delivered-to|resent-.*|dkim-signature|arc-.*|authentication-results|x-sluice-.*)$/i;
const TYPE = /^[\w!#$&^.+-]{1,64}\/[\w!#$&^.+-]{1,64}(?:; ?[\w-]{1,32}=(?:[\w!#$&^.+-]{1,64}|"[^"\\\p{Cc}]{1,64}"))*$/u;
const CID = /^[!#-;=?-Z^-~]{1,200}$/;

/** Reads an item. @throws BadItem naming the member and what is allowed. */
export function letterOf(item: ComposedItem): Letter {
  const { subject = '', text, html, headers, attachments } = item;
  if (!isHeaderText(subject)) throw new BadItem('not-allowed', 'subject: control characters are not allowed');
  if (subject.length > MAX_SUBJECT)
    throw new BadItem('not-allowed', `subject: at most ${MAX_SUBJECT} characters are allowed`);
  if (text !== undefined) checkBody(text, 'text');
  if (html !== undefined) checkBody(html, 'html');
  return {
    from: parseMailbox(item.from, 'from'),
    to: mailboxes(item.to, 'to'),
    cc: mailboxes(item.cc, 'cc'),
    bcc: mailboxes(item.bcc, 'bcc'),
    replyTo: mailboxes(item.replyTo, 'replyTo'),
    subject,
    text,
    html,
    headers: headers === undefined ? NONE : fieldsOf(headers),
    attachments: attachments === undefined ? NONE : attachments.map(fileOf),
  };
}

/** One text or several. @throws BadItem. */
export function mailboxes(given: string | readonly string[] | undefined, where: string): readonly Mailbox[] {
  if (given === undefined) return NONE;
  if (typeof given === 'string') return [parseMailbox(given, where)];
  return given.map((text) => parseMailbox(text, where));
}

function checkBody(text: string, where: string): void {
  if (text.includes('\0')) throw new BadItem('not-allowed', `${where}: NUL is not allowed`);
  if (!isUnicode(text)) throw new BadItem('not-allowed', `${where}: half of a surrogate pair is not allowed`);
}

function fieldsOf(
  headers: Readonly<Record<string, string | readonly string[]>>,
): readonly (readonly [string, string])[] {
  const fields: [string, string][] = [];
  let size = 0;
  for (const [name, given] of Object.entries(headers)) {
    if (!FIELD_NAME.test(name))
      throw new BadItem(
        'not-allowed',
        'headers: a name is 1 to 64 printable ASCII characters without blanks and colons',
      );
    if (RESERVED.test(name))
      throw new BadItem('not-allowed', `headers.${name}: it is written by the relay, or has a member of its own`);
    for (const value of typeof given === 'string' ? [given] : given) {
      if (!isHeaderText(value)) throw new BadItem('not-allowed', `headers.${name}: control characters are not allowed`);
      size += name.length + value.length + 4;
      if (size > MAX_HEADERS) throw new BadItem('not-allowed', `headers: at most ${MAX_HEADERS} characters in all`);
      fields.push([name, value]);
    }
  }
  return fields;
}

function fileOf(attachment: Attachment, index: number): LetterFile {
  const { filename, contentType, cid } = attachment;
  const fail = (member: string, allowed: string): BadItem =>
    new BadItem('not-allowed', `attachments.${index}.${member}: allowed: ${allowed}`);
  if (filename !== undefined && (filename === '' || filename.length > 255 || !isHeaderText(filename)))
    throw fail('filename', '1 to 255 characters, no control characters');
  if (contentType !== undefined && !TYPE.test(contentType)) throw fail('contentType', 'type/subtype; name=value');
  if (contentType !== undefined && /^(?:multipart|message)\//i.test(contentType))
    throw fail('contentType', 'no multipart and message: send such mail as raw');
  if (cid !== undefined && !CID.test(cid)) throw fail('cid', '1 to 200 printable characters without blanks and <>');
  const content = decodeBase64(attachment.content);
  if (content === null) throw fail('content', 'base64');
  return { ...attachment, content };
}
