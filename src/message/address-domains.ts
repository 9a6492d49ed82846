/**
 * The domains of the addresses in a From, Sender or similar field (RFC 5322 section 3.4), found without taking the field
 * apart: quoted strings and comments are stepped over, and an `@` outside of them is followed by a domain. Groups,
 * several addresses, obsolete routes and folds need nothing more. Values are strings of one character a byte (latin1).
 */
import { domainToASCII } from 'node:url';

/**
 * A domain in the form domains are compared in: lower-case A-labels without a final dot; '' when it is none.
 * `text`: Unicode.
 */
export function comparableDomain(text: string): string {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (/^[A-Za-z0-9._-]+$/.test(bare)) return bare.toLowerCase();
  return domainToASCII(bare);
}

/** The same for a domain taken from header bytes, where U-labels are UTF-8 (RFC 6532). */
function comparableBytes(latin1: string): string {
  return /[\x80-\xff]/.test(latin1)
    ? comparableDomain(Buffer.from(latin1, 'latin1').toString('utf8'))
    : comparableDomain(latin1);
}

/** Just past the quoted string that starts at `at`; one that is never closed takes the rest with it. */
function skipQuoted(value: string, at: number): number {
  for (let i = at + 1; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 92) i++;
    else if (c === 34) return i + 1;
  }
  return value.length;
}

/** Just past the comment (they nest) that starts at `at`; one that is never closed takes the rest with it. */
function skipComment(value: string, at: number): number {
  let depth = 0;
  for (let i = at; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 92) i++;
    else if (c === 40) depth++;
    else if (c === 41 && --depth === 0) return i + 1;
  }
  return value.length;
}

/** Past white space, folds and comments. */
function skipFill(value: string, at: number): number {
  let i = at;
  for (;;) {
    const c = value.charCodeAt(i);
    if (c === 32 || c === 9 || c === 13 || c === 10) i++;
    else if (c === 40) i = skipComment(value, i);
    else return i;
  }
}

function isDomainByte(c: number): boolean {
  return (
    (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 45 || c === 46 || c === 95 || c > 127
  );
}

/** Where the domain that starts at `at` ends; `at` itself when there is none (an address literal is none). */
function domainEnd(value: string, at: number): number {
  let i = at;
  while (i < value.length && isDomainByte(value.charCodeAt(i))) i++;
  return i;
}

/** The domain of the first address in the value in comparable form, '' when there is no address with a domain name. */
export function firstDomain(value: string): string {
  let found = '';
  let inAngle = false;
  let i = 0;
  while (i < value.length) {
    switch (value[i]) {
      case '"':
        i = skipQuoted(value, i);
        continue;
      case '(':
        i = skipComment(value, i);
        continue;
      case '<':
        inAngle = true;
        found = '';
        break;
      case '>':
        if (found !== '') return found;
        inAngle = false;
        break;
      case ',':
      case ';':
        if (!inAngle && found !== '') return found;
        break;
      case ':':
        // What came before was a group's name or an obsolete route.
        found = '';
        break;
      case '@': {
        const start = skipFill(value, i + 1);
        const end = domainEnd(value, start);
        found = comparableBytes(value.slice(start, end));
        i = Math.max(end, i + 1);
        continue;
      }
    }
    i++;
  }
  return found;
}

/** The value with every address domain that `replacement` knows replaced, all other bytes kept. `replacement` gets comparable domains. */
export function replaceDomains(value: string, replacement: (domain: string) => string | undefined): string {
  let result = '';
  let kept = 0;
  let i = 0;
  while (i < value.length) {
    const c = value.charCodeAt(i);
    if (c === 34) i = skipQuoted(value, i);
    else if (c === 40) i = skipComment(value, i);
    else if (c === 64) {
      const start = skipFill(value, i + 1);
      const end = domainEnd(value, start);
      const to = start === end ? undefined : replacement(comparableBytes(value.slice(start, end)));
      if (to !== undefined) {
        result += value.slice(kept, start) + to;
        kept = end;
      }
      i = Math.max(end, i + 1);
    } else i++;
  }
  return kept === 0 ? value : result + value.slice(kept);
}
