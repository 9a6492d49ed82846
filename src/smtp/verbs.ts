/**
 * The verbs: one row each with its bytes, what its argument must be, the states it is allowed in, what is answered in
 * the others, and who handles it. A verb is matched as bytes; no string is made of the line.
 */
import { LINE_BARE_NEWLINE, LINE_CONTROL } from './command-receiver.js';
import type { MailExchange } from './mail-exchange.js';
import { type Reply, replies } from './replies.js';

/** States of a session in command mode, as bits. */
export const STATE_NEW = 1;
/** After EHLO or HELO, no transaction. */
export const STATE_READY = 2;
/** MAIL was accepted, no recipient yet. */
export const STATE_MAIL = 4;
export const STATE_RCPT = 8;
/** A BDAT was accepted and was not the last. */
export const STATE_CHUNKS = 16;
/** A BDAT failed: nothing but RSET and the rest of the chunks can follow (RFC 3030 section 2). */
export const STATE_FAILED = 32;
/** TLS is required and not there yet, before EHLO or after. */
export const STATE_TLS_FIRST = 64;
/** After EHLO or HELO; authentication is required and has not been. */
export const STATE_AUTH_FIRST = 128;
const STATE_ANY = 255;
/** RFC 3207 section 4 names the commands that are in order before required TLS. */
const STATE_ALLOWED = STATE_ANY & ~STATE_TLS_FIRST;

const SPACE = 0x20;

/**
 * What verbs do; the session does it. Arguments are `bytes[start, end)`. What is returned answers a mistake of the client
 * and is counted as one; null: there was none, and whatever there was to say was said.
 */
export interface VerbTarget {
  /** MAIL, RCPT, DATA and BDAT. */
  readonly exchange: MailExchange;
  onHello(bytes: Buffer, start: number, end: number, extended: boolean): Reply | null;
  onStartTls(argument: boolean): Reply | null;
  onAuth(bytes: Buffer, start: number, end: number): Reply | null;
  onReset(): null;
  onQuit(): null;
  /** An answer that changes nothing. */
  onSimple(reply: Reply): null;
}

export type ArgumentRule = 'none' | 'optional' | 'required';

export interface Verb {
  readonly name: string;
  readonly argument: ArgumentRule;
  /** Answer when an argument is missing. */
  readonly missing: Reply;
  /** STATE_* bits in which it is allowed. */
  readonly states: number;
  /** `ascii`: no byte of the line is above 127. */
  readonly handle: (target: VerbTarget, bytes: Buffer, start: number, end: number, ascii: boolean) => Reply | null;
}

function verb(
  name: string,
  argument: ArgumentRule,
  states: number,
  handle: Verb['handle'],
  missing: Reply = replies.argumentMissing,
): Verb {
  return { name, argument, missing, states, handle };
}

function unimplemented(name: string): Verb {
  return verb(name, 'optional', STATE_ANY, () => replies.notImplemented);
}

/** The table. */
export const verbs: readonly Verb[] = [
  verb(
    'EHLO',
    'required',
    STATE_ANY,
    (target, bytes, start, end) => target.onHello(bytes, start, end, true),
    replies.badHello,
  ),
  verb(
    'HELO',
    'required',
    STATE_ANY,
    (target, bytes, start, end) => target.onHello(bytes, start, end, false),
    replies.badHello,
  ),
  verb(
    'MAIL',
    'required',
    STATE_READY,
    (target, bytes, start, end, ascii) => target.exchange.mail(bytes, start, end, ascii),
    replies.badMailSyntax,
  ),
  verb(
    'RCPT',
    'required',
    STATE_MAIL | STATE_RCPT,
    (target, bytes, start, end, ascii) => target.exchange.rcpt(bytes, start, end, ascii),
    replies.badRcptSyntax,
  ),
  verb('DATA', 'none', STATE_RCPT, (target) => target.exchange.data()),
  // In any state: the octets that follow are taken off the stream even where the chunk is refused. For the same reason
  // its argument is looked at only there.
  verb('BDAT', 'optional', STATE_ANY, (target, bytes, start, end) => target.exchange.bdat(bytes, start, end)),
  verb('RSET', 'none', STATE_ANY, (target) => target.onReset()),
  verb('NOOP', 'optional', STATE_ANY, (target) => target.onSimple(replies.ok)),
  verb('VRFY', 'required', STATE_ALLOWED, (target) => target.onSimple(replies.cannotVerify)),
  verb('HELP', 'optional', STATE_ALLOWED, (target) => target.onSimple(replies.help)),
  verb('QUIT', 'none', STATE_ANY, (target) => target.onQuit()),
  // In any state: where they are not offered they do not exist, and that is said first.
  verb('STARTTLS', 'optional', STATE_ANY, (target, _bytes, start, end) => target.onStartTls(start < end)),
  verb('AUTH', 'optional', STATE_ANY, (target, bytes, start, end) => target.onAuth(bytes, start, end)),
  unimplemented('EXPN'),
  unimplemented('TURN'),
  unimplemented('ETRN'),
  unimplemented('SEND'),
  unimplemented('SOML'),
  unimplemented('SAML'),
];

