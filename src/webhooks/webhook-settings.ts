/**
 * One [[webhook]] of the configuration file.
 */
import type { EventFilter } from '../telemetry/event-filter.js';

export interface WebhookSettings {
  readonly name: string;
  readonly url: string;
  /** `whsec_` and base64; the first is the one in use, others are still signed with. */
  readonly secrets: readonly string[];
  /** A file with a secret a line; '' for none. */
  readonly secretFile: string;
  readonly filter: EventFilter;
  /** Events of one request at most. */
  readonly batch: number;
  /** How long an event may wait for others, ms. */
  readonly delay: number;
  /** For an answer, ms. */
  readonly timeout: number;
  /** An event that could not be told for so long is dropped, ms. */
  readonly maxAge: number;
  /** Of events that wait; beyond it the oldest are dropped. */
  readonly maxBytes: number;
}

/** With its secrets read. */
export type ReadyWebhook = Omit<WebhookSettings, 'secrets' | 'secretFile'> & { readonly keys: readonly Buffer[] };
