/**
 * What events look at of the engine's objects: telemetry knows none of the rooms that tell it.
 */
import type { QueueId } from '../core/queue-id.js';
import type { AttemptFacts } from './mail-event.js';

export interface EnvelopeLike {
  readonly id: QueueId;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string }[];
  readonly receivedAt: number;
  readonly account: string;
  readonly handling: {
    readonly tenant: string;
    readonly tags: readonly string[];
    readonly lane: string;
    readonly holdUntil: number;
    readonly fields: Readonly<Record<string, string>>;
  };
  readonly origin: {
    readonly clientAddress: string;
    readonly helo: string;
    readonly protocol: string;
    readonly tls: string;
  };
  readonly content: { readonly size: number };
}

export interface MessageLike {
  readonly id: QueueId;
  readonly envelope: EnvelopeLike;
  readonly attempts: number;
  /** Engine clock ms, 0: not known. */
  readonly acknowledgedAt: number;
  isPending(recipient: number): boolean;
  stateOf(recipient: number): { readonly status: string };
}

export interface OutcomeLike {
  readonly kind: 'delivered' | 'deferred' | 'failed';
  readonly reply: string;
  readonly enhanced: string;
  readonly host: string;
  /** How it came about; set here when somebody wants to know. */
  attempt?: AttemptFacts;
}

export interface JobLike {
  readonly message: MessageLike;
  readonly recipients: readonly number[];
}

export interface TlsLike {
  readonly version: string;
  readonly cipher: string;
}

export interface HostLike {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export type TlsResultLike =
  | { readonly kind: 'secured' }
  | { readonly kind: 'failed'; readonly failure: { readonly kind: string; readonly reason: string } }
  | { readonly kind: 'clear'; readonly reason: string };
