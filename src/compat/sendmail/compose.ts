/**
 * A message as it was written to sendmail made one that may travel: recipients out of its header where asked, what must
 * not be seen taken out, what is missing put in, addresses without a domain given one.
 *
 * Contract: as Postfix's sendmail and cleanup do it (HDR_OPT flags of header_opts.c, message_drop_headers, cleanup_missing
 * of cleanup_message.c): Bcc, Resent-Bcc, Return-Path and Content-Length go; Message-ID, Date and From (of a resent
 * message their Resent- forms) come at the end of the header; with a Resent- field only the Resent- recipients count.
 */
import { mailDate } from '../../message/mail-date.js';
import { addressList, qualified, qualifiedList } from './address-list.js';

export interface Composition {
  /** Lines that end with CRLF, not dot-stuffed. */
  readonly content: Buffer;
  /** Addresses of its header, each once. */
  readonly recipients: readonly string[];
  /** A byte above 127 is in it. */
  readonly eightBit: boolean;
  /** Its header is UTF-8 beyond ASCII (RFC 6532). */
  readonly utf8Header: boolean;
}

export interface ComposeOptions {
  readonly hostname: string;
  /** Envelope sender, '' for none. */
  readonly sender: string;
  /** For a From of our own; '' for none. */
  readonly fullName: string;
  /** Nothing is added to the header and no address in it gets a domain. */
  readonly gateway: boolean;
  /** Wall clock, ms. */
  readonly now: number;
  /** Left part of a Message-ID of our own. */
  readonly messageId: string;
}

/** One field, unfolded by nobody: `raw` ends with CRLF. */
interface Field {
  readonly name: string;
  readonly raw: string;
}

const FIELD = /^[!-9;-~]+[ \t]*:/;
const DROPPED = new Set(['bcc', 'resent-bcc', 'return-path', 'content-length']);
const RECIPIENTS = ['to', 'cc', 'bcc'];
const WITH_ADDRESSES = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc', 'errors-to', 'return-receipt-to'].flatMap((name) => [
    name,
    `resent-${name}`,
  ]),
);
/** Bytes of a header that are looked at; what follows is taken as it is. */
const MAX_HEADER = 16 * 1024 * 1024;
const NON_ASCII = /[^\0-\x7f]/;

/** Composes it. `text`: lines that end with CRLF. */
export function compose(text: Buffer, options: ComposeOptions): Composition {
  const { fields, rest, bodyMissing } = split(text);
  const resent = fields.some(({ name }) => name.startsWith('resent-'));
  const wanted = new Set(resent ? RECIPIENTS.map((name) => `resent-${name}`) : RECIPIENTS);
  const recipients = new Set<string>();
  let header = '';
  for (const { name, raw } of fields) {
    const colon = raw.indexOf(':') + 1;
    const value = raw.slice(colon);
    if (wanted.has(name)) {
      for (const { address } of addressList(utf8(value)))
        if (address !== '') recipients.add(qualified(address, options.hostname));
    }
    if (DROPPED.has(name)) continue;
    header +=
      WITH_ADDRESSES.has(name) && !options.gateway ? raw.slice(0, colon) + qualifiedList(value, options.hostname) : raw;
  }
  if (!options.gateway) header += missing(new Set(fields.map(({ name }) => name)), resent, options);
  const head = Buffer.from(bodyMissing ? `${header}\r\n` : header, 'latin1');
  const content = Buffer.concat([head, rest]);
  return {
    content,
    recipients: [...recipients],
    eightBit: NON_ASCII.test(header) || content.some((byte) => byte > 127),
    utf8Header: NON_ASCII.test(header) && isUtf8(header),
  };
}

/** Header fields, and what follows; `bodyMissing`: the line that ends a header is not there. */
function split(text: Buffer): {
  readonly fields: readonly Field[];
  readonly rest: Buffer;
  readonly bodyMissing: boolean;
} {
  const fields: Field[] = [];
  let at = 0;
  let from = 0;
  while (at < text.length && at < MAX_HEADER) {
    const end = text.indexOf('\r\n', at) + 2;
    const first = text[at]!;
    const continues = fields.length > 0 && (first === 32 || first === 9);
    if (!continues) {
      const line = text.toString('latin1', at, Math.min(end, at + 1024));
      if (!FIELD.test(line)) break;
      fields.push({ name: line.slice(0, line.indexOf(':')).trimEnd().toLowerCase(), raw: '' });
      from = at;
    }
    at = end;
    const { name } = fields[fields.length - 1]!;
    fields[fields.length - 1] = { name, raw: text.toString('latin1', from, at) };
  }
  const blank = text[at] === 13 && text[at + 1] === 10;
  return { fields, rest: text.subarray(at), bodyMissing: !blank };
}

function missing(there: ReadonlySet<string>, resent: boolean, options: ComposeOptions): string {
  const { hostname, now, messageId, sender } = options;
  const [prefix, lower] = resent ? ['Resent-', 'resent-'] : ['', ''];
  let lines = '';
  if (!there.has(`${lower}message-id`)) lines += `${prefix}Message-Id: <${messageId}@${hostname}>\r\n`;
  if (!there.has(`${lower}date`)) lines += `${prefix}Date: ${mailDate(now)}\r\n`;
  if (!there.has(`${lower}from`)) {
    const address = latin1(qualified(sender === '' ? 'MAILER-DAEMON' : sender, hostname));
    const name = sender === '' ? '' : phrase(options.fullName);
    lines += `${prefix}From: ${name === '' ? address : `${name} <${address}>`}\r\n`;
  }
  return lines;
}

/** A name as it may stand before an address (RFC 5322 phrase; RFC 2047 beyond ASCII); without control characters. */
function phrase(name: string): string {
  const clean = name.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
  if (NON_ASCII.test(clean)) {
    // An encoded word has at most 75 characters; 10 characters of a name have at most 40 bytes.
    const pieces = clean.match(/.{1,10}/gsu) ?? [];
    return pieces.map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`).join('\r\n ');
  }
  return /^[\w !#$%&'*+\-/=?^`{|}~]*$/.test(clean) ? clean : `"${clean.replace(/["\\]/g, '\\$&')}"`;
}

/** Header text is kept as latin1, a character a byte. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function utf8(text: string): string {
  return NON_ASCII.test(text) && isUtf8(text) ? Buffer.from(text, 'latin1').toString() : text;
}

function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'));
    return true;
  } catch {
    return false;
  }
}
