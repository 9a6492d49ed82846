/**
 * The queue as `mailq` and `postqueue -p` and `-j` show it (showq_compat.c and showq_json.c of Postfix 3.7).
 *
 * What differs: ids are those of Sluice, 10 letters and digits that begin with any of them, so scripts for Postfix's short
 * ids must look for [0-9A-Z]; oldest first whatever queue it is in; no queue is called incoming or maildrop.
 */
import type { QueueName } from './queue-names.js';

/** One message, whoever lists it. */
export interface ListedMail {
  readonly queue: QueueName;
  readonly id: string;
  /** Seconds since the epoch. */
  readonly arrival: number;
  readonly size: number;
  /** '' is shown as MAILER-DAEMON. */
  readonly sender: string;
  /** Those that still wait, with the last reason or ''. */
  readonly recipients: readonly { readonly address: string; readonly reason: string }[];
}

export const HEADING = '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------';
export const EMPTY = 'Mail queue is empty';
const MARKS: Readonly<Record<QueueName, string>> = { active: '*', hold: '!', deferred: '' };
/** Reasons end below the addresses. */
const REASON_WIDTH = 76;
const INDENT = ' '.repeat(41);
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Local time as asctime(3) writes it, without its line end: `Tue Nov 24 17:25:40 2026`. */
export function asctime(seconds: number): string {
  const d = new Date(seconds * 1000);
  const time = [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
  return `${DAYS[d.getDay()]} ${MONTHS[d.getMonth()]} ${String(d.getDate()).padStart(2)} ${time} ${d.getFullYear()}`;
}

/** Nothing of a message or of a reply may steer a terminal or begin a line (`printable` of Postfix). */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\ud800-\udfff]/gu, '?');
}

function senderOf(sender: string): string {
  return sender === '' ? 'MAILER-DAEMON' : printable(sender);
}

/** The lines of one message. */
export function listingLines(mail: ListedMail): string[] {
  const id = `${mail.id}${MARKS[mail.queue]}`.padEnd(11);
  const lines = [
    `${id} ${String(mail.size).padStart(7)} ${asctime(mail.arrival).slice(0, 20)} ${senderOf(mail.sender)}`,
  ];
  let shown = '';
  for (const { address, reason } of mail.recipients) {
    if (reason !== shown) {
      shown = reason;
      const words = reason === '' ? 'reason unavailable' : printable(reason);
      lines.push(`${' '.repeat(Math.max(0, REASON_WIDTH - Buffer.byteLength(words)))}(${words})`);
    }
    lines.push(`${INDENT}${printable(address)}`);
  }
  return lines;
}

/** The last line: kilobytes are whole ones, rounded down. */
export function summary(bytes: number, messages: number): string {
  return `-- ${Math.floor(bytes / 1024)} Kbytes in ${messages} Request${messages === 1 ? '' : 's'}.`;
}

/** One message as JSON with the blanks that Postfix puts in. */
export function listingJson(mail: ListedMail): string {
  const text = (value: string): string => JSON.stringify(printable(value));
  const recipients = mail.recipients.map(
    ({ address, reason }) => `{"address": ${text(address)}${reason === '' ? '' : `, "delay_reason": ${text(reason)}`}}`,
  );
  return (
    `{"queue_name": ${text(mail.queue)}, "queue_id": ${text(mail.id)}, "arrival_time": ${Math.floor(mail.arrival)}, ` +
    `"message_size": ${mail.size}, "forced_expire": false, "sender": ${JSON.stringify(senderOf(mail.sender))}, ` +
    `"recipients": [${recipients.join(', ')}]}`
  );
}
