/**
 * Live events over the control socket: a line of JSON each, until the client goes away.
 *
 * Bounded: a client that does not read misses events, and is told how many before the next one. Empty lines between show
 * that the connection lives; what a client sends meanwhile is not looked at.
 */
import type { Duplex } from 'node:stream';
import { canonicalFilter, type EventFilter, fits } from '../telemetry/event-filter.js';
import type { MailEventListener } from '../telemetry/mail-event.js';

export type Subscribe = (listener: MailEventListener) => () => void;

/** Bytes that wait for a client. */
const BACKLOG = 1024 * 1024;
/** Between empty lines, ms: silent connections are closed after five minutes. */
const SIGN_OF_LIFE = 60_000;

/** Resolves when the stream is closed. */
export function streamEvents(stream: Duplex, wanted: EventFilter, subscribe: Subscribe): Promise<void> {
  const filter = canonicalFilter(wanted);
  let missed = 0;
  const unsubscribe = subscribe((event) => {
    if (!fits(filter, event)) return;
    if (stream.writableLength > BACKLOG) {
      missed++;
      return;
    }
    if (missed > 0) stream.write(`${JSON.stringify({ kind: 'dropped-events', count: missed })}\n`);
    missed = 0;
    stream.write(`${JSON.stringify(event)}\n`);
  });
  const life = setInterval(() => stream.write('\n'), SIGN_OF_LIFE);
  return new Promise((resolve) => {
    const end = (): void => {
      clearInterval(life);
      unsubscribe();
      resolve();
    };
    // The end of what it sends is the end of its interest.
    stream.resume();
    stream.on('end', end);
    stream.on('close', end);
    if (stream.destroyed) end();
  });
}
