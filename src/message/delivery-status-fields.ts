/**
 * The values of delivery status fields (RFC 3464 section 2): status codes out of replies, xtext, and text from outside
 * made safe for a header line.
 *
 * Nothing that comes from a reply or an address can end a line, begin a field or carry a control character. Every line
 * made here is below 998 bytes and, where it has spaces, below 78 characters.
 */

/** What a notice says of a recipient. `expired`: given up after too long. `relayed`: passed to a host that will not notify. */
export type NotificationKind = 'failed' | 'expired' | 'delayed' | 'delivered' | 'relayed';

/** A reply longer than this is cut, characters. */
const MAX_TEXT = 1500;
/** A word longer than this is broken, characters: up to four bytes each, a line must stay below 998. */
const MAX_WORD = 240;
/** Where lines are folded (RFC 5322 section 2.1.1). */
const FOLD_AT = 76;

/** Whether text has characters outside of ASCII. */
export function isInternational(text: string): boolean {
  return /[^\0-\x7f]/.test(text);
}

/**
 * Text as one line without control characters; characters outside of ASCII become `?` unless `international`. White
 * space is kept as spaces; line ends become one.
 */
export function oneLine(text: string, international: boolean): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} ...` : text;
  const clean = cut
    .replace(/[\r\n]+/g, ' ')
    .replace(/\t/g, ' ')
    .replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\ufeff]/g, '?')
    .trim();
  return international ? clean : clean.replace(/[^\0-\x7f]/gu, '?');
}

/**
 * Breaks a line at its spaces to FOLD_AT where that can be, and anywhere where it must; every line but the first begins
 * with `indent`. `prefix` goes before the line and is never alone.
 */
export function fold(line: string, indent: string, prefix = ''): string {
  const lines: string[] = [];
  let current = prefix;
  for (const word of words(line)) {
    if (current !== prefix && current.length + word.length > FOLD_AT) {
      lines.push(current);
      current = indent + word.trimStart();
    } else current += word;
  }
  lines.push(current);
  return lines.join('\r\n');
}

/** Words with the spaces before them, none longer than MAX_WORD. */
function words(line: string): string[] {
  const found: string[] = [];
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    // By code point, so that no character is torn.
    const characters = word.length > MAX_WORD ? Array.from(word) : undefined;
    if (characters === undefined) found.push(word);
    else {
      for (let at = 0; at < characters.length; at += MAX_WORD) {
        found.push(characters.slice(at, at + MAX_WORD).join(''));
      }
    }
  }
  return found;
}

/** A field with its line end, folded. `value` comes out of `oneLine`. */
export function field(name: string, value: string): string {
  return `${fold(value, '    ', `${name}: `)}\r\n`;
}

/** Decodes xtext (RFC 3461 section 4); what is no hexchar is left as it is. */
export function decodeXtext(text: string): string {
  return text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Decodes `\x{20AC}` of utf-8-addr-xtext (RFC 6533 section 3). */
function decodeUtf8Xtext(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16);
    const valid = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return valid ? String.fromCodePoint(point) : whole;
  });
}

/** The value of Original-Recipient for an ORCPT parameter as received (`rfc822;xtext`); '' when there is none to give. */
export function originalRecipient(parameter: string, international: boolean): string {
  const at = parameter.indexOf(';');
  if (at <= 0) return '';
  const type = oneLine(parameter.slice(0, at), false).toLowerCase();
  const encoded = parameter.slice(at + 1);
  // In an ASCII report the encoded form of a UTF-8 address is the one to use (RFC 6533 section 3).
  const keep = type === 'utf-8' && !international;
  const address = type === 'utf-8' && international ? decodeUtf8Xtext(decodeXtext(encoded)) : decodeXtext(encoded);
  return `${type}; ${oneLine(keep ? encoded : address, international)}`;
}

/** The value of Final-Recipient for a mailbox. */
export function finalRecipient(address: string, international: boolean): string {
  return `${international && isInternational(address) ? 'utf-8' : 'rfc822'}; ${oneLine(address, international)}`;
}

/** Whether a text is an SMTP reply, and not words of our own. */
export function isSmtpReply(reply: string): boolean {
  return /^[245]\d\d(?:[ -]|$)/.test(reply);
}

/**
 * Status (RFC 3463) of a recipient: the enhanced code that was given or is in the reply, if its class fits; else the class
 * that the kind of notice has. Mail given up keeps the code of what stood in its way (RFC 3463, X.4.7).
 */
export function statusOf(kind: NotificationKind, reply: string, given: string): string {
  const classes = { delivered: '2', relayed: '2', delayed: '4', failed: '5', expired: '45' }[kind];
  const inReply = /^(?:[245]\d\d[ -])?([245]\.\d{1,3}\.\d{1,3})(?=\s|$)/.exec(reply)?.[1] ?? '';
  for (const code of [given, inReply]) {
    const specific = /^[245]\.(?!0\.0$)\d{1,3}\.\d{1,3}$/.test(code);
    if (specific && classes.includes(code[0]!)) return code;
  }
  return kind === 'expired' ? '4.4.7' : `${classes}.0.0`;
}
