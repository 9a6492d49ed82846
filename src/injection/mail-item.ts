/**
 * One message as an application hands it in: what it says of itself, or its bytes.
 *
 * Contract: shapes only. Whoever fills them has seen to the types; what the texts say is judged by injector.ts.
 */

/** What goes with a message whatever its form. */
export interface ItemOptions {
  /** Reverse-path in place of `from`; '' is the null sender. */
  readonly mailFrom?: string | undefined;
  readonly lane?: 'immediate' | 'bulk' | undefined;
  readonly tenant?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  /** One more tag. */
  readonly campaign?: string | undefined;
  /** Seconds. */
  readonly holdFor?: number | undefined;
  /** Date-time of RFC 3339. */
  readonly holdUntil?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

export interface Attachment {
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  /** Base64. */
  readonly content: string;
  readonly cid?: string | undefined;
  readonly disposition?: 'attachment' | 'inline' | undefined;
}

/** A message to be composed. Addresses: `a@x` or `Ann <a@x>`. */
export interface ComposedItem extends ItemOptions {
  readonly from: string;
  readonly to?: string | readonly string[] | undefined;
  readonly cc?: string | readonly string[] | undefined;
  /** Recipients that no header names. */
  readonly bcc?: string | readonly string[] | undefined;
  readonly replyTo?: string | readonly string[] | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
}

/** A message as it is to go (RFC 5322). */
export interface RawItem extends ItemOptions {
  /** Not given: the address of From. */
  readonly mailFrom?: string | undefined;
  /** Not given: the addresses of To, Cc and Bcc. */
  readonly rcptTo?: string | readonly string[] | undefined;
  /** Base64, or the bytes. */
  readonly raw: string | Buffer;
}

export type MailItem = ComposedItem | RawItem;

/** From whom items come. */
export interface ItemClient {
  readonly address: string;
  /** Keyword for Received. */
  readonly protocol: 'HTTP' | 'HTTPS';
  /** Of the whole request, '' for none. */
  readonly idempotencyKey: string;
  /** Tells requests apart that come under one key; only looked at where there is one. */
  readonly digest: () => Buffer;
  /** W3C trace context, '' for none. */
  readonly traceparent: string;
}

/** What became of a recipient that was not taken. */
export interface RefusedRecipient {
  readonly recipient: string;
  /** Code, enhanced code and words as SMTP has them. */
  readonly reply: string;
}

/** Why an item was not taken. `status` is HTTP's. */
export interface Refusal {
  readonly status: number;
  /** Stable word for its kind. */
  readonly code: string;
  readonly detail: string;
  /** As SMTP would answer, '' where it would not. */
  readonly reply: string;
}

/** What became of an item. */
export type ItemOutcome =
  | {
      /** Queue id. */
      readonly id: string;
      /** Its recipients that get nothing; empty: all get it. */
      readonly refused: readonly RefusedRecipient[];
      /** It was taken by an earlier request of the same key. */
      readonly repeated: boolean;
    }
  | Refusal;

/** Takes mail in. */
export interface MailInjector {
  /**
   * Resolves when each item is durable or refused, in their order. Never rejects. A Refusal among `items` is one that was
   * found wanting before.
   */
  submit(client: ItemClient, items: readonly (MailItem | Refusal)[]): Promise<readonly ItemOutcome[]>;
}
