/**
 * An address as applications write it: `a@x`, `<a@x>`, `Ann <a@x>` or `"Ann, B." <a@x>`, exactly one a text.
 *
 * The address is judged by the same grammar as at MAIL and RCPT (smtp/address.ts). A name is any text without control
 * characters. How it is written into a header is the composer's business.
 */
import { parsePath } from '../smtp/address.js';
import { BadItem } from './refusals.js';

export interface Mailbox {
  /** '' for none. */
  readonly name: string;
  readonly address: string;
  /** Lower-case A-labels. */
  readonly domain: string;
  readonly nonAscii: boolean;
}

/** Longest name, characters. */
const MAX_NAME = 256;
const CONTROL = /[\u0000-\u001f\u007f\u2028\u2029]/;

/** Reads one. `where` names it in errors. @throws BadItem `bad-address`. */
export function parseMailbox(text: string, where: string): Mailbox {
  const last = text.charCodeAt(text.length - 1);
  if (last !== 0x3e) return { name: '', ...addressOf(text, where) };
  const open = text.lastIndexOf('<');
  if (open < 0) throw bad(where, 'a > without its <');
  return { name: nameOf(text.slice(0, open).trim(), where), ...addressOf(text.slice(open + 1, -1), where) };
}

/** The reverse-path, which may be empty. @throws BadItem `bad-address`. */
export function parseReversePath(text: string, where: string): Mailbox {
  return text === '' || text === '<>'
    ? { name: '', address: '', domain: '', nonAscii: false }
    : parseMailbox(text, where);
}

/** Whether a text may stand in a header: no control characters, no half of a surrogate pair. */
export function isHeaderText(text: string): boolean {
  return !CONTROL.test(text) && isUnicode(text);
}

/** Whether a text has no half of a surrogate pair. */
export function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function addressOf(text: string, where: string): Omit<Mailbox, 'name'> {
  if (!isUnicode(text)) throw bad(where, 'not Unicode');
  const path = `<${text}>`;
  const parsed = parsePath(path, 0, 'forward');
  if (typeof parsed === 'string') throw bad(where, parsed);
  // A source route would be lost without a word, and a bare postmaster belongs to no header.
  if (parsed.end !== path.length || parsed.address !== text || parsed.domain === '')
    throw bad(where, 'not one address');
  const { address, domain, nonAscii } = parsed;
  if (!nonAscii) return { address, domain, nonAscii };
  // A domain has a form that needs no SMTPUTF8 (RFC 5891); a local part has none.
  const ascii = `${address.slice(0, address.lastIndexOf('@') + 1)}${domain}`;
  return Buffer.byteLength(ascii) === ascii.length
    ? { address: ascii, domain, nonAscii: false }
    : { address, domain, nonAscii: true };
}

function nameOf(text: string, where: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(text);
  const name = quoted === null ? text : quoted[1]!.replace(/\\(.)/g, '$1');
  if (!isHeaderText(name)) throw bad(where, 'a name with control characters');
  if (name.length > MAX_NAME) throw bad(where, `a name longer than ${MAX_NAME} characters`);
  return name;
}

function bad(where: string, why: string): BadItem {
  return new BadItem('bad-address', `${where}: ${why}; allowed: a@example.org or Ann <a@example.org>`);
}
