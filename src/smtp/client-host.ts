/**
 * What a ClientSession is told and what it asks of its connection. The session has no sockets and no timers; everything
 * here is called synchronously.
 */
import type { ClientCredentials } from './client-sasl.js';
import type { PeerReply } from './reply-parser.js';

/** A transaction in the words it is sent with. */
export interface TransactionPlan {
  /** MAIL command without CRLF. */
  readonly mail: string;
  /** RCPT commands without CRLF. */
  readonly rcpts: readonly string[];
  /** A command has bytes beyond ASCII: send as UTF-8. */
  readonly utf8: boolean;
  readonly transfer: 'data' | 'bdat';
  /** Bytes that BDAT announces; not used with DATA. */
  readonly size: number;
  /** Only ask: recipients are named, nothing is sent, and their replies are the verdicts. */
  readonly probe?: boolean;
}

/** The stage whose reply decided a recipient. */
export type Stage = 'mail' | 'rcpt' | 'data' | 'content';

export interface Verdict {
  readonly stage: Stage;
  readonly reply: PeerReply;
}

/** What a session asks of its connection. */
export interface ClientHost {
  send(text: string, utf8: boolean): void;
  /** Send the content in the plan's form, with the end of data when it is DATA; then `contentSent`. */
  sendContent(plan: TransactionPlan): void;
  /** Begin TLS, nothing is left unread; then `ClientSession.secured`, or the connection is gone. */
  startTls(): void;
  /** Get a bearer token; then `ClientSession.tokenReady`. */
  fetchToken(): void;
  /** TLS was asked for and cannot be had. With `required`, `over` follows. */
  tlsMissing(kind: 'starttls-not-supported' | 'validation-failure', reason: string): void;
  /** The session goes on without TLS. */
  clear(reason: string): void;
  /** Greeted, secured and authenticated as far as that was asked for: transactions may begin. */
  greeted(): void;
  /** The transaction is over: a verdict per recipient. The session is idle again, or no longer `usable`. */
  finished(verdicts: readonly Verdict[]): void;
  /** The session is over; nothing is under way. `reply`: the peer's last word, null when it broke the protocol. */
  over(reason: string, reply: PeerReply | null, fault?: SessionFault): void;
}

/** What is wrong beyond a host that does not answer well. */
export interface SessionFault {
  /**
   * `credentials`: they are refused or of no use, which only we can mend; `source`: where the connection was to leave
   * from failed, which says nothing of the host.
   */
  readonly kind: 'tls' | 'credentials' | 'temporary' | 'source';
  /** For mail that has to wait for it. */
  readonly enhanced: string;
}

/** How a session is opened. */
export interface SessionSecurity {
  /** `implicit`: TLS stands before the greeting. */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit';
  /** Who we are to the host; null: it is not asked. */
  readonly credentials: ClientCredentials | null;
}

export interface ClientSessionOptions {
  /** Name for EHLO. */
  readonly hostname: string;
  /** Longest wait for a reply, ms. */
  readonly replyTimeout: number;
  /** Longest wait for the reply to the content, ms (RFC 5321 section 4.5.3.2.6: 10 minutes). */
  readonly dataTimeout: number;
  /** Longest time for a TLS handshake, ms. */
  readonly tlsTimeout: number;
}
