/**
 * Paths of MAIL and RCPT: the grammar of RFC 5321 section 4.1.2 and 4.1.3, with RFC 6531 section 3.3 for non-ASCII.
 *
 * Parsed strictly, because what gets through here is compared with policy and written into commands to other servers.
 * Tolerated beyond the letter: underscores in domain names, blanks between the colon and `<` (the caller's business).
 * Limits: section 4.5.3.1 (local part 64, domain 255, label 63, path 256 octets).
 */
import { domainToASCII } from 'node:url';

const MAX_LOCAL_PART = 64;
const MAX_DOMAIN = 255;
const MAX_LABEL = 63;
/** RFC 5321 section 4.5.3.1.3 counts the angle brackets. */
const MAX_MAILBOX = 254;

/** What a path may be besides a mailbox. */
export type PathKind = 'reverse' | 'forward';

/** One parsed path. */
export interface ParsedPath {
  /** The mailbox as received, without angle brackets and source route; '' for the null sender. */
  readonly address: string;
  /** Lower-case ASCII (A-labels), an address literal with its brackets, '' for `<>` and the bare `<postmaster>`. */
  readonly domain: string;
  readonly nonAscii: boolean;
  /** Index just after `>`. */
  readonly end: number;
}

const LESS = 0x3c;
const GREATER = 0x3e;
const AT = 0x40;
const DOT = 0x2e;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const HYPHEN = 0x2d;
const UNDERSCORE = 0x5f;
const BRACKET = 0x5b;

/** atext of RFC 5322 section 3.2.3. */
const ATEXT = new Uint8Array(128);
/** Letters and digits. */
const ALPHANUMERIC = new Uint8Array(128);
for (const c of "!#$%&'*+-/=?^_`{|}~") ATEXT[c.charCodeAt(0)] = 1;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789') {
  ATEXT[c.charCodeAt(0)] = 1;
  ALPHANUMERIC[c.charCodeAt(0)] = 1;
}

/**
 * Parses `<...>` at `text[start]`. A text (what is wrong, for a reply) when it is not a path of this kind.
 * `text` is well-formed Unicode: bytes that were not UTF-8 are refused before.
 */
export function parsePath(text: string, start: number, kind: PathKind): ParsedPath | string {
  if (text.charCodeAt(start) !== LESS) return 'the address must be in angle brackets';
  let at = start + 1;
  if (text.charCodeAt(at) === GREATER) {
    if (kind === 'forward') return 'the null path is no recipient';
    return { address: '', domain: '', nonAscii: false, end: at + 1 };
  }
  if (text.charCodeAt(at) === AT) {
    at = skipSourceRoute(text, at);
    if (at < 0) return 'bad source route or no local part';
  }
  const localEnd = endOfLocalPart(text, at);
  if (localEnd < 0) return 'bad local part';
  const after = text.charCodeAt(localEnd);
  if (after === GREATER && kind === 'forward' && /^postmaster$/i.test(text.slice(at, localEnd))) {
    return { address: text.slice(at, localEnd), domain: '', nonAscii: false, end: localEnd + 1 };
  }
  if (after !== AT) return Number.isNaN(after) ? 'no closing angle bracket' : 'bad local part or no domain';
  const domainStart = localEnd + 1;
  const literal = text.charCodeAt(domainStart) === BRACKET;
  const domainEnd = literal ? endOfLiteral(text, domainStart) : endOfDomain(text, domainStart);
  if (domainEnd < 0) return literal ? 'bad address literal' : 'bad domain';
  if (text.charCodeAt(domainEnd) !== GREATER) {
    return domainEnd === text.length ? 'no closing angle bracket' : 'bad domain';
  }
  const address = text.slice(at, domainEnd);
  const nonAscii = !isAscii(address);
  if (octets(text, at, localEnd, nonAscii) > MAX_LOCAL_PART) return `local part longer than ${MAX_LOCAL_PART} octets`;
  if (octets(text, domainStart, domainEnd, nonAscii) > MAX_DOMAIN) return `domain longer than ${MAX_DOMAIN} octets`;
  if (octets(text, at, domainEnd, nonAscii) > MAX_MAILBOX) return 'path longer than 256 octets';
  const domain = asciiDomain(text.slice(domainStart, domainEnd));
  if (domain === '') return 'bad domain';
  return { address, domain, nonAscii, end: domainEnd + 1 };
}

