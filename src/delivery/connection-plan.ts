/**
 * What a connection to a next hop is made for, and what its owner is told of it.
 */
import type { DeliveryJob } from '../queue/queued-message.js';
import type { ClientSessionOptions, SessionFault, Verdict } from '../smtp/client-host.js';
import type { PeerReply } from '../smtp/reply-parser.js';
import type { DestinationPool } from './destination-pool.js';
import type { EgressPool, EgressSource } from './egress.js';
import type { HostState } from './host-state.js';
import type { ReturnPath } from './return-path.js';
import type { SiteHost } from './site.js';
import type { TlsResult } from './tls-policy.js';
import type { PlanRefusal } from './transaction-plan.js';
import type { UpstreamConnection } from './upstream-connection.js';

export interface ConnectionOwner {
  ready(connection: UpstreamConnection): void;
  /** The next hop decided: a verdict for each recipient of the job. */
  jobDone(connection: UpstreamConnection, job: DeliveryJob, verdicts: readonly Verdict[]): void;
  /** The job cannot go to this host as it is. */
  jobRefused(connection: UpstreamConnection, job: DeliveryJob, refusal: PlanRefusal): void;
  /** The connection ended with the job under way. `untouched`: nothing of it was answered on a kept connection. */
  jobLost(
    connection: UpstreamConnection,
    job: DeliveryJob,
    reason: string,
    untouched: boolean,
    uncertain: boolean,
  ): void;
  /** The content could not be read from the spool. */
  jobUnreadable(connection: UpstreamConnection, job: DeliveryJob, error: unknown): void;
  /** It says goodbye: no more jobs for it. */
  leaving(connection: UpstreamConnection): void;
  /** How it came to TLS, or did not. */
  tlsResult(connection: UpstreamConnection, result: TlsResult): void;
  gone(connection: UpstreamConnection, reason: string, reply: PeerReply | null, fault?: SessionFault): void;
}

export interface ConnectionOptions extends ClientSessionOptions {
  /** Longest wait for the connection itself, ms. */
  readonly connectTimeout: number;
}

/** Where a connection goes, from where, and for whom. */
export interface ConnectionPlan {
  /** With the address to dial. */
  readonly host: SiteHost;
  readonly state: HostState;
  /** Connections to one host with equal keys may stand for one another. */
  readonly key: string;
  readonly pool: DestinationPool;
  /** Name of the site. */
  readonly site: string;
  readonly egress: EgressPool | null;
  readonly source: EgressSource | null;
  /** Reverse-paths of our own (VERP). */
  readonly returnPath: ReturnPath | undefined;
  /** Why it is in the clear although TLS was to be tried, '' when it is tried. */
  readonly clearReason: string;
  /** It is made for an immediate job. */
  readonly urgent: boolean;
}
