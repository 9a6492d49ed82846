/**
 * How long the content of a message may take (SLUICE_DATA_TIMEOUT and the rate below which a sender is cut off).
 */
import type { ChunkReceiver } from './chunk-receiver.js';
import type { OpenTransaction } from './open-transaction.js';
import type { ServerSessionOptions } from './server-options.js';

/**
 * The end of patience while content comes: `patience` ms after the last of it, or when the whole came too slowly
 * (`dataTimeout`, and after that `minDataRate` on average), whichever is first. A byte a second does not hold a session.
 */
export function contentDeadline(
  options: ServerSessionOptions,
  now: number,
  patience: number,
  since: number,
  received: number,
): number {
  const { dataTimeout, minDataRate } = options;
  const silence = now + patience;
  return minDataRate === 0 ? silence : Math.min(silence, since + dataTimeout + (received * 1000) / minDataRate);
}

/** Bytes that count for the deadline of what is being received. */
export function receivedSoFar(chunk: ChunkReceiver | null, transaction: OpenTransaction | null): number {
  return (chunk ?? transaction?.content)?.received ?? 0;
}
