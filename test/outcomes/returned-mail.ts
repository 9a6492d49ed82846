/**
 * Mail that comes back, as programs and providers write it: delivery reports, complaints, bounces for people, answers by
 * machines. Written here; addresses and hosts are of documentation.
 */

const crlf = (lines: readonly string[]): string => lines.map((line) => `${line}\r\n`).join('');

export interface ReturnedOptions {
  /** Whom the returned message says it is from in its envelope. */
  readonly returnPath?: string;
  readonly queueId?: string;
  readonly to?: string;
}

/** Header of the message of ours that is given back. */
export function returnedHeader({
  returnPath = '',
  queueId = 'HZM0A1B2C3',
  to = 'ann@example.com',
}: ReturnedOptions = {}): string[] {
  return [
    ...(returnPath === '' ? [] : [`Return-Path: <${returnPath}>`]),
    'Received: from relay.example (relay.example [192.0.2.1])',
    '\tby mx.example.com with ESMTPS id abc123; Mon, 24 Nov 2025 10:00:01 +0000',
    'Received: from app.example.org ([198.51.100.7])',
    `\tby relay.example with ESMTP id ${queueId}`,
    `\tfor <${to}>; Mon, 24 Nov 2025 10:00:00 +0000`,
    'From: News <news@acme.example>',
    `To: ${to}`,
    'Subject: Our news',
    'Message-ID: <1.2.3@acme.example>',
    'Date: Mon, 24 Nov 2025 10:00:00 +0000',
  ];
}

