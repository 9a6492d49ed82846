/**
 * What is suspended by an operator or a rule, and whom it concerns. The interface; who keeps them is tied in by app.ts.
 */
import type { Envelope } from '../message/envelope.js';

/** Whom a command concerns: all that is given must fit; '' fits everything. */
export interface Selector {
  /** Recipient domain, lower-case A-labels; `.example.org` for all below it. */
  readonly domain: string;
  readonly tenant: string;
  /** Egress pool or upstream group of the destination. */
  readonly pool: string;
  /** A tag of the message (`campaign`). */
  readonly campaign: string;
}

export interface Suspension {
  readonly id: string;
  readonly selector: Selector;
  readonly reason: string;
  /** Wall clock, ms since the epoch. */
  readonly since: number;
  /** Wall clock; 0: until it is resumed. */
  readonly until: number;
  readonly by: 'operator' | 'rule';
}

/** Asked for each job before it goes: cheap while there are none. */
export interface SuspensionCheck {
  /** How many there are; with 0 nothing is asked. */
  readonly size: number;
  /** The suspension that concerns a recipient's mail now. `destination`: the key. */
  match(envelope: Envelope, recipient: number, destination: string): Suspension | undefined;
}