/** A domain in the form that is compared: lower-case A-labels; '' when it has none. Literals only in lower case. */
export function asciiDomain(domain: string): string {
  if (isAscii(domain)) return domain.toLowerCase();
  const ascii = domainToASCII(domain);
  // UTS 46 maps some characters to dots and other ASCII: what comes out must be a domain by itself.
  return ascii !== '' && ascii.length <= MAX_DOMAIN && isAscii(ascii) && endOfDomain(ascii, 0) === ascii.length
    ? ascii
    : '';
}

/** The domain of a mailbox as `asciiDomain` writes it; '' when it has none (the null sender, the bare postmaster). */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? '' : asciiDomain(address.slice(at + 1));
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function octets(text: string, start: number, end: number, nonAscii: boolean): number {
  return nonAscii ? Buffer.byteLength(text.slice(start, end)) : end - start;
}

/** `@a,@b:` is accepted and ignored (RFC 5321 section 4.1.2 and appendix C): index after the colon, -1 when malformed. */
function skipSourceRoute(text: string, start: number): number {
  let at = start;
  for (;;) {
    if (text.charCodeAt(at) !== AT) return -1;
    const literal = text.charCodeAt(at + 1) === BRACKET;
    at = literal ? endOfLiteral(text, at + 1) : endOfDomain(text, at + 1);
    if (at < 0) return -1;
    const c = text[at];
    if (c === ':') return at + 1;
    if (c !== ',') return -1;
    at++;
  }
}

/** Index after a dot-string or quoted string, -1 when there is none. */
function endOfLocalPart(text: string, start: number): number {
  return text.charCodeAt(start) === QUOTE ? endOfQuotedString(text, start) : endOfDotString(text, start);
}

function endOfDotString(text: string, start: number): number {
  let at = start;
  let atoms = -1;
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c > 127 || ATEXT[c] === 1) continue;
    if (c !== DOT || at === atoms + 1 || at === start) break;
    atoms = at;
  }
  return at === start || at === atoms + 1 || text.charCodeAt(at) === DOT ? -1 : at;
}

function endOfQuotedString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    let c = text.charCodeAt(at);
    if (c === QUOTE) return at + 1;
    if (c === BACKSLASH) {
      c = text.charCodeAt(++at);
      if (!(c >= 0x20 && c < 0x7f)) return -1;
    } else if (c < 0x20 || c === 0x7f) return -1;
  }
  return -1;
}

/** Index after a domain name, -1 when it is not one: labels of 1 to 63 letters, digits, hyphens inside, underscores. */
function endOfDomain(text: string, start: number): number {
  let at = start;
  let label = start;
  for (; ; at++) {
    const c = text.charCodeAt(at);
    if (c > 127 || ALPHANUMERIC[c] === 1 || c === UNDERSCORE) continue;
    if (c === HYPHEN) {
      if (at === label) return -1;
      continue;
    }
    // The end of a label.
    if (at === label || text.charCodeAt(at - 1) === HYPHEN || at - label > MAX_LABEL) return -1;
    if (c !== DOT) return at;
    label = at + 1;
  }
}

/** Index after `[...]`, -1 unless it holds an IPv4 or IPv6 address as RFC 5321 section 4.1.3 writes them. */
function endOfLiteral(text: string, start: number): number {
  const close = text.indexOf(']', start);
  if (close < 0 || close - start > 64) return -1;
  const inside = text.slice(start + 1, close);
  const valid = /^ipv6:/i.test(inside) ? isIPv6(inside.slice(5)) : isIPv4(inside);
  return valid ? close + 1 : -1;
}

function isIPv4(text: string): boolean {
  return /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(text);
}

/** RFC 5321 lets `::` stand for two groups or more. */
function isIPv6(text: string): boolean {
  let rest = text;
  let full = 8;
  let most = 6;
  const dotted = /(^|:)([\d.]+)$/.exec(text);
  if (dotted?.[2]?.includes('.')) {
    if (!isIPv4(dotted[2])) return false;
    rest = text.slice(0, -dotted[2].length);
    // What precedes is `a:b:` or `a::`; the colon before the dotted part goes, a `::` stays.
    if (!rest.endsWith('::')) rest = rest.slice(0, -1);
    full = 6;
    most = 4;
    if (rest === '') return false;
  }
  const halves = rest.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length <= most : groups.length === full;
}
