/**
 * What the shaping does to others and tells of itself. app.ts binds it.
 */
import type { Lesson } from './learner.js';

/** An action that a reply led to. */
export interface ShapingAction {
  readonly action: string;
  readonly site: string;
  readonly source: string;
  readonly tenant: string;
  /** For how long, ms. */
  readonly ms: number;
  /** The rule and the reply, in words. */
  readonly reason: string;
}

export interface ShapingEvents {
  /** A limit was learnt at a site for a source, or is no longer. */
  learnt(site: string, source: string, lesson: Lesson): void;
  acted(action: ShapingAction): void;
}

/** What others do for it. */
export interface ShapingActions {
  /** This source not to this site for `ms`: the pools of sources take another. */
  pauseSource(source: string, site: string, ms: number, reason: string, now: number): void;
  /** Nothing of this tenant anywhere for `ms`. False: it is suspended already. */
  suspendTenant(tenant: string, ms: number, reason: string): boolean;
}
