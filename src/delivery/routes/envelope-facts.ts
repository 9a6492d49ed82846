/**
 * A message's envelope as routes look at it. One object is used for all messages: it costs none of them an allocation.
 */
import type { Envelope, Lane } from '../../message/envelope.js';
import type { RouteFacts } from './compiled-route.js';

export class EnvelopeFacts implements RouteFacts {
  private envelope!: Envelope;

  /** Itself, about this message until the next call. */
  of(envelope: Envelope): this {
    this.envelope = envelope;
    return this;
  }

  get sender(): string {
    return this.envelope.sender;
  }

  get account(): string {
    return this.envelope.account;
  }

  get tenant(): string {
    return this.envelope.handling.tenant;
  }

  get listener(): string {
    return this.envelope.handling.listener;
  }

  get client(): string {
    return this.envelope.origin.clientAddress;
  }

  get lane(): Lane {
    return this.envelope.handling.lane;
  }

  get tags(): readonly string[] {
    return this.envelope.handling.tags;
  }

  get fields(): Readonly<Record<string, string>> {
    return this.envelope.handling.fields;
  }
}
