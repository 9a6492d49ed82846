/**
 * The envelope: what SMTP says about a message outside of its content (RFC 5321 section 2.3.1, RFC 3461 for the
 * notification parameters). Plain data: made by the server session, stored by the spool, read by delivery.
 */
import type { QueueId } from '../core/queue-id.js';

/** NOTIFY of RFC 3461 section 4.1 as bits; 0 means the parameter was absent. */
export const NOTIFY_NEVER = 1;
export const NOTIFY_SUCCESS = 2;
export const NOTIFY_FAILURE = 4;
export const NOTIFY_DELAY = 8;

/** BODY= of RFC 6152 and RFC 3030. */
export type BodyType = '7BIT' | '8BITMIME' | 'BINARYMIME';

/** RET= of RFC 3461 section 4.3; '' when absent. */
export type ReturnContent = '' | 'FULL' | 'HDRS';

/** One forward-path with its notification parameters. */
export interface Recipient {
  /** Mailbox as received, without angle brackets and source route; local part in its own case. */
  readonly address: string;
  /** NOTIFY_* bits. */
  readonly notify: number;
  /** ORCPT value as received (`rfc822;xtext`), '' when absent. */
  readonly originalRecipient: string;
}

/** Classes of new mail; what was tried and put off is a third one of its own in the queue (`deferred`). */
export type Lane = 'immediate' | 'bulk';

/** DELIVERBY of RFC 2852: until when, and what then: `R` give up and tell the sender, `N` tell of the delay and go on. */
export interface DeliverBy {
  /** Engine clock ms. */
  readonly at: number;
  readonly mode: 'R' | 'N';
  /** The sender wants to hear of hops that do not know DELIVERBY. */
  readonly trace: boolean;
}

/** How a message is to be handled on its way: what the listener, the account, the header and the client said. */
export interface Handling {
  readonly lane: Lane;
  /** Whose mail it is, '' when nobody's in particular. */
  readonly tenant: string;
  /** Words to select it by: of the account, the tenant, and the header X-Sluice-Tags. */
  readonly tags: readonly string[];
  /** Name of the listener it came in by, '' for mail of our own. */
  readonly listener: string;
  /** Header fields that routes look at: name in lower case -> value of the first, cut to a bounded length. */
  readonly fields: Readonly<Record<string, string>>;
  /** Not before this (FUTURERELEASE, RFC 4865), engine clock ms; 0: at once. */
  readonly holdUntil: number;
  readonly deliverBy: DeliverBy | null;
}

/** That of a message about which nothing was said. One object for all: it costs nothing per message. */
export const PLAIN_HANDLING: Handling = {
  lane: 'bulk',
  tenant: '',
  tags: [],
  listener: '',
  fields: {},
  holdUntil: 0,
  deliverBy: null,
};

/** Where a message came from; for Received, logs and rules. */
export interface Origin {
  readonly clientAddress: string;
  readonly clientPort: number;
  /** Argument of EHLO or HELO. */
  readonly helo: string;
  /** `with` keyword of Received (RFC 3848, RFC 6531): SMTP, ESMTP, ESMTPSA, UTF8SMTP ... */
  readonly protocol: string;
  /** TLS version and cipher, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; '' without TLS. */
  readonly tls: string;
}

/** Facts about the content, found while it was received. Content is everything between DATA's 354 and the final dot. */
export interface ContentFacts {
  /** Bytes of the content as stored. */
  readonly size: number;
  /** `wire`: dot-stuffed as DATA carries it; `plain`: as BDAT carries it. Without dot lines both are the same bytes. */
  readonly form: 'wire' | 'plain';
  /** Number of lines whose first byte is a dot. */
  readonly dotLines: number;
  /** A byte above 127 is in it. */
  readonly eightBit: boolean;
  /** It has a bare CR, a bare LF, a NUL or a line over 998 bytes, or was sent as BINARYMIME: not fit for DATA (RFC 3030). */
  readonly binary: boolean;
  /** Its last two bytes are CRLF (or it is empty). */
  readonly endsWithCrlf: boolean;
}

/** A message's envelope. `recipients` keeps its order and indexes for life: outcomes refer to the index. */
export interface Envelope {
  readonly id: QueueId;
  /** Reverse-path mailbox; '' is the null sender. */
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly bodyType: BodyType;
  /** SMTPUTF8 was given with MAIL (RFC 6531). */
  readonly smtpUtf8: boolean;
  readonly ret: ReturnContent;
  /** ENVID as received (xtext), '' when absent. */
  readonly envelopeId: string;
  /** MT-PRIORITY, -9 to 9 (RFC 6710); 0 when absent. */
  readonly priority: number;
  /** REQUIRETLS was given with MAIL (RFC 8689): to be sent over verified TLS only. */
  readonly requireTls: boolean;
  /** Its header says `TLS-Required: No` (RFC 8689 section 5): to be sent whatever TLS policies of its domains say. */
  readonly tlsOptional?: boolean;
  /** Name of the account it was submitted with, '' when there is none. */
  readonly account: string;
  readonly handling: Handling;
  /** Acceptance, engine clock, ms since the epoch. */
  readonly receivedAt: number;
  readonly origin: Origin;
  readonly content: ContentFacts;
}
