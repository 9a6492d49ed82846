/**
 * What follows from an outcome: its category, a place on the suppression list, the operator's figures.
 *
 * Delivered mail is only counted. What the engine did itself without a next hop (LOCAL_HOST) counts for nothing.
 */
import type { Clock } from '../core/clock.js';
import type { Outcome } from '../queue/outcome.js';
import type { BounceCategory } from './bounce-category.js';
import { classify } from './classify.js';
import type { SuppressionList } from './suppression-list.js';

/** Host of outcomes that the engine gave itself. */
export const LOCAL_HOST = 'local';

/** The figures, as they are counted (telemetry/kpi.ts). */
export interface OutcomeCounts {
  outcome(kind: Outcome['kind'] | 'expired', tenant: string, site: string, latency: number, now: number): void;
  cameBack(tenant: string, site: string, now: number): void;
  complained(tenant: string, site: string, now: number): void;
  connection(site: string, good: boolean, now: number): void;
}

/** What is looked at of a message. */
export interface BookedMessage {
  readonly envelope: {
    readonly recipients: readonly { readonly address: string }[];
    /** Engine clock ms. */
    readonly receivedAt: number;
    readonly handling: { readonly tenant: string; readonly holdUntil: number };
  };
}

export interface OutcomeBookOptions {
  readonly clock: Clock;
  readonly counts: OutcomeCounts;
  readonly suppression: Pick<SuppressionList, 'bounced'>;
  /** The site that a host belongs to; where there is no host, the one of the recipient. */
  siteOf(host: string, recipient: string): string;
}

export class OutcomeBook {
  private readonly options: OutcomeBookOptions;

  constructor(options: OutcomeBookOptions) {
    this.options = options;
  }

  /** A recipient came to an end or was put off. The category of a refusal, '' when it is none. */
  outcome(
    message: BookedMessage,
    recipient: number,
    outcome: Pick<Outcome, 'reply' | 'enhanced' | 'host'>,
    status: Outcome['kind'] | 'expired',
  ): BounceCategory | '' {
    const { clock, counts, suppression } = this.options;
    const { handling, receivedAt, recipients } = message.envelope;
    const { tenant, holdUntil } = handling;
    const { address } = recipients[recipient]!;
    // Nobody took it: discarded by a route.
    const own = outcome.host === LOCAL_HOST || (outcome.host === '' && status === 'delivered');
    if (!own) {
      const now = clock.now();
      const site = this.options.siteOf(outcome.host, address);
      counts.outcome(status, tenant, site, now - Math.max(receivedAt, holdUntil), now);
    }
    if (status === 'delivered') return '';
    const { category, hard } = classify(outcome.enhanced, outcome.reply);
    if (status === 'failed' && hard) suppression.bounced(tenant, address, category, outcome.reply);
    return category;
  }

  /** A connection to a host could be used, or not. */
  connection(host: string, good: boolean): void {
    this.options.counts.connection(this.options.siteOf(host, ''), good, this.options.clock.now());
  }

  /** Something came back that is proved to be about mail of ours. */
  cameBack(kind: 'bounce' | 'complaint', tenant: string, recipient: string, reporter: string): void {
    const { clock, counts } = this.options;
    const site = this.options.siteOf(recipient === '' ? reporter : '', recipient);
    if (kind === 'bounce') counts.cameBack(tenant, site, clock.now());
    else counts.complained(tenant, site, clock.now());
  }
}
