/**
 * The arguments of MAIL and RCPT: `FROM:<path> KEYWORD=value ...`, made into what the envelope holds.
 *
 * SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461), MT-PRIORITY
 * (RFC 6710), AUTH (RFC 4954 section 5), REQUIRETLS (RFC 8689), BY (RFC 2852), HOLDFOR and HOLDUNTIL (RFC 4865; see
 * time-parameters.ts). A failure is the reply to give: 501 for what is malformed or given twice, 555 for what is not known.
 */
import { isUtf8 } from 'node:buffer';
import {
  type BodyType,
  NOTIFY_DELAY,
  NOTIFY_FAILURE,
  NOTIFY_NEVER,
  NOTIFY_SUCCESS,
  type ReturnContent,
} from '../message/envelope.js';
import { type ParsedPath, type PathKind, parsePath } from './address.js';
import { makeReply, type Reply, replies } from './replies.js';
import {
  type DeliverByTime,
  parseDeliverBy,
  parseHoldFor,
  parseHoldUntil,
  type TimeLimits,
} from './time-parameters.js';

/** What MAIL says. */
export interface MailArguments {
  /** '' is the null sender. */
  readonly sender: string;
  /** SIZE in bytes, 0 when absent. */
  readonly declaredSize: number;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  readonly ret: ReturnContent;
  readonly envelopeId: string;
  readonly priority: number;
  readonly requireTls: boolean;
  /** Not to be sent before this, engine time, ms; 0: at once. */
  readonly holdUntil: number;
  readonly deliverBy: DeliverByTime | null;
}

/** Parameters of MAIL that are offered to some clients only, as bits. */
export const MAIL_AUTH = 1;
export const MAIL_REQUIRETLS = 2;
export const MAIL_HOLD = 4;

/** What can be said with MAIL in a situation. */
export interface MailTerms extends TimeLimits {
  /** MAIL_* bits. */
  readonly mailParameters: number;
}

/** What RCPT says. */
export interface RcptArguments {
  readonly address: string;
  /** See ParsedPath. */
  readonly domain: string;
  readonly notify: number;
  readonly originalRecipient: string;
}

/** RFC 3461 section 5.4: at most 100 characters of ENVID, 500 of ORCPT. */
const MAX_ENVELOPE_ID = 100;
const MAX_ORIGINAL_RECIPIENT = 500;

/** Whether a parse gave the reply to send instead of a result. */
export function isReply(result: object): result is Reply {
  return 'bytes' in result;
}

/** An argument as text; the reply to give when it is not UTF-8. `ascii`: nothing else is in it. */
export function argumentText(bytes: Buffer, start: number, end: number, ascii: boolean): string | Reply {
  if (ascii) return bytes.toString('latin1', start, end);
  return isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : replies.notUtf8;
}

/**
 * `text`: what follows `MAIL `. `extended`: the client said EHLO, so parameters may be given (RFC 5321 4.1.1.2).
 * `now`: engine time, ms.
 */
export function parseMail(text: string, extended: boolean, terms: MailTerms, now: number): MailArguments | Reply {
  const path = pathAfter(text, 'from:', 'reverse');
  if (isReply(path)) return path;
  const result = {
    sender: path.address,
    declaredSize: 0,
    bodyType: '7BIT' as BodyType,
    smtpUtf8: false,
    ret: '' as ReturnContent,
    envelopeId: '',
    priority: 0,
    requireTls: false,
    holdUntil: 0,
    deliverBy: null as DeliverByTime | null,
  };
  if (path.end === text.length) return path.nonAscii ? replies.senderNotAscii : result;
  const given = parametersOf(text, path.end, extended);
  if (isReply(given)) return given;
  for (const [keyword, value] of given) {
    const valid = applyMailParameter(result, keyword, value, terms, now);
    if (valid === undefined) return unknownParameter(keyword);
    if (valid === false) return badParameter(keyword);
    if (valid !== true) return valid;
  }
  if (path.nonAscii && !result.smtpUtf8) return replies.senderNotAscii;
  return result;
}

/** False: a bad value; undefined: not a parameter of MAIL; or what is wrong in particular. */
function applyMailParameter(
  result: { -readonly [K in keyof MailArguments]: MailArguments[K] },
  keyword: string,
  value: string | undefined,
  terms: MailTerms,
  now: number,
): boolean | undefined | Reply {
  switch (keyword) {
    case 'SIZE':
      if (value === undefined || !/^\d{1,20}$/.test(value)) return false;
      result.declaredSize = Number(value);
      return true;
    case 'BODY': {
      const body = value?.toUpperCase();
      if (body !== '7BIT' && body !== '8BITMIME' && body !== 'BINARYMIME') return false;
      result.bodyType = body;
      return true;
    }
    case 'SMTPUTF8':
      result.smtpUtf8 = value === undefined;
      return result.smtpUtf8;
    case 'RET': {
      const ret = value?.toUpperCase();
      if (ret !== 'FULL' && ret !== 'HDRS') return false;
      result.ret = ret;
      return true;
    }
    case 'ENVID':
      if (value === undefined || value.length > MAX_ENVELOPE_ID || !isXtext(value)) return false;
      result.envelopeId = value;
      return true;
    case 'MT-PRIORITY':
      if (value === undefined || !/^(?:0|-?[1-9])$/.test(value)) return false;
      result.priority = Number(value);
      return true;
    case 'REQUIRETLS':
      if ((terms.mailParameters & MAIL_REQUIRETLS) === 0) return undefined;
      result.requireTls = value === undefined;
      return result.requireTls;
    case 'AUTH':
      // Who submitted it elsewhere: taken and ignored, as RFC 4954 section 5 has it for clients that are not trusted.
      if ((terms.mailParameters & MAIL_AUTH) === 0) return undefined;
      return value !== undefined && (value === '<>' || isXtext(value));
    case 'BY': {
      const deliverBy = parseDeliverBy(value ?? '', terms, now);
      if (deliverBy === null) return false;
      if (isReply(deliverBy)) return deliverBy;
      result.deliverBy = deliverBy;
      return true;
    }
    case 'HOLDFOR':
    case 'HOLDUNTIL': {
      if ((terms.mailParameters & MAIL_HOLD) === 0) return undefined;
      if (result.holdUntil !== 0) return replies.holdTwice;
      const parse = keyword === 'HOLDFOR' ? parseHoldFor : parseHoldUntil;
      const until = parse(value ?? '', terms, now);
      if (until === null) return false;
      if (typeof until !== 'number') return until;
      result.holdUntil = until;
      return true;
    }
    default:
      return undefined;
  }
}