function dsn(
  from: string,
  fields: readonly (readonly string[])[],
  returned: ReturnedOptions | null,
  returnedType = 'text/rfc822-headers',
): string {
  const b = '=_b_4711';
  return crlf([
    `From: ${from}`,
    'To: bounces@acme.example',
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${b}"`,
    '',
    `--${b}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'Your message could not be delivered.',
    '',
    `--${b}`,
    'Content-Type: message/delivery-status',
    '',
    ...fields.flatMap((group) => [...group, '']),
    ...(returned === null ? [] : [`--${b}`, `Content-Type: ${returnedType}`, '', ...returnedHeader(returned), '']),
    `--${b}--`,
  ]);
}

export const postfixDsn = (returned: ReturnedOptions = {}): string =>
  dsn(
    'MAILER-DAEMON@mx.example.com (Mail Delivery System)',
    [
      [
        'Reporting-MTA: dns; mx.example.com',
        'X-Postfix-Queue-ID: 4A1B2C',
        'Arrival-Date: Mon, 24 Nov 2025 10:00:01 +0000',
      ],
      [
        'Final-Recipient: rfc822; ann@inside.example.com',
        'Original-Recipient: rfc822;ann@example.com',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; inside.example.com',
        'Diagnostic-Code: smtp; 550 5.1.1 <ann@inside.example.com>: Recipient address',
        '    rejected: User unknown in virtual mailbox table',
      ],
    ],
    returned,
    'message/rfc822',
  );

export const exchangeDsn = (returned: ReturnedOptions = {}): string =>
  dsn(
    'Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>',
    [
      [
        'Reporting-MTA: dns;AM0PR01MB1234.eurprd01.prod.exchangelabs.com',
        'Received-From-MTA: dns;relay.example',
        'Arrival-Date: Mon, 24 Nov 2025 10:00:01 +0000',
      ],
      [
        'Final-Recipient: rfc822;ann@example.com',
        'Action: failed',
        'Status: 5.1.10',
        'Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.com not found by SMTP address lookup',
      ],
    ],
    returned,
  );

export const gmailDelayed = (): string =>
  dsn(
    'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
    [
      ['Reporting-MTA: dns; googlemail.com'],
      [
        'Final-Recipient: rfc822; ann@example.com',
        'Action: delayed',
        'Status: 4.4.1',
        'Diagnostic-Code: smtp; The recipient server did not accept our requests to connect.',
      ],
    ],
    {},
  );

export const severalRecipients = (): string =>
  dsn(
    'postmaster@mx.example.com',
    [
      ['Reporting-MTA: dns; mx.example.com'],
      [
        'Final-Recipient: rfc822; full@example.com',
        'Action: failed',
        'Status: 5.2.2',
        'Diagnostic-Code: smtp; 552 5.2.2 Mailbox full',
      ],
      [
        'Final-Recipient: rfc822; ann@example.com',
        'Action: failed',
        'Status: 5.1.1',
        'Diagnostic-Code: x-unix; user unknown',
      ],
      ['Final-Recipient: rfc822; bob@example.com', 'Action: delivered', 'Status: 2.0.0'],
    ],
    {},
  );

export function arf(options: {
  readonly type?: string;
  readonly mailFrom?: string;
  readonly rcptTo?: string;
  readonly returned?: ReturnedOptions | null;
}): string {
  const { type = 'abuse', mailFrom = '', rcptTo = 'ann@example.com', returned = {} } = options;
  const b = 'part1_13d.2e68ed54_boundary';
  return crlf([
    'From: <abusedesk@example.com>',
    'Date: Mon, 24 Nov 2025 12:00:00 +0000',
    'Subject: FW: Our news',
    'To: <fbl@acme.example>',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=feedback-report; boundary="${b}"`,
    '',
    `--${b}`,
    'Content-Type: text/plain; charset="US-ASCII"',
    'Content-Transfer-Encoding: 7bit',
    '',
    'This is an email abuse report for an email message received from IP 192.0.2.1.',
    '',
    `--${b}`,
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${type}`,
    'User-Agent: SomeGenerator/1.0',
    'Version: 1',
    ...(mailFrom === '' ? [] : [`Original-Mail-From: <${mailFrom}>`]),
    ...(rcptTo === '' ? [] : [`Original-Rcpt-To: <${rcptTo}>`]),
    'Arrival-Date: Mon, 24 Nov 2025 10:00:01 +0000',
    'Reporting-MTA: dns; mail.example.com',
    'Source-IP: 192.0.2.1',
    'Reported-Domain: acme.example',
    '',
    ...(returned === null
      ? []
      : [
          `--${b}`,
          'Content-Type: message/rfc822',
          'Content-Disposition: inline',
          '',
          ...returnedHeader(returned),
          '',
          'Buy!',
          '',
        ]),
    `--${b}--`,
  ]);
}

export const qmailBounce = (returned: ReturnedOptions = {}): string =>
  crlf([
    'From: MAILER-DAEMON@mx.example.com',
    'To: bounces@acme.example',
    'Subject: failure notice',
    '',
    'Hi. This is the qmail-send program at mx.example.com.',
    "I'm afraid I wasn't able to deliver your message to the following addresses.",
    "This is a permanent error; I've given up. Sorry it didn't work out.",
    '',
    '<ann@example.com>:',
    'Sorry, no mailbox here by that name. (#5.1.1)',
    '',
    '<full@example.com>:',
    '198.51.100.9 does not like recipient.',
    'Remote host said: 552 5.2.2 mailbox full',
    'Giving up on 198.51.100.9.',
    '',
    '--- Below this line is a copy of the message.',
    '',
    ...returnedHeader(returned),
    '',
    'Buy!',
  ]);

export const eximBounce = (): string =>
  crlf([
    'From: Mail Delivery System <Mailer-Daemon@mx.example.com>',
    'To: bounces@acme.example',
    'Subject: Mail delivery failed: returning message to sender',
    'X-Failed-Recipients: ann@example.com',
    'Auto-Submitted: auto-replied',
    '',
    'This message was created automatically by mail delivery software.',
    '',
    'A message that you sent could not be delivered to one or more of its',
    'recipients. This is a permanent error. The following address(es) failed:',
    '',
    '  ann@example.com',
    '    host inside.example.com [198.51.100.9]',
    '    SMTP error from remote mail server after RCPT TO:<ann@example.com>:',
    '    550 5.1.1 <ann@example.com>: user unknown',
    '',
    '------ This is a copy of the message, including all the headers. ------',
    '',
    ...returnedHeader(),
    '',
    'Buy!',
  ]);

export const htmlBounce = (): string =>
  crlf([
    'From: Postmaster <postmaster@example.com>',
    'To: bounces@acme.example',
    'Subject: Undeliverable: Our news',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<html><body><p>Delivery has failed to these recipients:</p>',
    '<p>ann@example.com<br>Remote Server returned &#39;550 5.2.2 mailbox full&#39;</p></body></html>',
  ]);

export const vacation = (): string =>
  crlf([
    'From: Ann <ann@example.com>',
    'To: bounces@acme.example',
    'Subject: Out of office: Our news',
    'Auto-Submitted: auto-replied',
    '',
    'I am away until 550 5.1.1 tomorrow.',
  ]);

export const personal = (): string =>
  crlf(['From: Ann <ann@example.com>', 'To: bounces@acme.example', 'Subject: Re: Our news', '', 'Thank you!']);
