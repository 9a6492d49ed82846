/**
 * The fast way to compose: a plain text in ASCII with an ASCII header, which is most of what applications send by the
 * thousand (RFC 5322, RFC 2045). It writes into memory of its own that is used again for the next message.
 *
 * Contract: `compose` gives the header and the text behind it, line ends of the text still as given, or null where MIME
 * has to encode something. Whether the text is ASCII and its lines are short is seen by whoever scans the bytes.
 * Date and Message-ID are added when the message is prepared, as to all submissions.
 */
import type { Letter } from './letter.js';
import type { Mailbox } from './mailbox.js';

/** Up to here of a line is used before it is folded (RFC 5322 section 2.1.1 advises 78). */
const LINE = 76;
/** A word longer than this cannot be folded into lines of 998. */
const MAX_WORD = 900;
const PRINTABLE = /^[ -~]*$/;
/** Words of atoms (RFC 5322 section 3.2.3), which need no quotes. */
const PHRASE = /^[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*$/;
const MIME_FIELDS =
  'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n';
const KEPT = 64 * 1024;
/** Characters of a text: longer ones are composed in pieces, so that they do not hold up others (see PIECE in injector.ts). */
const MAX_TEXT = 128 * 1024;

const kept = Buffer.allocUnsafeSlow(KEPT);

/** The message, in memory that the next call uses again; null: another has to compose it. */
export function composeDirectly(letter: Letter): Buffer | null {
  const { subject, text = '', html, attachments, replyTo, to, cc, headers } = letter;
  if (html !== undefined || attachments.length > 0 || text.length > MAX_TEXT) return null;
  let header = addressField('From', [letter.from]);
  if (header === '') return null;
  for (const [name, list] of [
    ['Reply-To', replyTo],
    ['To', to],
    ['Cc', cc],
  ] as const) {
    if (list.length === 0) continue;
    const field = addressField(name, list);
    if (field === '') return null;
    header += field;
  }
  const named = textField('Subject', subject);
  if (named === '') return null;
  header += named;
  for (let i = 0; i < headers.length; i++) {
    const field = textField(headers[i]![0], headers[i]![1]);
    if (field === '') return null;
    header += field;
  }
  header += MIME_FIELDS;
  // A character is at most three bytes of UTF-8. What is larger gets memory of its own, and goes with it.
  const room = header.length + text.length * 3;
  const target = room <= KEPT ? kept : Buffer.allocUnsafe(room);
  const at = target.write(header, 0, 'latin1');
  return target.subarray(0, at + target.write(text, at, 'utf8'));
}

/** `''`: it is not ASCII. One address a line. */
function addressField(name: string, list: readonly Mailbox[]): string {
  let field = `${name}: `;
  for (let i = 0; i < list.length; i++) {
    const mailbox = list[i]!;
    if (mailbox.nonAscii || !PRINTABLE.test(mailbox.name)) return '';
    if (i > 0) field += ',\r\n ';
    if (mailbox.name === '') field += mailbox.address;
    else field += `${phrase(mailbox.name)} <${mailbox.address}>`;
  }
  return `${field}\r\n`;
}

function phrase(name: string): string {
  // What looks like an encoded word would be decoded, but not within quotes.
  if (PHRASE.test(name) && !name.includes('=?')) return name;
  return `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** `''`: it has to be encoded. */
function textField(name: string, value: string): string {
  if (!PRINTABLE.test(value) || value.includes('=?')) return '';
  if (name.length + 2 + value.length <= LINE) return `${name}: ${value}\r\n`;
  return folded(name, value);
}

/** Folds before blanks; all blanks stay. A line of blanks alone is none (RFC 5322 section 3.2.2). */
function folded(name: string, value: string): string {
  const words = value.match(/ *[^ ]+ *$| *[^ ]+/g) ?? [];
  let field = `${name}:`;
  let line = field.length;
  for (const [index, word] of words.entries()) {
    if (word.length > MAX_WORD) return '';
    const piece = index === 0 ? ` ${word}` : word;
    if (index > 0 && line + piece.length > LINE) {
      field += '\r\n';
      line = 0;
    }
    field += piece;
    line += piece.length;
  }
  return `${field}\r\n`;
}
