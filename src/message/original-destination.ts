/**
 * Where mail of a transparent listener was going: kept with the message, as a field of its handling.
 *
 * The field has a name that routes may look at like one of the header. A header field of that name says nothing: what is
 * here is always what the listener found, or it is not here at all.
 */
import type { Handling } from './envelope.js';

export const ORIGINAL_DESTINATION = 'sluice-original-destination';

/** The handling with the host and port (`192.0.2.1:25`, `[2001:db8::1]:25`) that its client meant; '' : none but us. */
export function withOriginalDestination(handling: Handling, destination: string): Handling {
  if (destination !== '') return { ...handling, fields: { ...handling.fields, [ORIGINAL_DESTINATION]: destination } };
  if (!(ORIGINAL_DESTINATION in handling.fields)) return handling;
  const { [ORIGINAL_DESTINATION]: _claimed, ...fields } = handling.fields;
  return { ...handling, fields };
}

/** Host and port that the client meant, '' for none but us. */
export function originalDestinationOf({ fields }: Handling): string {
  return fields[ORIGINAL_DESTINATION] ?? '';
}
