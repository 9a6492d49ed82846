/**
 * The queues of Postfix that Sluice's mail is told of by; `incoming`, `maildrop` and `corrupt` never hold any.
 */

export const QUEUE_NAMES = ['hold', 'active', 'deferred'] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];
/** All that may be named on a command line. */
export const KNOWN_QUEUES: readonly string[] = [...QUEUE_NAMES, 'incoming', 'maildrop', 'corrupt'];

/** The queue of a message by its state. */
export function queueOf(state: 'active' | 'deferred' | 'held'): QueueName {
  return state === 'held' ? 'hold' : state;
}
