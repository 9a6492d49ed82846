/**
 * Settings of server sessions, and what is made of them once: the greeting, what is offered, the answers to EHLO and HELO
 * and the replies that name a limit, already encoded.
 *
 * One options object is shared by all sessions it applies to and is not changed; a listener with trusted and other
 * clients has two (they differ in `relayClient`).
 */
import type { Mechanism } from './authentication.js';
import { makeOffer, OFFER_LIMIT, type Offer } from './offer.js';
import { makeReply, type Reply } from './replies.js';

/** What to do with a CR without LF or an LF without CR in message content. */
export type BareNewlinePolicy = 'reject' | 'convert' | 'pass';

/** All sizes in bytes, all times in milliseconds. */
export interface ServerSessionOptions {
  /** This host's name, for the greeting. */
  readonly hostname: string;
  /** What follows the name in the greeting; `ESMTP` when absent. */
  readonly banner?: string;
  /** Largest message, dot-stuffing not counted (RFC 1870); 0: no limit. */
  readonly maxMessageSize: number;
  /** Longest command line with its CRLF. RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more. */
  readonly maxCommandLine: number;
  /** Longest line of content with its CRLF; 0: no limit (RFC 5321 section 4.5.3.1.6 promises only 1000). */
  readonly maxTextLine: number;
  /** Bytes before the first empty line; 0: no limit. */
  readonly maxHeaderSize: number;
  /** Recipients of one message; at least 100 (RFC 5321 section 4.5.3.1.8). */
  readonly maxRecipients: number;
  /** Messages on one connection, after that the next MAIL gets 421; 0: no limit. */
  readonly maxMessagesPerConnection: number;
  /** Bad commands on one connection, at that count it gets 421; 0: no limit. Refusals by policy do not count. */
  readonly maxErrors: number;
  /** Commands since the last accepted recipient or message (NOOP, RSET, VRFY ...), after that 421; 0: no limit. */
  readonly maxIdleCommands: number;
  readonly bareNewline: BareNewlinePolicy;
  /** The client is in a network that may relay. `pass` holds for such clients only, others are rejected. */
  readonly relayClient: boolean;
  /**
   * `none`: no TLS; `optional`: STARTTLS is offered; `required`: nothing but EHLO, NOOP, STARTTLS and QUIT before it
   * (530 5.7.0); `implicit`: the connection begins with TLS.
   */
  readonly tls: 'none' | 'optional' | 'required' | 'implicit';
  /** `required`: no MAIL before AUTH (530 5.7.0). */
  readonly auth: 'none' | 'optional' | 'required';
  /** Mechanisms that the account sources can answer, in the order they are offered. */
  readonly mechanisms: readonly Mechanism[];
  /** Mechanisms that show the password or token (PLAIN, LOGIN, XOAUTH2, OAUTHBEARER) are offered without TLS too. */
  readonly authWithoutTls: boolean;
  /** Longest line inside an AUTH dialogue, with its CRLF (RFC 4954 section 4: 12,288). */
  readonly maxAuthLine: number;
  /** Failed AUTH attempts on one connection, at that count it gets 421; 0: no limit. */
  readonly maxAuthFailures: number;
  /** Longest time a message is held for clients that submit (FUTURERELEASE, RFC 4865), ms; 0: not offered. */
  readonly maxHold: number;
  /** Least time that DELIVERBY may give with mode R, s (RFC 2852). */
  readonly minDeliverBy: number;
  /** Longest wait for a decision about a recipient, ms; then it is answered 451. */
  readonly decisionTimeout: number;
  /** From connecting to the first complete command. */
  readonly connectTimeout: number;
  /** Between commands before EHLO and inside a transaction. */
  readonly commandTimeout: number;
  /** Between transactions. */
  readonly idleTimeout: number;
  /** Longest silence inside a message, and how long a message may take at any speed before `minDataRate` counts. */
  readonly dataTimeout: number;
  /** Bytes a second a message must reach on average once it has taken `dataTimeout`; 0: no such rule. */
  readonly minDataRate: number;
}

/** The defaults; only the name of the host has none. */
export const defaultServerSessionOptions: Omit<ServerSessionOptions, 'hostname'> = {
  maxMessageSize: 50 * 1024 * 1024,
  maxCommandLine: 2048,
  maxTextLine: 0,
  maxHeaderSize: 256 * 1024,
  maxRecipients: 1000,
  maxMessagesPerConnection: 100,
  maxErrors: 20,
  maxIdleCommands: 1000,
  bareNewline: 'reject',
  relayClient: false,
  tls: 'none',
  auth: 'none',
  mechanisms: [],
  authWithoutTls: false,
  maxAuthLine: 12_288,
  maxAuthFailures: 3,
  maxHold: 0,
  minDeliverBy: 1,
  decisionTimeout: 30_000,
  connectTimeout: 30_000,
  commandTimeout: 300_000,
  idleTimeout: 600_000,
  dataTimeout: 180_000,
  minDataRate: 512,
};

/** What every session with the same options says. */
export interface PreparedReplies {
  readonly greeting: Reply;
  /** By situation of the client (OFFER_* bits). */
  readonly offers: readonly Offer[];
  readonly helo: Reply;
  readonly lineTooLong: Reply;
  readonly messageTooLarge: Reply;
  readonly headerTooLarge: Reply;
  readonly textLineTooLong: Reply;
}

const prepared = new WeakMap<ServerSessionOptions, PreparedReplies>();

/** The replies of an options object, made at first use. */
export function preparedReplies(options: ServerSessionOptions): PreparedReplies {
  let known = prepared.get(options);
  if (known === undefined) {
    known = prepare(options);
    prepared.set(options, known);
  }
  return known;
}

function prepare(options: ServerSessionOptions): PreparedReplies {
  const { hostname } = options;
  return {
    greeting: makeReply(220, '', `${hostname} ${options.banner ?? 'ESMTP'}`),
    offers: Array.from({ length: OFFER_LIMIT }, (_, situation) => makeOffer(options, situation)),
    helo: makeReply(250, '', hostname),
    lineTooLong: makeReply(500, '5.5.2', `Command line longer than ${options.maxCommandLine} bytes`),
    messageTooLarge: makeReply(552, '5.3.4', `Message larger than ${options.maxMessageSize} bytes`),
    headerTooLarge: makeReply(552, '5.3.4', `Message header larger than ${options.maxHeaderSize} bytes`),
    textLineTooLong: makeReply(550, '5.6.0', `A line of the message is longer than ${options.maxTextLine} bytes`),
  };
}
