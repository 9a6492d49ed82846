/**
 * What became of a recipient in one attempt. The queue decides by `kind` alone; the rest is for logs, the spool and
 * notifications.
 */
import type { AttemptFacts } from '../telemetry/mail-event.js';

export type OutcomeKind = 'delivered' | 'deferred' | 'failed';

export interface Outcome {
  readonly kind: OutcomeKind;
  /** The next hop's reply on one line, or the reason in words when there was none. */
  readonly reply: string;
  /** Enhanced status code (RFC 3463), from the reply or for the reason. */
  readonly enhanced: string;
  /** Name of the host that answered or was tried, '' when none was. */
  readonly host: string;
  /**
   * Delivered to a host that will not notify, so that a notice of it is ours to send (RFC 3461 section 5.2.2, RFC 2852
   * section 4.1).
   */
  readonly relayed: boolean;
  /**
   * Nothing was tried, it only has to wait (a suspension, a quota): due again at that time, engine clock ms, and no
   * attempt is counted. With `deferred` only.
   */
  readonly putOff?: number;
  /** How it came about, for those who listen to events; not stored. */
  attempt?: AttemptFacts;
}
