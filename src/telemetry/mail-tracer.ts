/**
 * What the engine tells of each message's way to whoever makes traces of it. Times are engine clock, ms since the epoch.
 *
 * Contract: called in the turn in which it happens; must not throw or wait. Where nobody makes traces there is no tracer,
 * and nothing is built or measured.
 */
import type { EnvelopeLike, HostLike, JobLike, MessageLike, OutcomeLike, TlsLike } from './event-shapes.js';

export interface AcceptTimes {
  /** The content began. */
  readonly begun: number;
  /** All of it was there. */
  readonly received: number;
  /** Its preparation began, and was over. */
  readonly preparing: number;
  readonly prepared: number;
  /** It was durable. */
  readonly committed: number;
}

export interface MailTracer {
  /** What is kept with a new message, '' for one that is not traced. `parent`: what its submitter says, '' for nothing. */
  begin(parent: string, begun: number): string;
  accepted(envelope: EnvelopeLike, times: AcceptTimes): void;
  /** One attempt at some of a message's recipients; `host` null: none was reached. `duration`: ms. */
  attempt(
    job: JobLike,
    outcomes: readonly OutcomeLike[],
    host: HostLike | null,
    duration: number,
    tls: TlsLike | null,
    now: number,
  ): void;
  /** Nothing is left to be done. `failed`: some recipient did not get it. */
  ended(message: MessageLike, failed: boolean, now: number): void;
}
