/**
 * The trace that a message belongs to: kept with it as a field of its handling, over deferrals and restarts.
 *
 * A submitter names its own trace by a header field `traceparent` (W3C Trace Context). It is looked at in submissions
 * only, and taken out of every submission, whether traces are made or not: it tells of the inside of somebody's house.
 * Mail that others send through us keeps what it has.
 */
import type { CapturedFields } from '../../workers/contract.js';
import type { Handling } from './envelope.js';

/** In the handling: trace, span of the message, span it is below, begin. */
export const TRACE_FIELD = 'sluice-trace';
export const TRACEPARENT = 'Traceparent';
/** What goes out of submissions with it. */
export const TRACE_HEADERS: readonly string[] = [TRACEPARENT, 'Tracestate'];

/** The handling with its trace, '' for none. A header field of that name says nothing. */
export function withTrace(handling: Handling, trace: string): Handling {
  if (trace !== '') return { ...handling, fields: { ...handling.fields, [TRACE_FIELD]: trace } };
  if (!(TRACE_FIELD in handling.fields)) return handling;
  const { [TRACE_FIELD]: _claimed, ...fields } = handling.fields;
  return { ...handling, fields };
}

/** What a submitter says is its trace, '' when nothing. */
export function traceparentOf(fields: CapturedFields | undefined): string {
  return fields?.['traceparent'] ?? '';
}
