/**
 * The engine is killed while mail is handed in over HTTP: every message that was answered 202 is delivered, and requests
 * that are sent again under their idempotency key are not taken twice.
 */
import { between, type FaultCase, pause } from './fault-case.js';
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
      const accepted = [...stage.ledger.entries.values()].filter(({ state }) => state === 'acknowledged').length;
      const problems =
        accepted < stage.ledger.entries.size - stage.ledger.refused ? ['requests were left unanswered'] : [];
      return stage.finish({ kills: context.rounds, sentAgain: load.again, repeated: load.repeated }, problems);
    });
  },
};

export const httpCases: readonly FaultCase[] = [httpCase];
