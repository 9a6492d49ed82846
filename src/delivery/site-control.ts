/**
 * What a site allows now, by its limits and by what was learnt of it. The interface between the pools and the shaping.
 *
 * A site is the mail hosts behind a destination under one name: the MX hosts of a provider rolled up, so that all domains
 * it serves share its limits; an upstream group; a fixed host. Pools of several destinations share one control.
 * Contract: `admit*` answers null and has booked it, or says what is in the way and books nothing; what was booked and
 * did not happen is given back by `refund`. Nothing here blocks or allocates on the way of a message that may go.
 */

import type { DeliveryJob } from '../queue/queued-message.js';
import type { Wait } from '../queue/wait.js';
import type { Verdict } from '../smtp/client-host.js';
import type { SiteHost } from './site.js';

export interface SiteControl {
  /** As shown: `google.com`, `upstream ses`. */
  readonly site: string;
  /** Connections being made and made of the pools that share this, which count them here. */
  connections: number;
  /** Most connections now over all pools that share this; Infinity: only the hosts' own limits count. */
  connectionLimit(now: number): number;
  /** Messages on one connection and recipients in one transaction at most; 0: as elsewhere. */
  readonly maxMessages: number;
  readonly maxRecipients: number;
  /** May a connection be begun; each that may ends with connectFailed or closed. `source`: of the egress, '' without. */
  admitConnection(host: SiteHost, source: string, now: number): Wait | null;
  /** May this job go now, by messages, recipients, bytes, tenant. */
  admitJob(job: DeliveryJob, source: string, now: number): Wait | null;
  /** What admitJob booked at `now` did not go. */
  refund(job: DeliveryJob, source: string, now: number): void;
  /** A connection became usable after `ms`, or did not: then it is over. `reason` with the host's reply, if it gave one. */
  connected(host: SiteHost, source: string, ms: number, now: number): void;
  connectFailed(host: SiteHost, source: string, reason: string, now: number): void;
  /** A connection that had become usable is over. */
  closed(host: SiteHost, source: string, now: number): void;
  /** A transaction ended: verdicts parallel to its recipients; `ms` from MAIL to the last reply. */
  finished(
    job: DeliveryJob,
    host: SiteHost,
    source: string,
    verdicts: readonly Verdict[],
    ms: number,
    now: number,
  ): void;
  /** Everything that is in the way now, for the operator. */
  waits(now: number): readonly Wait[];
  /** Facts for listings: rates, learnt limits, last replies. JSON-safe. */
  describe(now: number): Readonly<Record<string, unknown>>;
}

/** A site without limits of its own. */
export class OpenSite implements SiteControl {
  readonly site: string;
  connections = 0;
  readonly maxMessages = 0;
  readonly maxRecipients = 0;

  constructor(site: string) {
    this.site = site;
  }

  connectionLimit(): number {
    return Number.POSITIVE_INFINITY;
  }

  admitConnection(): null {
    return null;
  }

  admitJob(): null {
    return null;
  }

  refund(): void {}

  connected(): void {}

  connectFailed(): void {}

  closed(): void {}

  finished(): void {}

  waits(): readonly Wait[] {
    return [];
  }

  describe(): Readonly<Record<string, unknown>> {
    return {};
  }
}
