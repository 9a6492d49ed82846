/**
 * What a SASL mechanism is to the server (RFC 4422): a state machine that takes the client's messages and the answers
 * about credentials, and says the next step. No I/O, no secrets, no time.
 *
 * The owner calls `begin` once, then `respond` after each challenge and `answered` after each question, until a step
 * that ends it. A mechanism never throws, whatever the client sends.
 */
import { isUtf8 } from 'node:buffer';
import type { AccountGrant, AuthAnswer, AuthQuestion, ClientCertificate, Mechanism } from '../authentication.js';
import type { replies } from '../replies.js';
import { saslPrep } from './saslprep.js';

/** Name of the reply that ends a dialogue without an account. */
export type FailureReply = Extract<
  keyof typeof replies,
  | 'badCredentials'
  | 'bindingDowngraded'
  | 'authUnavailable'
  | 'authBlocked'
  | 'authMalformed'
  | 'authCancelled'
  | 'authNotBase64'
  | 'authLineTooLong'
  | 'noInitialResponse'
>;

export type SaslStep =
  /** The server's next message; the client's answer goes to `respond`. */
  | { readonly kind: 'challenge'; readonly data: string | Buffer }
  /** The answer goes to `answered`. */
  | { readonly kind: 'question'; readonly question: AuthQuestion }
  | { readonly kind: 'accepted'; readonly account: AccountGrant }
  /** `counted`: credentials were offered and were wrong. */
  | { readonly kind: 'failed'; readonly reply: FailureReply; readonly counted: boolean };

export interface SaslMechanism {
  /** The accounts have refused already; the client only has not been told. */
  readonly refused?: boolean;
  /** `initial`: the client's first message, null when it gave none with its command. */
  begin(initial: Buffer | null): SaslStep;
  respond(message: Buffer): SaslStep;
  answered(answer: AuthAnswer): SaslStep;
}

/** What mechanisms are told of the session. */
export interface SaslContext {
  /** This server's name. */
  readonly hostname: string;
  readonly offered: readonly Mechanism[];
  readonly channelBinding: () => Buffer | null;
  readonly clientCertificate: ClientCertificate | null;
}

/** A message that the mechanism does not know. */
export const MALFORMED: SaslStep = { kind: 'failed', reply: 'authMalformed', counted: false };
/** Credentials that cannot be right, whoever the accounts are. */
export const BAD_CREDENTIALS: SaslStep = { kind: 'failed', reply: 'badCredentials', counted: true };
/** Asks for the client's first message (RFC 4954 section 4: an empty challenge). */
export const CLIENT_FIRST: SaslStep = { kind: 'challenge', data: '' };

export function ask(question: AuthQuestion): SaslStep {
  return { kind: 'question', question };
}

/** The step that an answer to the last question leads to, where the mechanism has nothing to add. */
export function conclude(answer: AuthAnswer): SaslStep {
  if (answer.kind === 'accepted') return { kind: 'accepted', account: answer.account };
  if (answer.kind === 'refused') return refusal(answer.reply);
  // A salt that nobody asked for.
  return { kind: 'failed', reply: 'authUnavailable', counted: false };
}

export function refusal(reply: Extract<AuthAnswer, { kind: 'refused' }>['reply']): SaslStep {
  return { kind: 'failed', reply, counted: reply === 'badCredentials' };
}

/** A message as text; null when it is not UTF-8 or holds NUL. */
export function textOf(message: Buffer): string | null {
  return isUtf8(message) && !message.includes(0) ? message.toString('utf8') : null;
}

/**
 * The question whether this is the password of this user, both prepared (RFC 4616 section 2: a preparation that fails
 * or leaves nothing fails the authentication). Empty ones are malformed.
 */
export function askPassword(mechanism: Mechanism, givenUser: string, givenPassword: string): SaslStep {
  if (givenUser === '' || givenPassword === '') return MALFORMED;
  const user = saslPrep(givenUser);
  const password = saslPrep(givenPassword);
  if (user === null || password === null) return BAD_CREDENTIALS;
  return ask({ kind: 'password', mechanism, user, password });
}
