/**
 * The engine is killed while mail is handed in over HTTP: every message that was answered 202 is delivered, and requests
 * that are sent again under their idempotency key are not taken twice.
 */
import { between, type FaultCase, pause } from './fault-case.js';
import type { Arrival } from './ledger.js';
import { freePort } from './smtp-client.js';
import { Stage } from './stage.js';

const httpCase: FaultCase = {
  name: 'http',
  quick: true,
  purpose: 'kill -9 of the engine at random moments while mail comes over HTTP',
  run: async (context) => {
    const port = await freePort();
    return Stage.run(context, { environment: { SLUICE_HTTP: `http://127.0.0.1:${port}` } }, async (stage) => {
      const load = stage.httpLoad({ port, lanes: 8, batch: 20 });
      for (let round = 0; round < context.rounds; round++) {
        // Every other time most mail waits in the spool, with an attempt or two behind it.
        stage.sink.behave(round % 2 === 0 ? {} : { refuse: 0.7 });
        await pause(between(200, 2500));
        stage.ledger.fault();
        await stage.engine.kill();
        stage.ledger.fault();
        await stage.startEngine();
      }
      await pause(500);
      stage.sink.behave({});
      await load.stop();
      const twice = takenTwice(stage.sink.arrivals());
      const accepted = [...stage.ledger.entries.values()].filter(({ state }) => state === 'acknowledged').length;
      const problems =
        accepted < stage.ledger.entries.size - stage.ledger.refused ? ['requests were left unanswered'] : [];
      if (twice.length > 0) problems.push(`${twice.length} were taken twice, such as ${twice[0]}`);
      return stage.finish({ kills: context.rounds, sentAgain: load.again, repeated: load.repeated }, problems);
    });
  },
};

/** Messages that arrived under more than one id of the relay: taken more than once, and not only delivered again. */
function takenTwice(arrivals: readonly Arrival[]): string[] {
  const ids = new Map<string, Set<string>>();
  for (const { id, queueId = '' } of arrivals) ids.set(id, (ids.get(id) ?? new Set()).add(queueId));
  return [...ids].filter(([, queueIds]) => queueIds.size > 1).map(([id]) => id);
}

export const httpCases: readonly FaultCase[] = [httpCase];
