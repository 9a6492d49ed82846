/**
 * What a ServerSession asks of its surroundings. The session has no sockets, timers or policy of its own: it turns bytes
 * and a time into calls on this interface, all synchronous except the end of a message (`accept`), which is answered by
 * `ServerSession.finish`.
 */
import type { BodyType, ContentFacts, Recipient, ReturnContent } from '../message/envelope.js';
import type { Reply } from './replies.js';

/** The body of the message being received; BodyBuffer is one. */
export interface BodySink {
  readonly length: number;
  /** False: memory has run out. */
  append(source: Uint8Array, start: number, end: number): boolean;
  release(): void;
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
  /** Protocol keyword for Received: SMTP, ESMTP, UTF8SMTP. */
  readonly protocol: string;
  readonly content: ContentFacts;
  readonly body: BodySink;
}

export interface ServerHost {
  /** Bytes for the client, in order. The connection gathers them and writes once per turn; it must not keep `bytes` unsent past that without copying only if they are mutable (they never are). */
  send(bytes: Uint8Array): void;
  /** Admission of a new transaction; `declaredSize` from SIZE=, 0 when absent. A reply refuses it. */
  admitMail(sender: string, declaredSize: number): Reply | null;
  /** Relay policy for one recipient: `domain` in lower-case ASCII (A-labels), '' for the bare postmaster, an address literal with its brackets. A reply refuses it. */
  admitRecipient(address: string, domain: string): Reply | null;
  /** A sink for the content, null when there is no memory (452 4.3.1). */
  openBody(): BodySink | null;
  /** The transaction is complete. The session waits (`waiting`) and consumes nothing until `finish` is called on it. */
  accept(transaction: Transaction): void;
  /** Everything sent is the last: write it out and close. */
  close(): void;
}
