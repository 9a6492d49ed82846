/**
 * Every reply the server side of SMTP gives, in one table: name -> code, enhanced code, text and the bytes as they leave.
 *
 * Replies are immutable and shared by all sessions, so that an ordinary answer costs no string and no allocation. Texts
 * that are only known at run time are made by `makeReply`, which lets nothing but printable ASCII through: what a client
 * sent can be quoted in a reply without becoming a line of its own.
 * Codes: RFC 5321 section 4.2.3, RFC 3463 (enhanced), RFC 2034 (no enhanced code in 220, 354 and the answer to EHLO/HELO).
 */

/** One reply. `bytes` holds the whole of it with CRLF and is never changed. */
export interface Reply {
  /** Three digits. */
  readonly code: number;
  /** `class.subject.detail` of RFC 3463, '' for the replies that carry none. */
  readonly enhanced: string;
  /** What follows the codes, one line. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets, the codes and CRLF among them. */
const MAX_TEXT = 490;

/** Makes a reply. `text` loses everything but printable ASCII and is cut to fit a reply line; `enhanced` may be ''. */
export function makeReply(code: number, enhanced: string, text: string): Reply {
  const safe = /^[ -~]*$/.test(text) && text.length <= MAX_TEXT ? text : sanitise(text);
  const line = enhanced === '' ? `${code} ${safe}\r\n` : `${code} ${enhanced} ${safe}\r\n`;
  return { code, enhanced, text: safe, bytes: Buffer.from(line, 'latin1') };
}

function sanitise(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, MAX_TEXT);
}

/** A reply of several lines with one code (RFC 5321 section 4.2.1): how EHLO is answered. `lines` is not empty. */
export function makeMultilineReply(code: number, lines: readonly string[]): Reply {
  const safe = lines.map(sanitise);
  const last = safe.length - 1;
  const bytes = Buffer.from(safe.map((line, i) => `${code}${i === last ? ' ' : '-'}${line}\r\n`).join(''), 'latin1');
  return { code, enhanced: '', text: safe[0] ?? '', bytes };
}

/** The answer to a message that is now the relay's responsibility. `queueId`: as shown to people. */
export function acceptedReply(queueId: string): Reply {
  return makeReply(250, '2.0.0', `Ok: queued as ${queueId}`);
}

/** A challenge of an AUTH dialogue (RFC 4954 section 4); as long as it must be. */
export function challengeReply(data: string | Buffer): Reply {
  const text = (typeof data === 'string' ? Buffer.from(data) : data).toString('base64');
  return { code: 334, enhanced: '', text, bytes: Buffer.from(`334 ${text}\r\n`, 'latin1') };
}

/** A reverse-path that the account has no right to. `senders`: what it has a right to. */
export function senderNotAllowedReply(account: string, senders: readonly string[]): Reply {
  const rights = senders.length === 0 ? 'with no address' : `as ${senders.join(', ')} only`;
  return makeReply(553, '5.7.1', `Sender address not allowed: account ${account} may send ${rights}`);
}

/** An account has used up `most` messages or recipients in any `span`; `wait`: until it has some again, s. */
export function accountLimitReply(most: number, counted: string, span: string, wait: number): Reply {
  return makeReply(
    451,
    '4.7.1',
    `Account may send to no more now: ${most} ${counted} per ${span}, try again in ${wait} s`,
  );
}

/** `who` (client, listener, tenant) has used up `most` messages, recipients or bytes in any `span`; `wait`: ms until it may send again. */
export function limitReply(who: string, most: number, counted: string, span: string, wait: number): Reply {
  const limit = `${most} ${counted} per ${span}`;
  if (wait === Number.POSITIVE_INFINITY)
    return makeReply(550, '5.5.3', `Over the limit of this ${who} by itself: ${limit}`);
  const seconds = Math.max(1, Math.ceil(wait / 1000));
  return makeReply(451, '4.7.1', `Limit of this ${who} is reached: ${limit}, try again in ${seconds} s`);
}

/** A message has more recipients than its account may ever send to at once. */
export function accountRecipientsReply(most: number, span: string): Reply {
  return makeReply(550, '5.5.3', `Too many recipients: this account may send to ${most} per ${span}`);
}

