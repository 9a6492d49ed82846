/**
 * What came back to a bounce address, in plain data.
 */
import type { Fields } from './report-fields.js';

/** One recipient that a delivery report speaks of. */
export interface ReportedRecipient {
  readonly action: 'failed' | 'delayed' | 'other';
  /** Status code (RFC 3463), '' when there is none. */
  readonly status: string;
  /** What the other side said, from its code on; '' when nothing. */
  readonly diagnostic: string;
  /** Addresses it may be about: as it was sent to first, then as it was in the end. */
  readonly addresses: readonly string[];
}

/** The header of the message that a report speaks of, as far as it came back. */
export type ReturnedHeader = Fields;

export type Report =
  | {
      readonly kind: 'delivery';
      /** Name of the host that reports, '' when it does not say. */
      readonly reporter: string;
      readonly recipients: readonly ReportedRecipient[];
      readonly returned: ReturnedHeader;
    }
  | {
      readonly kind: 'complaint';
      /** Feedback-Type: `abuse`, `fraud`, `virus`, `not-spam`, `auth-failure`, `other` ... in lower case. */
      readonly type: string;
      readonly reporter: string;
      /** Original-Mail-From, '' when absent. */
      readonly mailFrom: string;
      readonly addresses: readonly string[];
      readonly returned: ReturnedHeader;
    }
  /** An answer by a machine, or anything else: nothing to book. */
  | { readonly kind: 'reply'; readonly subject: string }
  | { readonly kind: 'unknown'; readonly subject: string };
