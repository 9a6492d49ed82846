/**
 * A message as `postcat` shows it (postcat.c of Postfix): envelope records with the recipients, content.
 *
 * What differs: there is no queue file, so the name in the marks is that of the queue and the id, and records of Postfix's
 * own (rewrite_context, dsn_orig_rcpt) are not there; all recipients stand before the content, as Postfix has those of SMTP
 * and of the command line, where those of `sendmail -t` come after it; a recipient that is done is shown as Postfix shows it, `done_recipient`.
 */
import { asctime, printable } from './listing.js';
import type { QueueName } from './queue-names.js';

export interface ShownMail {
  readonly queue: QueueName;
  readonly id: string;
  readonly arrival: number;
  readonly size: number;
  readonly sender: string;
  readonly clientAddress: string;
  readonly helo: string;
  readonly recipients: readonly { readonly address: string; readonly done: boolean }[];
}

function name(mail: ShownMail): string {
  return `${mail.queue}/${mail.id}`;
}

/** What comes before the content. */
export function envelopeLines(mail: ShownMail): string[] {
  const waiting = mail.recipients.length;
  // Message size, data offset, recipients, flags, content length, options: six numbers of 15 characters (rec_type.h).
  const numbers = [mail.size, 0, waiting, 0, mail.size, 0].map((n) => String(n).padStart(15)).join(' ');
  return [
    `*** ENVELOPE RECORDS ${name(mail)} ***`,
    `message_size: ${numbers}`,
    `message_arrival_time: ${asctime(mail.arrival)}`,
    `create_time: ${asctime(mail.arrival)}`,
    ...(mail.clientAddress === ''
      ? []
      : [
          `named_attribute: client_address=${printable(mail.clientAddress)}`,
          `named_attribute: helo_name=${printable(mail.helo)}`,
        ]),
    `sender: ${printable(mail.sender)}`,
    ...mail.recipients.flatMap(({ address, done }) => [
      `original_recipient: ${printable(address)}`,
      `${done ? 'done_recipient' : 'recipient'}: ${printable(address)}`,
    ]),
  ];
}

export function contentMark(mail: ShownMail): string {
  return `*** MESSAGE CONTENTS ${name(mail)} ***`;
}

/** What comes after it. */
export function closingLines(mail: ShownMail): string[] {
  return [`*** HEADER EXTRACTED ${name(mail)} ***`, `*** MESSAGE FILE END ${name(mail)} ***`];
}

/**
 * Takes content piece by piece and gives what of it is wanted, in lines of the system: CRLF becomes LF. A header ends at
 * the first line that neither is a field nor goes on with one; an empty line there belongs to the body, as in Postfix.
 */
export function contentFilter(header: boolean, body: boolean): (piece: Buffer, last: boolean) => Buffer {
  let held: Buffer = Buffer.alloc(0);
  let inHeader = true;
  const take = (line: Buffer): boolean => {
    if (inHeader && !/^(?:[!-9;-~]+[ \t]*:|[ \t])/.test(line.toString('latin1', 0, 1024))) inHeader = false;
    return inHeader ? header : body;
  };
  return (piece, last) => {
    const all = held.length === 0 ? piece : Buffer.concat([held, piece]);
    const parts: Buffer[] = [];
    let at = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, at)) {
      const crlf = end > at && all[end - 1] === 13;
      const line = all.subarray(at, crlf ? end - 1 : end);
      if (take(line)) parts.push(line, LINE_END);
      at = end + 1;
    }
    held = all.subarray(at);
    if (last && held.length > 0 && take(held)) parts.push(held, LINE_END);
    return Buffer.concat(parts);
  };
}

const LINE_END = Buffer.from('\n');
