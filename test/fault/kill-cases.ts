/**
 * Cases in which a process is killed or told to end under load: the engine by SIGKILL and by SIGTERM, the sink, and
 * the threads that prepare messages.
 */
import { join } from 'node:path';
import { generateDkimKey } from '../../src/message/dkim/dkim-generate.js';
import { between, type FaultCase, type FaultContext, pause } from './fault-case.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';
import { poisonedBuild } from './poisoned-build.js';
import { Stage } from './stage.js';

const killCase: FaultCase = {
  name: 'kill',
  quick: true,
  purpose: 'kill -9 of the engine at random moments under load',
  run: (context) =>
    Stage.run(context, {}, async (stage) => {
      stage.load({ large: 0.02 });
      for (let round = 0; round < context.rounds; round++) {
        // Every other time most mail waits in the spool, with an attempt or two behind it.
        stage.sink.behave(round % 2 === 0 ? {} : { refuse: 0.7 });
        await pause(between(200, 2500));
        stage.ledger.fault();
        await stage.engine.kill();
        // The fault lasts until the process is gone.
        stage.ledger.fault();
        await stage.startEngine();
      }
      await pause(500);
      stage.sink.behave({});
      return stage.finish({ kills: context.rounds });
    }),
};

const termCase: FaultCase = {
  name: 'term',
  quick: true,
  purpose: 'SIGTERM under load: exit code 0, nothing lost, nothing twice',
  run: (context) =>
    Stage.run(context, {}, async (stage) => {
      const problems: string[] = [];
      let slowest = 0;
      stage.load({ large: 0.02 });
      for (let round = 0; round < Math.ceil(context.rounds / 2); round++) {
        await pause(between(300, 1500));
        const began = Date.now();
        const ending = await stage.engine.terminate();
        slowest = Math.max(slowest, Date.now() - began);
        if (ending?.code !== 0) problems.push(`SIGTERM ended it with ${ending?.code ?? ending?.signal ?? 'nothing'}`);
        await stage.startEngine();
      }
      await pause(500);
      return stage.finish({ terms: Math.ceil(context.rounds / 2), slowestStopMs: slowest }, problems);
    }),
};

const sinkCase: FaultCase = {
  name: 'sink',
  quick: true,
  purpose: 'kill -9 of the next hop under load, and its return',
  run: (context) =>
    Stage.run(context, {}, async (stage) => {
      stage.load({ rate: 400 });
      for (let round = 0; round < Math.ceil(context.rounds / 2); round++) {
        await pause(between(300, 1500));
        stage.ledger.fault();
        await stage.sink.kill();
        await pause(between(200, 1500));
        await stage.sink.start();
      }
      await pause(500);
      return stage.finish({ kills: Math.ceil(context.rounds / 2) });
    }),
};

const workerCase: FaultCase = {
  name: 'worker',
  quick: true,
  purpose: 'threads that prepare messages die (and hang, in the long run) under load with DKIM on',
  run: async (context: FaultContext) => {
    const keys = join(context.directory, 'dkim');
    generateDkimKey(keys, 'client.example', 'fault', 'ed25519');
    const options = {
      entry: poisonedBuild(context.directory, 'prepare-message'),
      environment: { SLUICE_DKIM_DIR: keys, SLUICE_WORKERS: '2' },
      // A thread that exhausts its heap must not exhaust the machine.
      nodeArguments: ['--max-old-space-size=128'],
    };
    return Stage.run(context, options, async (stage) => {
      const { pid } = stage.engine;
      const honest = stage.load({ rate: 600 });
      await pause(300);
      const poison = new Ledger();
      const kinds = context.long ? ['throw', 'exit', 'heap', 'hang'] : ['throw', 'exit', 'heap'];
      const poisoned = kinds.map(
        (kind) =>
          new Load({
            port: stage.port,
            ledger: poison,
            lanes: 1,
            rate: kind === 'exit' ? 5 : 1,
            helo: `${kind}.fault`,
          }),
      );
      await pause(context.long ? 20_000 : 4_000);
      await Promise.all(poisoned.map((load) => load.stop()));
      await pause(500);
      const problems: string[] = [];
      const lost = stage.engine.count('a worker thread was lost and replaced');
      if (lost < 3) problems.push(`only ${lost} threads were lost: the poison did not work`);
      if (stage.engine.pid !== pid || stage.engine.hasEnded) problems.push('the engine did not live through it');
      if (stage.ledger.refused > 0)
        problems.push(`${stage.ledger.refused} honest messages were refused: ${[...honest.refusals].join(' ')}`);
      for (const entry of poison.entries.values())
        if (entry.code !== 451 && entry.code !== 0) problems.push(`poison was answered ${entry.code}`);
      return stage.finish({ threadsLost: lost, poison: poison.entries.size, p99Ms: honest.percentile(0.99) }, problems);
    });
  },
};

export const killCases: readonly FaultCase[] = [killCase, termCase, sinkCase, workerCase];