/** Verbs of HTTP: a browser or a proxy was made to speak to this port. */
const HTTP_VERBS = new Set(['GET', 'POST', 'PUT', 'HEAD', 'CONNECT', 'OPTIONS', 'DELETE', 'PATCH', 'TRACE', 'PRI']);

const fourLetterVerbs = new Map<number, Verb>();
const longerVerbs = verbs.filter((row) => row.name.length !== 4);
for (const row of verbs) if (row.name.length === 4) fourLetterVerbs.set(keyOf(Buffer.from(row.name), 0), row);

/** Four letters as a number, case folded. Only letters fold into letters, so nothing else can match. */
function keyOf(bytes: Buffer, at: number): number {
  return (
    ((bytes[at]! | 0x20) << 24) |
    ((bytes[at + 1]! | 0x20) << 16) |
    ((bytes[at + 2]! | 0x20) << 8) |
    (bytes[at + 3]! | 0x20)
  );
}

const AUTH_KEY = keyOf(Buffer.from('AUTH'), 0);

/** The verb `bytes[start, end)`. */
function findVerb(bytes: Buffer, start: number, end: number): Verb | undefined {
  const length = end - start;
  if (length === 4) return fourLetterVerbs.get(keyOf(bytes, start));
  return longerVerbs.find(
    (row) => row.name.length === length && bytes.toString('latin1', start, end).toUpperCase() === row.name,
  );
}

/** Whether a line that begins at `bytes[start]` is AUTH: the one command that may be longer than others. */
export function isAuthLine(bytes: Buffer, start: number, end: number): boolean {
  return end - start > 5 && bytes[start + 4] === SPACE && keyOf(bytes, start) === AUTH_KEY;
}

/** Whether `bytes[start, end)` is a verb of HTTP. */
function isHttpVerb(bytes: Buffer, start: number, end: number): boolean {
  return end - start <= 7 && HTTP_VERBS.has(bytes.toString('latin1', start, end).toUpperCase());
}

/**
 * The verb of the line `bytes[start, end)`, when it may be given in `state` and its argument is there or not as it must
 * be; otherwise the reply, 421 where the client speaks HTTP. `flaws`: LINE_* bits.
 */
export function verbOf(bytes: Buffer, start: number, end: number, flaws: number, state: number): Verb | Reply {
  if ((flaws & LINE_BARE_NEWLINE) !== 0) return replies.bareNewlineInCommand;
  if (start === end) return replies.emptyLine;
  let verbEnd = start;
  while (verbEnd < end && bytes[verbEnd] !== SPACE) verbEnd++;
  const row = findVerb(bytes, start, verbEnd);
  if ((flaws & LINE_CONTROL) !== 0) return row === undefined ? replies.controlInCommand : replies.controlInArgument;
  if (row === undefined) return isHttpVerb(bytes, start, verbEnd) ? replies.notSmtpHttp : replies.unknownCommand;
  if ((row.states & state) === 0) return outOfOrder(row, state);
  // Trailing blanks are gone: what follows the verb is an argument.
  if (verbEnd === end) return row.argument === 'required' ? row.missing : row;
  return row.argument === 'none' ? replies.noArgument : row;
}

/** Index of the argument of a line that begins with this verb; `end` where there is none. */
export function argumentOf(row: Verb, bytes: Buffer, start: number, end: number): number {
  let at = start + row.name.length;
  while (at < end && bytes[at] === SPACE) at++;
  return at;
}

/** What a verb is answered in a state it is not allowed in (RFC 5321 section 4.1.4). */
function outOfOrder(row: Verb, state: number): Reply {
  if (state === STATE_CHUNKS) return replies.chunksBegun;
  return row.name === 'MAIL' && (state === STATE_MAIL || state === STATE_RCPT)
    ? replies.nestedMail
    : chunkOutOfOrder(state);
}

/** What a command is answered that must not come during a transaction; null when none is open. */
export function transactionOpen(state: number): Reply | null {
  if (state === STATE_MAIL || state === STATE_RCPT) return replies.nestedMail;
  if (state === STATE_CHUNKS) return replies.chunksBegun;
  return state === STATE_FAILED ? replies.transactionFailed : null;
}

/** Why there can be no message content in this state. */
export function chunkOutOfOrder(state: number): Reply {
  if (state === STATE_TLS_FIRST) return replies.tlsFirst;
  if (state === STATE_AUTH_FIRST) return replies.authFirst;
  if (state === STATE_NEW) return replies.helloFirst;
  if (state === STATE_FAILED) return replies.transactionFailed;
  return state === STATE_READY ? replies.mailFirst : replies.noRecipients;
}
