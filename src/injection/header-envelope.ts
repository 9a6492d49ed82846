/**
 * The envelope of a message that came without one, from its header: the first address of From, and all of To, Cc and Bcc
 * (RFC 5322 section 3.6.3), as `sendmail -t` does it.
 *
 * Limits: looks at MAX_HEADER bytes. Lines may end with CRLF, LF or CR here: whether such a message is taken is decided
 * where its bytes are scanned.
 */
import addressparser from 'nodemailer/lib/addressparser';
import { BadItem } from './refusals.js';

export interface HeaderEnvelope {
  readonly sender: string;
  readonly recipients: readonly string[];
}

const MAX_HEADER = 256 * 1024;
const FIELD = /^(from|to|cc|bcc)[ \t]*:(.*)$/is;

/** Reads it; `needsSender`: From must have an address. @throws BadItem `no-envelope`. */
export function envelopeOfHeader(message: Buffer, needsSender: boolean): HeaderEnvelope {
  const text = message.toString('utf8', 0, Math.min(message.length, MAX_HEADER)).replace(/\r\n|\r/g, '\n');
  const end = text.indexOf('\n\n');
  const fields = (end < 0 ? text : text.slice(0, end)).split(/\n(?![ \t])/);
  let sender = '';
  const recipients: string[] = [];
  for (const field of fields) {
    const [, name = '', value = ''] = FIELD.exec(field) ?? [];
    if (name === '') continue;
    const addresses = addressparser(value.replaceAll('\n', ''), { flatten: true }).map(({ address }) => address);
    if (name.toLowerCase() !== 'from') recipients.push(...addresses.filter((address) => address !== ''));
    else if (sender === '') sender = addresses[0] ?? '';
  }
  if (sender === '' && needsSender) throw new BadItem('no-envelope', 'raw: its From has no address; give mailFrom');
  return { sender, recipients };
}
