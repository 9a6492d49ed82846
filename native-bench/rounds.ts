/**
 * Purpose: runs scenarios in interleaved rounds.
 * Contract: the order of the relays is turned round in every other round, so that a change of the machine's mood meets
 *   all of them. A run that throws is reported and the others go on. After each scenario its table is said.
 * Limits: one run at a time.
 */
import type { RelayDriver } from './relay.js';
import { scenarioTable } from './report.js';
import { type Sample, summarize } from './sample.js';
import type { Plan, Scenario } from './scenarios.js';

export interface RoundsOptions {
  readonly scenarios: readonly Scenario[];
  readonly relays: readonly RelayDriver[];
  readonly rounds: number;
  readonly plan: Plan;
  /** Name of the relay that ratios refer to; postfix where absent. */
  readonly base?: string;
  readonly say: (text: string) => void;
}

export async function runRounds(options: RoundsOptions): Promise<{ samples: Sample[]; failed: boolean }> {
  const { say, plan } = options;
  const samples: Sample[] = [];
  let failed = false;
  for (const scenario of options.scenarios) {
    say(`\n${scenario.name}: ${scenario.purpose}`);
    const missing = scenario.missing?.();
    if (missing !== undefined) {
      say(`  skipped: ${missing}`);
      continue;
    }
    const fit = options.relays.filter((relay) => {
      const reason = scenario.needs.map((need) => relay.unfit(need)).find((text) => text !== undefined);
      if (reason !== undefined) say(`  without ${relay.name}: ${reason}`);
      return reason === undefined;
    });
    for (let round = 0; round < options.rounds; round++) {
      for (const relay of round % 2 === 0 ? fit : fit.toReversed()) {
        try {
          // Flushes per message hardly vary: one round is enough.
          const measured = await scenario.measure(relay, { ...plan, flushes: plan.flushes && round === 0 });
          samples.push({ relay: relay.name, scenario: scenario.name, round, ...measured });
        } catch (error) {
          failed = true;
          say(`  ${relay.name}, round ${round + 1} failed: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
    if (samples.some((sample) => sample.scenario === scenario.name)) {
      say(scenarioTable(scenario.name, summarize(samples), options.base));
    }
  }
  return { samples, failed };
}
