/**
 * What a ServerSession asks of its surroundings. The session has no sockets, timers or policy of its own: it turns bytes
 * and a time into calls on this interface, all synchronous except the end of a message (`accept`), which is answered by
 * `ServerSession.finish`, questions about credentials, and recipients that are decided later.
 */
import type { BodyType, ContentFacts, Recipient, ReturnContent } from '../message/envelope.js';
import type { AuthQuestion, ClientCertificate } from './authentication.js';
import type { Reply } from './replies.js';

/** The TLS session under a connection. */
export interface TlsFacts {
  /** As OpenSSL names it: `TLSv1.3`. */
  readonly version: string;
  /** IANA name: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /** Verified against SLUICE_TLS_CLIENT_CA; null: none was given, or it was not verified. */
  readonly clientCertificate: ClientCertificate | null;
  /** The certificate carries the right to relay. */
  readonly mayRelay: boolean;
  /** Data of the channel binding `tls-exporter` (RFC 9266), null where there is none (TLS 1.2). */
  channelBinding(): Buffer | null;
}

/** The body of the message being received; BodyBuffer is one. */
export interface BodySink {
  readonly length: number;
  /** False: memory has run out. */
  append(source: Uint8Array, start: number, end: number): boolean;
  release(): void;
}

/** DELIVERBY (RFC 2852) of a finished transaction. */
export interface DeliverWithin {
  /** From its end, or from its release where it is held, ms; 0 or less: the time has come already (mode `N`). */
  readonly within: number;
  readonly mode: 'R' | 'N';
  readonly trace: boolean;
}

/** A finished transaction. Ownership of `body` passes to the host. */
export interface Transaction {
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  readonly ret: ReturnContent;
  readonly envelopeId: string;
  readonly priority: number;
  readonly helo: string;
  /** Protocol keyword for Received: SMTP, ESMTP, ESMTPSA, UTF8SMTPSA ... (RFC 3848, RFC 6531). */
  readonly protocol: string;
  /** TLS version and cipher for Received, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; '' without TLS. */
  readonly tls: string;
  /** Name of the authenticated account, '' when there is none. */
  readonly account: string;
  /** REQUIRETLS was given with MAIL (RFC 8689). */
  readonly requireTls: boolean;
  /** FUTURERELEASE (RFC 4865): how long to hold it from its end, ms; 0: not. Relative, as threads have clocks of their own. */
  readonly holdFor: number;
  readonly deliverBy: DeliverWithin | null;
  /** From the first byte of the content to its last, ms; absent: not known. */
  readonly contentTime?: number;
  readonly content: ContentFacts;
  readonly body: BodySink;
}

export interface ServerHost {
  /** Bytes for the client, in order. The connection gathers them and writes once per turn; it must not keep `bytes` unsent past that without copying only if they are mutable (they never are). */
  send(bytes: Uint8Array): void;
  /** Admission of a new transaction; `declaredSize` from SIZE=, 0 when absent. A reply refuses it. */
  admitMail(sender: string, declaredSize: number): Reply | null;
  /**
   * Relay policy for one recipient: `domain` in lower-case ASCII (A-labels), '' for the bare postmaster, an address literal
   * with its brackets. A reply refuses it, null takes it. `later`: the session consumes nothing until `recipientDecided`
   * is called on it with `question`, not within this call: within a turn or after seconds. Past `decisionTimeout` the
   * recipient is answered 451, and a decision that comes after that is for nothing.
   */
  admitRecipient(address: string, domain: string, question: number): Reply | null | 'later';
  /** A sink for the content, null when there is no memory (452 4.3.1). */
  openBody(): BodySink | null;
  /** The transaction is complete. The session waits (`waiting`) and consumes nothing until `finish` is called on it. */
  accept(transaction: Transaction): void;
  /** Whether TLS can begin now; false (no certificate, no thread, no descriptor) is answered 454. */
  tlsAvailable(): boolean;
  /**
   * STARTTLS was answered 220: write that out and begin TLS. The session consumes nothing and drops what is fed until
   * `secured` is called on it; a connection whose handshake fails is closed. Or the connection goes on elsewhere: then
   * this session is aborted, and the one that is made there with the facts of TLS and `carried` does not greet.
   */
  startTls(): void;
  /** A question about credentials. The session consumes nothing until `answered` is called on it. */
  authenticate(question: AuthQuestion): void;
  /** Everything sent is the last: write it out and close. */
  close(): void;
}
