/**
 * What a delivery status notification says to people: its subject and its first part, in plain words.
 *
 * ASCII unless addresses or replies are not. Lines are folded at 76 characters and never begin with a dot.
 */
import { fold, isSmtpReply, type NotificationKind, oneLine } from './delivery-status-fields.js';
import { mailDate } from './mail-date.js';

/** One recipient as the text needs it. */
export interface TextRecipient {
  readonly address: string;
  readonly kind: NotificationKind;
  readonly reply: string;
  readonly host: string;
}

export interface StatusText {
  readonly hostname: string;
  readonly recipients: readonly TextRecipient[];
  /** Wall clock, ms. */
  readonly arrivedAt: number;
  /** Wall clock, ms; 0 when unknown. */
  readonly retryUntil: number;
  readonly international: boolean;
}

/** Subject of a notice, by the weightiest thing it says. */
export function statusSubject(kinds: readonly NotificationKind[]): string {
  if (kinds.some((kind) => kind === 'failed' || kind === 'expired')) return 'Undelivered Mail Returned to Sender';
  if (kinds.includes('delayed')) return 'Delayed Mail (still being tried)';
  return 'Successful Mail Delivery Report';
}

const ORDER: readonly NotificationKind[] = ['failed', 'expired', 'delayed', 'delivered', 'relayed'];

/** The first part's text, CRLF line ends. */
export function statusText(status: StatusText): string {
  const paragraphs = [
    `This is the mail system at ${status.hostname}.`,
    `It writes about a message of yours that it took on ${mailDate(status.arrivedAt)}.`,
  ].map((paragraph) => fold(paragraph, ''));
  for (const kind of ORDER) {
    const concerned = status.recipients.filter((recipient) => recipient.kind === kind);
    if (concerned.length === 0) continue;
    paragraphs.push(fold(introduction(kind, status.retryUntil, concerned.length > 1), ''));
    for (const recipient of concerned) paragraphs.push(describe(recipient, status.international));
  }
  paragraphs.push(
    fold(
      'Details for mail software, and the message or its header, are attached. If you ask somebody for help, please ' +
        'pass on all of this notice.',
      '',
    ),
  );
  return `${paragraphs.join('\r\n\r\n')}\r\n`;
}

function introduction(kind: NotificationKind, retryUntil: number, several: boolean): string {
  const to = several ? 'to these recipients' : 'to this recipient';
  switch (kind) {
    case 'failed':
      return `Your message could not be delivered ${to}. It will not be tried again:`;
    case 'expired':
      return `Your message could not be delivered ${to} in the time allowed, and was given up. The last problem was:`;
    case 'delayed': {
      const until = retryUntil > 0 ? ` until ${mailDate(retryUntil)}` : '';
      return `Your message could not be delivered ${to} yet. You need not do anything: it will be tried again${until}.`;
    }
    case 'delivered':
      return `Your message was delivered ${to}:`;
    case 'relayed':
      return (
        `Your message was passed on ${to}, to a mail server that does not confirm deliveries. ` +
        'You may not hear about it any more:'
      );
  }
}

function describe({ address, host, reply }: TextRecipient, international: boolean): string {
  const lines = [`<${oneLine(address, international)}>`];
  const text = oneLine(reply, international);
  const from = oneLine(host, international);
  if (text !== '') {
    if (isSmtpReply(text)) lines.push(from === '' ? 'The mail server said:' : `The mail server ${from} said:`, text);
    else lines.push(from === '' ? text : `${from}: ${text}`);
  }
  return lines.map((line, index) => fold(index === 0 ? line : `    ${line}`, '    ')).join('\r\n');
}
