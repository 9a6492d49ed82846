/**
 * Purpose: what bulk mail does to immediate mail: `lanes`.
 * Contract: see scenarios.ts. Bulk is queued faster than the next hop takes it, so that a backlog stands; then 100
 *   immediate messages a second come beside it, by a listener of their own. Their time is from MAIL to the arrival.
 * Limits: for relays that know lanes. The backlog is preloaded over SMTP; what is left of it at the end is dropped.
 */
import { loadFigures, type Measured, remarksOn, type Scenario } from './scenarios.js';
import { Session } from './session.js';

/** Each connection of the sink rests this long after a message: 50 of them take 1,000 a second. */
const SINK_REST_MS = 50;
const IMMEDIATE_PER_SECOND = 100;

const lanes: Scenario = {
  name: 'lanes',
  purpose: '100 immediate messages/s, 1 KiB, beside a backlog of bulk that the next hop takes slowly: their delay',
  needs: ['lanes'],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({
      relay,
      start: { lanes: true },
      sink: ['--slow-ms', String(SINK_REST_MS)],
      capacity: plan.bulkMessages + 1_000_000,
    });
    const immediate = { connections: 10, size: 1_024, rate: IMMEDIATE_PER_SECOND, lane: 'immediate' as const };
    try {
      const quiet = await session.run({ ...immediate, seconds: plan.seconds });
      await session.begin({ count: plan.bulkMessages, size: 1_024 }).finish();
      const waiting = session.waiting();
      const delivered = session.ledger.counters().delivered;
      const began = performance.now();
      const { source, summary } = await session.run({ ...immediate, seconds: plan.seconds });
      const seconds = (performance.now() - began) / 1000;
      const bulk = session.ledger.counters().delivered - delivered - summary.delivered;
      const { lost, duplicates, p50Ms, p99Ms, acceptP99Ms } = loadFigures(summary);
      return {
        figures: {
          backlog: waiting,
          p50Ms: p50Ms!,
          p99Ms: p99Ms!,
          acceptP99Ms: acceptP99Ms!,
          quietP99Ms: quiet.summary.arrival.p99,
          bulkPerSecond: bulk / seconds,
          lost: lost!,
          duplicates: duplicates!,
        },
        remarks: remarksOn(source, summary),
      };
    } finally {
      await session.close();
    }
  },
};

export const laneScenarios: readonly Scenario[] = [lanes];
