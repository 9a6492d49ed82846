/**
 * What happens to mail, as listeners outside of the engine hear of it: the history, webhooks, WebSockets, traces.
 *
 * Contract: plain data, JSON-safe, not changed after it was told. Listeners are called in the turn in which it happens,
 * in the order in which it happens for each message; they must not throw, wait, or keep what they are given without a
 * bound. While nobody listens nothing is built.
 */

import type { MailTracer } from './mail-tracer.js';

/** How one attempt at the next hop went. */
export interface AttemptFacts {
  readonly host: string;
  /** `address:port`. */
  readonly address: string;
  /** Version and cipher, '' in the clear. */
  readonly tls: string;
  /** From the first command to the last reply, ms. */
  readonly ms: number;
}

interface MessageFacts {
  /** Wall clock, ms since the epoch. */
  readonly at: number;
  /** Shown queue id. */
  readonly id: string;
  readonly sender: string;
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly lane: string;
}

/** Durable and answered. */
export interface AcceptedMail extends MessageFacts {
  readonly kind: 'accepted';
  readonly recipients: readonly string[];
  /** Bytes of the content. */
  readonly size: number;
  readonly account: string;
  readonly client: string;
  /** As in Received: ESMTPSA, HTTP, LOCAL ... */
  readonly protocol: string;
  /** Of the client's connection, '' in the clear. */
  readonly tls: string;
  /** Keys it was signed with, `domain/selector`. */
  readonly signed: readonly string[];
}

/** What became of one recipient: `deferred` goes on, all others are ends. */
export interface RecipientOutcome extends MessageFacts {
  readonly kind: 'delivered' | 'deferred' | 'bounced' | 'expired' | 'dropped';
  readonly recipient: string;
  /** The whole reply, or the reason in words. */
  readonly reply: string;
  /** Enhanced status code (RFC 3463). */
  readonly dsn: string;
  /** Of a refusal, as outcomes/bounce-category.ts has it, '' when it is none. */
  readonly category: string;
  /** Times the message was tried. */
  readonly attempts: number;
  /** Since it was accepted, ms. */
  readonly delay: number;
  /** When it is tried next, wall clock; 0 for ends. */
  readonly due: number;
  /** null: no next hop was reached. */
  readonly attempt: AttemptFacts | null;
}

/** Something came back after the mail had been taken. */
export interface ReturnedMail {
  readonly kind: 'complained' | 'returned';
  readonly at: number;
  /** Of the message it is about, '' when not known. */
  readonly id: string;
  readonly recipient: string;
  readonly tenant: string;
  /** What was told of it, in words. */
  readonly reply: string;
  readonly category: string;
  /** The report proved that it is about mail of ours. */
  readonly verified: boolean;
}

/** Mail is kept waiting from now on, or goes on. */
export interface OrderGiven {
  readonly kind: 'suspended' | 'resumed';
  readonly at: number;
  readonly order: string;
  readonly domain: string;
  readonly tenant: string;
  readonly pool: string;
  readonly campaign: string;
  readonly reason: string;
  readonly by: 'operator' | 'rule';
  /** Wall clock, 0: without an end. */
  readonly until: number;
}

export type MailEvent = AcceptedMail | RecipientOutcome | ReturnedMail | OrderGiven;
export type MailEventKind = MailEvent['kind'];

export type MailEventListener = (event: MailEvent) => void;

/** Passes events on to all that listen now. Lives with the process; an engine that starts anew goes on telling it. */
export class MailEvents {
  /** Who makes traces of messages; set before the engine starts. */
  tracer: MailTracer | null = null;
  private listeners: readonly MailEventListener[] = [];

  /** Somebody listens: without that events need not be built. */
  get wanted(): boolean {
    return this.listeners.length > 0;
  }

  /** Listens until what is given back is called. */
  subscribe(listener: MailEventListener): () => void {
    this.listeners = [...this.listeners, listener];
    return () => {
      this.listeners = this.listeners.filter((one) => one !== listener);
    };
  }

  tell(event: MailEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
