/**
 * What the HTTP plane needs of the engine, handed to it by the app.
 */

import type { MailInjector } from '../../injection/mail-item.js';
import type { MailEventListener } from '../../telemetry/mail-event.js';
import type { EngineControl } from '../engine-control.js';

/** One setting as it is in effect; secrets are masked. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  /** `default`, `environment`, `.env`, or the path of a file. */
  readonly source: string;
}

/** A line of the audit log. */
export interface AuditReport {
  readonly seq: number;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly actor: string;
  readonly action: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly prev: string;
  readonly hash: string;
}

export interface Plane {
  readonly version: string;
  /** As that client may use it; undefined: the engine is starting, or opens its spool anew. `client`: its address. */
  control(client: string): EngineControl | undefined;
  /** Takes mail in; undefined as with `control`. */
  injector(): MailInjector | undefined;
  /** Why mail cannot be taken now, '' when it can. */
  notReady(): string;
  /** All metrics as text, of Prometheus or of OpenMetrics; '' while there are none. */
  metrics(openMetrics: boolean): string;
  config(): readonly ConfigEntry[];
  /** Entries of the audit log, oldest first. `since`: ms since the epoch. */
  audit(wanted: { readonly after: number; readonly since: number; readonly limit: number }): Promise<AuditReport[]>;
  /** Events of mail until what is given back is called. */
  subscribe(listener: MailEventListener): () => void;
  /** A request failed in a way that is a mistake of ours. */
  failed(path: string, error: unknown): void;
  /** A request did not show who sends it. */
  refused(client: string, reason: string): void;
}
