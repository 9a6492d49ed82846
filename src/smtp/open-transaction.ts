/**
 * The mail transaction a session has open: envelope, content, and whose turn it is to be slow. It exists from MAIL (or
 * from a BDAT that has none) to its end, so that an idle session carries nothing of it.
 */
import type { Recipient } from '../message/envelope.js';
import type { ChunkReceiver } from './chunk-receiver.js';
import { ContentReceiver } from './content-receiver.js';
import type { MailArguments } from './parameters.js';
import type { BodySink, ServerHost, Transaction } from './server-host.js';
import type { ServerSessionOptions } from './server-options.js';

export class OpenTransaction {
  readonly mail: MailArguments;
  readonly recipients: Recipient[] = [];
  /** Owned until it is handed over or released. */
  content: ContentReceiver | null = null;
  /** Engine time at which the content began, ms. */
  contentSince = 0;

  constructor(mail: MailArguments) {
    this.mail = mail;
  }

  /** Content begins with DATA, `body` is for it. */
  beginData(options: ServerSessionOptions, body: BodySink, now: number): void {
    this.content = new ContentReceiver(options, 'wire', this.mail.bodyType, body);
    this.contentSince = now;
  }

  /** Content of BDAT chunks, begun if need be. */
  chunkedContent(options: ServerSessionOptions, host: ServerHost, now: number): ContentReceiver {
    if (this.content === null) {
      this.content = new ContentReceiver(options, 'plain', this.mail.bodyType, host.openBody());
      this.contentSince = now;
    }
    return this.content;
  }

  /** The finished transaction; the body changes hands. */
  handOver(content: ContentReceiver, helo: string, extended: boolean): Transaction {
    const { sender, bodyType, smtpUtf8, ret, envelopeId, priority } = this.mail;
    this.content = null;
    return {
      sender,
      recipients: this.recipients,
      bodyType,
      smtpUtf8,
      ret,
      envelopeId,
      priority,
      helo,
      // RFC 3848 and RFC 6531 section 4.3.
      protocol: smtpUtf8 ? 'UTF8SMTP' : extended ? 'ESMTP' : 'SMTP',
      tls: '',
      account: '',
      requireTls: false,
      content: content.facts(),
      body: content.take(),
    };
  }

  /** Gives the memory of the content back. */
  release(): void {
    this.content?.release();
    this.content = null;
  }
}

/**
 * The end of patience while content comes: `patience` ms after the last of it, or when the whole came too slowly
 * (`dataTimeout`, and after that `minDataRate` on average), whichever is first. A byte a second does not hold a session.
 */
export function contentDeadline(
  options: ServerSessionOptions,
  now: number,
  patience: number,
  since: number,
  received: number,
): number {
  const { dataTimeout, minDataRate } = options;
  const silence = now + patience;
  return minDataRate === 0 ? silence : Math.min(silence, since + dataTimeout + (received * 1000) / minDataRate);
}

/** Bytes that count for the deadline of what is being received. */
export function receivedSoFar(chunk: ChunkReceiver | null, transaction: OpenTransaction | null): number {
  return (chunk ?? transaction?.content)?.received ?? 0;
}
