/**
 * The mail transaction a session has open: envelope and content. It exists from MAIL (or
 * from a BDAT that has none) to its end, so that an idle session carries nothing of it.
 */
import type { Recipient } from '../message/envelope.js';
import type { ClientStanding } from './client-standing.js';
import { ContentReceiver } from './content-receiver.js';
import type { MailArguments } from './parameters.js';
import type { BodySink, DeliverWithin, ServerHost, Transaction } from './server-host.js';
import type { ServerSessionOptions } from './server-options.js';
import type { DeliverByTime } from './time-parameters.js';

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

  /** The finished transaction; the body changes hands. `now`: engine time, ms. */
  handOver(content: ContentReceiver, standing: ClientStanding, now: number): Transaction {
    const { sender, bodyType, smtpUtf8, ret, envelopeId, priority, requireTls, holdUntil, deliverBy } = this.mail;
    const { helo, tlsText, account } = standing;
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
      protocol: standing.protocol(smtpUtf8),
      tls: tlsText,
      account: account === null ? '' : account.name,
      requireTls,
      holdFor: Math.max(0, holdUntil - now),
      deliverBy: deliverBy === null ? null : remaining(deliverBy, holdUntil === 0 ? now : deliverBy.since),
      contentTime: now - this.contentSince,
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

/** What is left at `now` of the time for delivery; that of a message that is held begins with its release. */
function remaining({ within, since, mode, trace }: DeliverByTime, now: number): DeliverWithin {
  return { within: within - (now - since), mode, trace };
}
