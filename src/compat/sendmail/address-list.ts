/**
 * Addresses as people write them in header fields and on command lines (RFC 5322 section 3.4, with the obsolete forms):
 * phrases, comments, groups, routes, quoted strings, lists without order.
 *
 * Contract: never throws; each byte of `text` is looked at a bounded number of times. An address is what is in angle
 * brackets, or else the words between two commas put together, comments left out.
 */

/** One address found. */
export interface FoundAddress {
  /** Local part and domain, or a local part alone; '' for `<>`. */
  readonly address: string;
  /** Index in the text after its last character: where a domain would be put. */
  readonly end: number;
}

interface Token {
  /** A word is an atom, a quoted string or a domain literal. */
  readonly kind: 'word' | 'special';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SPECIALS = ',;:<>@.';
const SPACE = /[\s\0]/;

/** Words and specials; blanks and comments are nothing. */
function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text[at]!;
    const start = at;
    if (SPACE.test(c)) at++;
    else if (c === '(') at = afterComment(text, at);
    else if (SPECIALS.includes(c)) found.push({ kind: 'special', text: c, start, end: ++at });
    else if (c === '"') {
      at = afterQuoted(text, at, '"');
      found.push({ kind: 'word', text: text.slice(start, at), start, end: at });
    } else if (c === '[') {
      at = afterQuoted(text, at, ']');
      found.push({ kind: 'word', text: text.slice(start, at), start, end: at });
    } else {
      while (at < text.length && !SPACE.test(text[at]!) && !`${SPECIALS}("[`.includes(text[at]!))
        at += text[at] === '\\' && at + 1 < text.length ? 2 : 1;
      found.push({ kind: 'word', text: text.slice(start, at), start, end: at });
    }
  }
  return found;
}

function afterComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

function afterQuoted(text: string, start: number, close: string): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === close) return at + 1;
  }
  return text.length;
}

/** All addresses of a list. */
export function addressList(text: string): FoundAddress[] {
  const found: FoundAddress[] = [];
  const all = tokens(text);
  /** First token of the address at hand. */
  let first = 0;
  for (let i = 0; i <= all.length; i++) {
    const token = all[i];
    const separates = token === undefined || (token.kind === 'special' && ',;:'.includes(token.text));
    if (token?.text === '<' && token.kind === 'special') {
      // What stood before is a phrase; what follows up to > is the address, its route left out.
      let close = i + 1;
      while (close < all.length && all[close]!.text !== '>') close++;
      const inside = afterRoute(all.slice(i + 1, close));
      found.push(addressOf(inside, token.end));
      // A phrase may follow; it belongs to nothing.
      let next = close + 1;
      while (next < all.length && !(all[next]!.kind === 'special' && ',;<'.includes(all[next]!.text))) next++;
      i = next - (all[next]?.text === '<' ? 1 : 0);
      first = all[next]?.text === '<' ? next : next + 1;
    } else if (separates) {
      // Before a colon stands the name of a group.
      if (token?.text !== ':' && i > first) found.push(...bareAddresses(all.slice(first, i)));
      first = i + 1;
    }
  }
  return found;
}

function afterRoute(inside: readonly Token[]): readonly Token[] {
  if (inside[0]?.text !== '@') return inside;
  const colon = inside.findIndex(({ text }) => text === ':');
  return colon < 0 ? inside : inside.slice(colon + 1);
}

/** Words with nothing between them are addresses of their own: `ann bob`. */
function bareAddresses(words: readonly Token[]): FoundAddress[] {
  const found: FoundAddress[] = [];
  let from = 0;
  for (let i = 1; i <= words.length; i++) {
    const joined = i < words.length && (words[i]!.kind === 'special' || words[i - 1]!.kind === 'special');
    if (joined) continue;
    found.push(addressOf(words.slice(from, i), words[i - 1]!.end));
    from = i;
  }
  return found;
}

function addressOf(parts: readonly Token[], empty: number): FoundAddress {
  return { address: parts.map(({ text }) => text).join(''), end: parts[parts.length - 1]?.end ?? empty };
}

/** An address with `domain` where it has none; the null address stays. */
export function qualified(address: string, domain: string): string {
  return address === '' || hasDomain(address) ? address : `${address}@${domain}`;
}

/** An @ within quotes is part of a local part. */
function hasDomain(address: string): boolean {
  return address.lastIndexOf('@') > address.lastIndexOf('"');
}

/** A list with `domain` put to each address that has none; everything else as it was. */
export function qualifiedList(text: string, domain: string): string {
  let out = '';
  let at = 0;
  for (const { address, end } of addressList(text)) {
    if (address === '' || hasDomain(address)) continue;
    out += `${text.slice(at, end)}@${domain}`;
    at = end;
  }
  return out + text.slice(at);
}