/** A recipient on the suppression list. `reason`: what put it there; `since`: wall clock, ms. */
export function suppressedReply(reason: string, since: number): Reply {
  const day = new Date(since).toISOString().slice(0, 10);
  return makeReply(550, '5.1.1', `Recipient is on the suppression list of this relay since ${day}: ${reason}`);
}

/** The table. */
export const replies = {
  // In order
  bye: makeReply(221, '2.0.0', 'Bye'),
  ok: makeReply(250, '2.0.0', 'Ok'),
  senderOk: makeReply(250, '2.1.0', 'Sender ok'),
  recipientOk: makeReply(250, '2.1.5', 'Recipient ok'),
  chunkOk: makeReply(250, '2.0.0', 'Chunk ok'),
  cannotVerify: makeReply(252, '2.1.5', 'Cannot verify the user, but will take mail for it'),
  help: makeReply(
    214,
    '2.0.0',
    'Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT (RFC 5321)',
  ),
  startData: makeReply(354, '', 'End data with <CR><LF>.<CR><LF>'),

  // The connection ends
  shuttingDown: makeReply(421, '4.3.2', 'Service is shutting down, try again later'),
  timedOut: makeReply(421, '4.4.2', 'Timeout, closing the connection'),
  tooSlow: makeReply(421, '4.4.2', 'Message data came too slowly, closing the connection'),
  tooManyErrors: makeReply(421, '4.7.0', 'Too many errors on this connection'),
  tooManyMessages: makeReply(421, '4.7.0', 'Too many messages on this connection, connect again'),
  tooManyIdleCommands: makeReply(421, '4.7.0', 'Too many commands without a message'),
  lineEndless: makeReply(421, '4.7.0', 'Command line without an end, closing the connection'),
  dataEndless: makeReply(421, '4.3.0', 'Message far over the size limit, closing the connection'),
  notSmtpHttp: makeReply(421, '4.7.0', 'This is an SMTP server, not an HTTP one'),
  notSmtpTls: makeReply(421, '4.7.0', 'This port begins without TLS'),
  streamLost: makeReply(421, '4.5.0', 'Cannot tell message from commands after this, closing the connection'),

  // The command line
  unknownCommand: makeReply(500, '5.5.1', 'Command not recognised'),
  emptyLine: makeReply(500, '5.5.2', 'Empty command line'),
  bareNewlineInCommand: makeReply(500, '5.5.2', 'Bare CR or LF in a command: a line ends with CRLF'),
  controlInCommand: makeReply(500, '5.5.2', 'Control character in a command'),
  controlInArgument: makeReply(501, '5.5.2', 'Control character in an argument'),
  notImplemented: makeReply(502, '5.5.1', 'Command not implemented'),
  noArgument: makeReply(501, '5.5.4', 'This command takes no argument'),
  argumentMissing: makeReply(501, '5.5.4', 'This command needs an argument'),
  badHello: makeReply(501, '5.5.2', 'Give a host name or an address literal, nothing else'),
  badMailSyntax: makeReply(501, '5.5.4', 'Syntax: MAIL FROM:<address> [parameter=value ...]'),
  badRcptSyntax: makeReply(501, '5.5.4', 'Syntax: RCPT TO:<address> [parameter=value ...]'),
  badBdatSize: makeReply(501, '5.5.4', 'Syntax: BDAT octets [LAST]'),

  // Order
  helloFirst: makeReply(503, '5.5.1', 'Send EHLO or HELO first'),
  mailFirst: makeReply(503, '5.5.1', 'Send MAIL first'),
  nestedMail: makeReply(503, '5.5.1', 'A transaction is open: finish it or send RSET'),
  noRecipients: makeReply(554, '5.5.1', 'No valid recipients'),
  chunksBegun: makeReply(503, '5.5.1', 'The message is being sent by BDAT: send BDAT or RSET'),
  transactionFailed: makeReply(503, '5.5.1', 'An earlier BDAT failed: send RSET'),
  binaryNeedsChunks: makeReply(503, '5.5.1', 'BODY=BINARYMIME needs BDAT (RFC 3030)'),

  // Parameters
  holdTwice: makeReply(501, '5.5.4', 'Give HOLDFOR or HOLDUNTIL, not both'),

  // Addresses
  notUtf8: makeReply(501, '5.5.2', 'Bytes that are not UTF-8 in an argument'),
  senderNotAscii: makeReply(553, '5.6.7', 'Sender address is not ASCII: give SMTPUTF8 with MAIL'),
  recipientNotAscii: makeReply(553, '5.6.7', 'Recipient address is not ASCII: give SMTPUTF8 with MAIL'),

  // Policy and the state of the engine
  tooManyConnections: makeReply(421, '4.7.0', 'Too many connections, try again later'),
  tooManyNewConnections: makeReply(421, '4.7.0', 'Too many new connections from your address, try again in a second'),
  tooManyListenerConnections: makeReply(421, '4.7.0', 'Too many connections on this port, try again later'),
  tooManyNewListenerConnections: makeReply(
    421,
    '4.7.0',
    'Too many new connections on this port, try again in a second',
  ),
  recipientNotVerified: makeReply(450, '4.3.0', 'Recipient cannot be verified now, try again later'),
  relayDenied: makeReply(554, '5.7.1', 'Relaying denied: you may not send to this domain through this host'),
  notDecided: makeReply(451, '4.4.3', 'Recipient cannot be verified now, try again later'),
  spoolFull: makeReply(452, '4.3.1', 'Spool is full, try again later'),
  spoolFailed: makeReply(451, '4.3.0', 'Spool cannot be written, try again later'),
  notPrepared: makeReply(451, '4.3.0', 'Message could not be processed, try again later'),
  tooManyHops: makeReply(554, '5.4.6', 'Too many Received fields: the message is in a loop'),
  headerTooLarge: makeReply(552, '5.3.4', 'Message header is too large'),

  // TLS and authentication (RFC 3207, RFC 4954, RFC 5248)
  startTls: makeReply(220, '2.0.0', 'Ready to start TLS'),
  tlsFirst: makeReply(530, '5.7.0', 'Must issue a STARTTLS command first'),
  tlsActive: makeReply(503, '5.5.1', 'TLS is active already'),
  tlsUnavailable: makeReply(454, '4.7.0', 'TLS is not available now, try again later'),
  authFirst: makeReply(530, '5.7.0', 'Authentication required'),
  authNeedsTls: makeReply(538, '5.7.11', 'Encryption required for this mechanism: send STARTTLS first'),
  alreadyAuthenticated: makeReply(503, '5.5.1', 'Authenticated already'),
  unknownMechanism: makeReply(504, '5.5.4', 'Unknown authentication mechanism, or not offered here'),
  badAuthSyntax: makeReply(501, '5.5.4', 'Syntax: AUTH mechanism [initial response in base64]'),
  authCancelled: makeReply(501, '5.7.0', 'Authentication cancelled'),
  noInitialResponse: makeReply(501, '5.7.0', 'This mechanism takes no initial response'),
  authNotBase64: makeReply(501, '5.5.2', 'Not base64'),
  authMalformed: makeReply(501, '5.5.2', 'Not a message of this authentication mechanism'),
  authLineTooLong: makeReply(500, '5.5.6', 'Authentication exchange line is too long'),
  authenticated: makeReply(235, '2.7.0', 'Authentication succeeded'),
  badCredentials: makeReply(535, '5.7.8', 'Authentication credentials invalid'),
  bindingDowngraded: makeReply(535, '5.7.8', 'Channel binding was offered and not used: somebody may be in between'),
  authUnavailable: makeReply(454, '4.7.0', 'Accounts cannot be asked now, try again later'),
  tooManyAuthFailures: makeReply(421, '4.7.0', 'Too many failed attempts to authenticate on this connection'),
  authBlocked: makeReply(421, '4.7.0', 'Too many failed attempts to authenticate, try again later'),

  // Limits and content
  outOfMemory: makeReply(452, '4.3.1', 'Out of memory for messages, try again later'),
  tooManyRecipients: makeReply(452, '4.5.3', 'Too many recipients, send the rest in another transaction'),
  falseEndOfData: makeReply(
    550,
    '5.6.0',
    'A line looks like the end of data to some servers (a dot with bare CR, bare LF or NUL)',
  ),
  bareCr: makeReply(550, '5.6.0', 'Bare CR in the message: lines end with CRLF (RFC 5321 section 2.3.8)'),
  bareLf: makeReply(550, '5.6.0', 'Bare LF in the message: lines end with CRLF (RFC 5321 section 2.3.8)'),
} as const satisfies Record<string, Reply>;
