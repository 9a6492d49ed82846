/**
 * Why mail was refused, in the words of the field.
 */

export const BOUNCE_CATEGORIES = [
  'bad-mailbox',
  'bad-domain',
  'inactive-mailbox',
  'mailbox-full',
  'policy',
  'spam-content',
  'spam-block',
  'virus',
  'authentication',
  'tls-required',
  'message-too-large',
  'content',
  'relaying-denied',
  'rate-limited',
  'greylisted',
  'quota',
  'no-answer',
  'routing',
  'protocol',
  'expired',
  'suppressed',
  'operator',
  'other',
] as const;

export type BounceCategory = (typeof BOUNCE_CATEGORIES)[number];

export interface Bounce {
  readonly category: BounceCategory;
  /** Hard: this address will not do; soft: the address may be good. */
  readonly hard: boolean;
}

/** The categories in which the address itself is at fault: nothing that we or the next hop do can mend it. */
const ADDRESS_FAULTS: ReadonlySet<BounceCategory> = new Set(['bad-mailbox', 'bad-domain', 'inactive-mailbox']);

export function isAddressFault(category: BounceCategory): boolean {
  return ADDRESS_FAULTS.has(category);
}