/** `text`: what follows `RCPT `. `smtpUtf8`: SMTPUTF8 was given with MAIL. */
export function parseRcpt(text: string, extended: boolean, smtpUtf8: boolean): RcptArguments | Reply {
  const path = pathAfter(text, 'to:', 'forward');
  if (isReply(path)) return path;
  let notify = 0;
  let originalRecipient = '';
  if (path.end !== text.length) {
    const given = parametersOf(text, path.end, extended);
    if (isReply(given)) return given;
    for (const [keyword, value] of given) {
      if (keyword === 'NOTIFY') {
        notify = parseNotify(value ?? '');
        if (notify === 0) return badParameter(keyword);
      } else if (keyword === 'ORCPT') {
        if (value === undefined || !isOriginalRecipient(value, smtpUtf8)) return badParameter(keyword);
        originalRecipient = value;
      } else return unknownParameter(keyword);
    }
  }
  if (path.nonAscii && !smtpUtf8) return replies.recipientNotAscii;
  return { address: path.address, domain: path.domain, notify, originalRecipient };
}

/** `FROM:` or `TO:` in any case, then a path. Blanks before the path are wrong but common, and harmless. */
function pathAfter(text: string, keyword: string, kind: PathKind): ParsedPath | Reply {
  const reverse = kind === 'reverse';
  let at = keyword.length;
  for (let i = 0; i < at; i++) {
    const c = text.charCodeAt(i);
    const wanted = keyword.charCodeAt(i);
    if (c !== wanted && (c | 0x20) !== wanted) return reverse ? replies.badMailSyntax : replies.badRcptSyntax;
  }
  if (text[at - 1] !== ':') return reverse ? replies.badMailSyntax : replies.badRcptSyntax;
  while (text[at] === ' ') at++;
  const path = parsePath(text, at, kind);
  if (typeof path !== 'string') return path;
  return makeReply(501, reverse ? '5.1.7' : '5.1.3', `Bad ${reverse ? 'sender' : 'recipient'} address: ${path}`);
}

/** `SP KEYWORD [=value]` to the end. Keywords in upper case. A value holds no blank, `=` or control character. */
function parametersOf(text: string, start: number, extended: boolean): Map<string, string | undefined> | Reply {
  if (text[start] !== ' ') return makeReply(501, '5.5.4', 'Something other than a blank follows the address');
  const given = new Map<string, string | undefined>();
  for (const word of text.slice(start + 1).split(' ')) {
    if (word === '') continue;
    if (!extended) return makeReply(555, '5.5.4', 'Parameters need EHLO');
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\x00-\x20\x7f]+))?$/.exec(word);
    if (match === null) return makeReply(501, '5.5.4', `Malformed parameter: ${word.slice(0, 80)}`);
    const keyword = match[1]!.toUpperCase();
    if (given.has(keyword)) return makeReply(501, '5.5.4', `Parameter given twice: ${keyword.slice(0, 80)}`);
    given.set(keyword, match[2]);
  }
  return given;
}

function badParameter(keyword: string): Reply {
  return makeReply(501, '5.5.4', `Bad value of ${keyword}`);
}

function unknownParameter(keyword: string): Reply {
  return makeReply(555, '5.5.4', `Unsupported parameter: ${keyword.slice(0, 80)}`);
}

/** NOTIFY_* bits; 0 when malformed. NEVER stands alone (RFC 3461 section 4.1). */
function parseNotify(value: string): number {
  let bits = 0;
  for (const word of value.toUpperCase().split(',')) {
    if (word === 'SUCCESS') bits |= NOTIFY_SUCCESS;
    else if (word === 'FAILURE') bits |= NOTIFY_FAILURE;
    else if (word === 'DELAY') bits |= NOTIFY_DELAY;
    else if (word === 'NEVER') bits |= NOTIFY_NEVER;
    else return 0;
  }
  return (bits & NOTIFY_NEVER) !== 0 && bits !== NOTIFY_NEVER ? 0 : bits;
}

/** `addr-type;xtext` (RFC 3461 section 4.2), or `utf-8;` with UTF-8 as it is (RFC 6533 section 3). */
function isOriginalRecipient(value: string, smtpUtf8: boolean): boolean {
  if (Buffer.byteLength(value) > MAX_ORIGINAL_RECIPIENT) return false;
  const match = /^([A-Za-z0-9][A-Za-z0-9-]*);(.+)$/s.exec(value);
  if (match === null) return false;
  if (smtpUtf8 && match[1]!.toLowerCase() === 'utf-8') return isXtext(match[2]!.replace(/[^\x00-\x7f]/g, 'x'));
  return isXtext(match[2]!);
}

/**
 * xtext of RFC 3461 section 4: printable ASCII without `+` and `=`, and `+` with two upper-case hexadecimal digits. What
 * they stand for must be printable too: it ends up in notifications.
 */
export function isXtext(value: string): boolean {
  return /^(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))*$/.test(value);
}
