/**
 * Where mail of a transparent listener goes: to the very host and port that its client meant, as `host/192.0.2.1:25`. To
 * limits, suspensions and listings it is a destination like that of a route to a fixed host.
 */
import type { Envelope } from '../message/envelope.js';
import { originalDestinationOf } from '../message/original-destination.js';
import { formatDestination } from './destination.js';

/** The key of the destination of such mail. `egress`: pool of sources, '' for none. */
export function transparentDestination({ handling, tlsOptional }: Envelope, egress: string): string {
  const name = originalDestinationOf(handling);
  return formatDestination({ kind: 'host', name, egress, tlsOptional: tlsOptional === true });
}
