/**
 * What the control plane tells of messages past and present: shapes only, JSON-safe. Times are wall clock, ms since 1970;
 * 0 and '' : none.
 */

/** `queued`: taken, and not tried yet or not known to have been. */
export const RECIPIENT_STATUSES = [
  'queued',
  'delivered',
  'deferred',
  'bounced',
  'expired',
  'dropped',
  'complained',
  'returned',
] as const;
export type RecipientStatus = (typeof RECIPIENT_STATUSES)[number];

/** What is asked; at least a recipient, sender, tag, or a time is given. */
export interface MessageQuestion {
  readonly recipient: string;
  readonly sender: string;
  readonly tag: string;
  readonly tenant: string;
  /** When the message was accepted. */
  readonly since: number;
  readonly until: number;
  /** A recipient is in this state now. */
  readonly status: RecipientStatus | '';
  readonly limit: number;
  /** `next` of the page before. */
  readonly after: string;
}

/** The last that is known of a recipient. */
export interface RecipientState {
  readonly address: string;
  readonly status: RecipientStatus;
  readonly at: number;
  readonly reply: string;
  readonly dsn: string;
  readonly category: string;
  readonly host: string;
  readonly attempts: number;
  readonly due: number;
}

export interface MessageSummary {
  readonly id: string;
  readonly sender: string;
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly lane: string;
  readonly size: number;
  readonly acceptedAt: number;
  /** Of all; a page may show the first of them only. */
  readonly recipientCount: number;
  readonly recipients: readonly RecipientState[];
  /** false: not all of the history was read for it. */
  readonly complete: boolean;
}

export interface MessagePageReport {
  readonly items: readonly MessageSummary[];
  /** What to give as `after`, null at the end. A page may have fewer messages than asked for and a next one. */
  readonly next: string | null;
}

/** One thing that happened. */
export interface TimelineEntry {
  readonly at: number;
  readonly kind: 'accepted' | 'signed' | Exclude<RecipientStatus, 'queued'>;
  /** '' : it is about all. */
  readonly recipient: string;
  /** The whole reply of a host, or words. */
  readonly reply: string;
  readonly dsn: string;
  readonly category: string;
  readonly attempts: number;
  /** Since the message was accepted, ms. */
  readonly delay: number;
  readonly due: number;
  /** null: no host was reached. */
  readonly attempt: {
    readonly host: string;
    readonly address: string;
    readonly tls: string;
    readonly ms: number;
  } | null;
}

/** What of an address is to go. */
export interface ErasureOrder {
  readonly address: string;
  /** Only what is of this tenant, '' : of all. */
  readonly tenant: string;
  /** Its entries of the suppression list too. */
  readonly suppression: boolean;
}

/** How far an erasure is. It goes on over a restart, under another id. */
export interface ErasureReport extends ErasureOrder {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed';
  /** Why it failed; it may be ordered again at any time. */
  readonly problem: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Parts of the history that are done, and all. */
  readonly partsDone: number;
  readonly parts: number;
  /** Queued messages that it was taken out of, events of the history that went or were changed, entries, log lines. */
  readonly messages: number;
  readonly events: number;
  readonly suppressions: number;
  readonly logLines: number;
}

export interface MessageHistory extends MessageSummary {
  /** It is in the queue now. */
  readonly queued: boolean;
  readonly account: string;
  readonly client: string;
  readonly protocol: string;
  readonly tls: string;
  /** Keys it was signed with, `domain/selector`. */
  readonly signed: readonly string[];
  readonly timeline: readonly TimelineEntry[];
}
