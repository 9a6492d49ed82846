/**
 * What an algorithm is asked and told. All run in the same engine: one queue, kept connections, dials while mail waits.
 * A host that cannot be reached is left alone for 5 s, doubling up to 30 s, by all of them: any proxy does as much.
 */

import type { NextHopModel } from './next-hop.js';
import type { Random } from './random.js';

export type Result = 'delivered' | 'deferred' | 'lost';

/** Connections of one host; the engine keeps them. */
export interface Places {
  /** Being made and made. */
  readonly slots: { connections: number };
  /** Made and without a message. */
  readonly idle: number[];
}

export interface Chooser {
  readonly places: readonly Places[];
  /** The host for the next message, which has an idle connection or may get one more; -1: none now. */
  pick(now: number, mayDial: boolean): number;
  /** A connection of the host that became free may take the next message. */
  mayTake(host: number, now: number): boolean;
  began(host: number, now: number): void;
  ended(host: number, result: Result, ms: number, now: number): void;
  connected(host: number, ms: number, now: number): void;
  refused(host: number, begunAt: number, now: number): void;
  /** When to ask again after -1; Infinity: something else will happen. */
  askAgain(now: number): number;
}

export interface Algorithm {
  readonly name: string;
  create(models: readonly NextHopModel[], random: Random): Chooser;
}

/** How long a host that could not be reached is left alone at first and at most, ms (as the engine's own). */
export const FIRST_REST = 5000;
export const LONGEST_REST = 30_000;
