/**
 * Reverse-paths that tell which recipient a bounce is about (VERP): the interface between delivery and who makes them.
 */
import type { Envelope } from '../message/envelope.js';

export interface ReturnPath {
  /** Each recipient of this message needs a transaction of its own. */
  appliesTo(envelope: Envelope): boolean;
  /** The reverse-path to send with for one recipient. Only where it applies. */
  of(envelope: Envelope, recipient: number): string;
}
