/**
 * Why something does not go now: for waiting until the right moment, and for telling the operator (`sluice why`).
 */

/** What holds it back. */
export type WaitKind =
  /** An operator or a rule suspended it; `held`: this one message. */
  | 'suspended'
  | 'held'
  /** A time: the next attempt, FUTURERELEASE. */
  | 'schedule'
  /** Ready mail beyond the memory for it. */
  | 'memory'
  /** Others of its lane or tenant are before it, or every connection is busy. */
  | 'turn'
  | 'connections'
  /** A limit of messages, recipients, bytes or new connections in a time. */
  | 'rate'
  /** A quota or warm-up schedule of a day. */
  | 'quota'
  /** The next hop asked for less. */
  | 'throttled'
  /** A host that failed is left alone. */
  | 'breaker'
  /** DNS, policies: where to is being found out. */
  | 'resolving';

export interface Wait {
  readonly kind: WaitKind;
  /** In words for an operator, naming the limit, rule or host: `site google.com: 100 messages a minute`. */
  readonly reason: string;
  /** When to ask again, engine clock ms; Infinity: something else will tell. */
  readonly until: number;
}
