/**
 * What a server offers to a client in its situation: the keywords of EHLO and the mechanisms of AUTH.
 *
 * The situation is whether there is TLS and what it brings along, as bits; there are few, so that an offer is made once
 * for each (see `preparedReplies`).
 */
import type { Mechanism } from './authentication.js';
import { MAIL_AUTH, MAIL_HOLD, MAIL_REQUIRETLS, type MailTerms } from './parameters.js';
import { makeMultilineReply, type Reply } from './replies.js';
import type { TlsFacts } from './server-host.js';
import type { ServerSessionOptions } from './server-options.js';
import { futureReleaseValue } from './time-parameters.js';

export const OFFER_TLS = 1;
/** TLS with data to bind a SCRAM dialogue to. */
export const OFFER_BINDING = 2;
/** TLS with a verified client certificate. */
export const OFFER_CERTIFICATE = 4;
/** Its certificate lets it relay. */
export const OFFER_RELAY = 8;
/** All situations are below this. */
export const OFFER_LIMIT = 16;

/** How long an answer to EHLO that has a date in it is used, ms: the date is never later than it may be. */
const DATE_STEP = 60_000;

/** All that depends on the situation. */
export interface Offer extends MailTerms {
  /** The answer to EHLO. `now`: engine time, ms. */
  ehlo(now: number): Reply;
  /** In the order they are listed; empty: no AUTH here. */
  readonly mechanisms: readonly Mechanism[];
  /** Longest line with its CRLF, a command or one of an AUTH dialogue. */
  readonly maxLine: number;
  /** Nothing but EHLO, NOOP, RSET, STARTTLS and QUIT is in order (RFC 3207 section 4). */
  readonly tlsFirst: boolean;
}

/** Mechanisms that show a password or token to whoever reads along. */
const REVEALING: readonly Mechanism[] = ['PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER'];

/** The situation as OFFER_* bits. Binding data is asked for only where a mechanism needs it. */
export function situationOf(options: ServerSessionOptions, tls: TlsFacts | null): number {
  if (tls === null) return 0;
  let situation = OFFER_TLS;
  if (tls.clientCertificate !== null) situation |= OFFER_CERTIFICATE;
  if (tls.mayRelay) situation |= OFFER_RELAY;
  const binds = options.auth !== 'none' && options.mechanisms.includes('SCRAM-SHA-256-PLUS');
  if (binds && tls.channelBinding() !== null) situation |= OFFER_BINDING;
  return situation;
}

/** The offer for a situation. */
export function makeOffer(options: ServerSessionOptions, situation: number): Offer {
  const secured = (situation & OFFER_TLS) !== 0;
  const tlsFirst = !secured && (options.tls === 'required' || options.tls === 'implicit');
  const mechanisms = tlsFirst ? [] : offeredMechanisms(options, situation);
  const auth = mechanisms.length > 0;
  const keywords = capabilities(options);
  if (secured) keywords.push('REQUIRETLS');
  else if (offersStartTls(options)) keywords.push('STARTTLS');
  if (auth) keywords.push(`AUTH ${mechanisms.join(' ')}`);
  // Offered to who may submit or may yet prove that it may; taken from the former only.
  const holds = options.maxHold > 0 && (options.relayClient || auth || (situation & OFFER_RELAY) !== 0);
  return {
    ehlo: holds ? datedEhlo(options, keywords) : constantEhlo([options.hostname, ...keywords]),
    mechanisms,
    mailParameters: (auth ? MAIL_AUTH : 0) | (secured ? MAIL_REQUIRETLS : 0) | (holds ? MAIL_HOLD : 0),
    maxHold: options.maxHold,
    minDeliverBy: options.minDeliverBy,
    // Tokens are long, and clients send them with the command.
    maxLine: auth ? Math.max(options.maxCommandLine, options.maxAuthLine) : options.maxCommandLine,
    tlsFirst,
  };
}

function constantEhlo(lines: readonly string[]): Offer['ehlo'] {
  const reply = makeMultilineReply(250, lines);
  return () => reply;
}

/** FUTURERELEASE names a date (RFC 4865 section 3), so that the answer is made anew now and then. */
function datedEhlo({ hostname, maxHold }: ServerSessionOptions, keywords: readonly string[]): Offer['ehlo'] {
  let reply: Reply | null = null;
  let madeAt = 0;
  return (now) => {
    const step = Math.floor(now / DATE_STEP);
    if (reply === null || step !== madeAt) {
      madeAt = step;
      const value = futureReleaseValue(maxHold, step * DATE_STEP);
      reply = makeMultilineReply(250, [hostname, ...keywords, `FUTURERELEASE ${value}`]);
    }
    return reply;
  };
}

/** Mechanisms for the situation, in the order of the options. */
function offeredMechanisms(options: ServerSessionOptions, situation: number): Mechanism[] {
  if (options.auth === 'none') return [];
  return options.mechanisms.filter((mechanism) => {
    if (mechanism === 'SCRAM-SHA-256-PLUS') return (situation & OFFER_BINDING) !== 0;
    if (mechanism === 'EXTERNAL') return (situation & OFFER_CERTIFICATE) !== 0;
    return (situation & OFFER_TLS) !== 0 || options.authWithoutTls || !REVEALING.includes(mechanism);
  });
}

/** Whether the mechanism is offered under TLS and kept back without it. */
export function needsTls(options: ServerSessionOptions, mechanism: Mechanism): boolean {
  return options.mechanisms.includes(mechanism) && REVEALING.includes(mechanism) && !options.authWithoutTls;
}

/** Whether STARTTLS is known at all on this listener. */
export function offersStartTls(options: ServerSessionOptions): boolean {
  return options.tls === 'optional' || options.tls === 'required';
}

/** EHLO keywords for everybody. SIZE 0 means that no limit is in force (RFC 1870 section 4). */
function capabilities(options: ServerSessionOptions): string[] {
  const limits = [`RCPTMAX=${options.maxRecipients}`];
  if (options.maxMessagesPerConnection > 0) limits.push(`MAILMAX=${options.maxMessagesPerConnection}`);
  return [
    'PIPELINING',
    `SIZE ${options.maxMessageSize}`,
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    'CHUNKING',
    'BINARYMIME',
    'DSN',
    'MT-PRIORITY',
    `DELIVERBY ${options.minDeliverBy}`,
    `LIMITS ${limits.join(' ')}`,
  ];
}
