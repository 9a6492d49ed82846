/**
 * What a demo run comes to: figures from its ledger. Pure computation.
 *
 * Rates count from the first MAIL to the last 250 or arrival. Lost is a recipient of an acknowledged message that the
 * sink has not had; a duplicate is an arrival beyond the first of a recipient.
 */
import { type Ledger, MAX_RECIPIENTS } from './ledger.js';
import { recipientCount } from './messages.js';

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface LedgerFigures {
  readonly submitted: number;
  readonly accepted: number;
  readonly refused: number;
  /** Messages that arrived for at least one recipient. */
  readonly delivered: number;
  readonly acceptedPerSecond: number;
  readonly deliveredPerSecond: number;
  /** From MAIL to the 250 for the content. */
  readonly toAcknowledgement: Latency | null;
  /** From MAIL to the end of the content at the sink. */
  readonly toArrival: Latency | null;
  readonly recipients: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly signed: number;
}

/** The value below which `share` of the sorted values lie (nearest rank). */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function latencyOf(values: Float64Array): Latency | null {
  if (values.length === 0) return null;
  values.sort();
  return {
    p50: percentile(values, 0.5),
    p90: percentile(values, 0.9),
    p99: percentile(values, 0.99),
    max: values[values.length - 1]!,
  };
}

/** Reckons a run of `messages` messages; source and sink are done with the ledger. */
export function figuresOf(ledger: Ledger, messages: number): LedgerFigures {
  const acknowledgement = new Float64Array(messages);
  const arrival = new Float64Array(messages);
  let [accepted, delivered, recipients, lost, duplicates] = [0, 0, 0, 0, 0];
  let [first, lastAcknowledged, lastArrived] = [Number.POSITIVE_INFINITY, 0, 0];
  for (let i = 0; i < messages; i++) {
    const submitted = ledger.submittedAt[i]!;
    if (submitted === 0) continue;
    first = Math.min(first, submitted);
    const acknowledged = ledger.acknowledgedAt[i]!;
    if (acknowledged !== 0) {
      acknowledgement[accepted++] = acknowledged - submitted;
      lastAcknowledged = Math.max(lastAcknowledged, acknowledged);
    }
    const arrived = ledger.arrivedAt[i]!;
    if (arrived !== 0) {
      arrival[delivered++] = arrived - submitted;
      lastArrived = Math.max(lastArrived, arrived);
    }
    for (let n = recipientCount(i) - 1; n >= 0; n--) {
      const times = ledger.arrivals[i * MAX_RECIPIENTS + n]!;
      if (acknowledged !== 0) recipients++;
      if (times > 1) duplicates += times - 1;
      if (times === 0 && acknowledged !== 0) lost++;
    }
  }
  const rate = (count: number, last: number): number => (count === 0 ? 0 : (count * 1_000) / (last - first));
  return {
    submitted: ledger.submitted,
    accepted,
    refused: ledger.refused,
    delivered,
    acceptedPerSecond: rate(accepted, lastAcknowledged),
    deliveredPerSecond: rate(delivered, lastArrived),
    toAcknowledgement: latencyOf(acknowledgement.subarray(0, accepted)),
    toArrival: latencyOf(arrival.subarray(0, delivered)),
    recipients,
    lost,
    duplicates,
    signed: ledger.signed,
  };
}
