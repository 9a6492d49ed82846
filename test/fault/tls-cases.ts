/**
 * Cases in which mail comes under TLS with AUTH: the engine is killed, and the threads that TLS sessions run on die.
 */
import { between, type FaultCase, type FaultContext, type FaultReport, pause, SkipCase, within } from './fault-case.js';
import type { Load } from './load.js';
import { hasWorker, poisonedBuild } from './poisoned-build.js';
import { Stage } from './stage.js';
import { submissionStage, submitting } from './tls-setting.js';

/** Clients that submit under TLS, half of them by STARTTLS, with a new connection now and then. */
function submit(stage: Stage, rate = 0): Load {
  const portOf = (lane: number): number => (lane % 2 === 0 ? stage.port : stage.tlsPort);
  return stage.load({ lanes: 12, rate, security: submitting, portOf, messagesPerConnection: 20, large: 0.02 });
}

const killCase: FaultCase = {
  name: 'tls-kill',
  quick: true,
  purpose: 'kill -9 of the engine while clients submit over STARTTLS and implicit TLS with AUTH',
  run: (context) =>
    Stage.run(context, submissionStage(context.directory), async (stage) => {
      const load = submit(stage);
      for (let round = 0; round < context.rounds; round++) {
        stage.sink.behave(round % 2 === 0 ? {} : { refuse: 0.7 });
        await pause(between(500, 2500));
        stage.ledger.fault();
        await stage.engine.kill();
        // The fault lasts until the process is gone.
        stage.ledger.fault();
        await stage.startEngine();
      }
      await pause(1000);
      stage.sink.behave({});
      return stage.finish({ kills: context.rounds, tlsConnections: load.connections }, refused(load));
    }),
};

const termCase: FaultCase = {
  name: 'tls-term',
  quick: true,
  purpose: 'SIGTERM while clients submit under TLS: exit code 0, nothing lost, nothing twice',
  run: (context) =>
    Stage.run(context, submissionStage(context.directory), async (stage) => {
      const problems: string[] = [];
      const load = submit(stage);
      for (let round = 0; round < Math.ceil(context.rounds / 2); round++) {
        await pause(between(500, 1500));
        const ending = await stage.engine.terminate();
        if (ending?.code !== 0) problems.push(`SIGTERM ended it with ${ending?.code ?? ending?.signal ?? 'nothing'}`);
        await stage.startEngine();
      }
      await pause(500);
      return stage.finish({ terms: Math.ceil(context.rounds / 2), tlsConnections: load.connections }, problems);
    }),
};

/** Refusals that no fault explains: wrong credentials and commands that were out of place. */
function refused(load: Load): string[] {
  const wrong = [...load.refusals].filter(([reply]) => reply.startsWith('5'));
  return wrong.map(([reply, count]) => `${count} commands were answered ${reply}`);
}

/** Threads that must have died before the case proves anything. */
const DEATHS = 4;

/** What a mail system may lose with a thread: connections, never the process, plain sessions or acknowledged mail. */
async function playThread(stage: Stage, context: FaultContext): Promise<FaultReport> {
  const { pid } = stage.engine;
  const load = submit(stage, 300);
  const problems: string[] = [];
  const deaths = (): number =>
    [...stage.engine.counts].reduce((sum, [message, count]) => sum + (/thread/i.test(message) ? count : 0), 0);
  await pause(context.long ? 30_000 : 4_000);
  // Threads that keep dying are started again with pauses that grow.
  if (!(await within(30_000, () => deaths() >= DEATHS)))
    problems.push(`only ${deaths()} lost threads are in the log: the poison did not work, or nothing said so`);
  await load.stop();
  problems.push(...refused(load));
  if (stage.engine.pid !== pid || stage.engine.hasEnded) problems.push('the engine did not live through it');
  return stage.finish(
    { threadsLost: deaths(), tlsConnections: load.connections, p99Ms: load.percentile(0.99) },
    problems,
  );
}

const threadCase: FaultCase = {
  name: 'tls-thread',
  quick: true,
  purpose: 'threads that TLS sessions run on die again and again while clients submit',
  run: (context) => {
    if (!hasWorker('serve-sessions')) throw new SkipCase('the engine that was built has no threads for TLS sessions');
    const setting = submissionStage(context.directory);
    return Stage.run(
      context,
      {
        ...setting,
        environment: { ...setting.environment, SLUICE_TLS_THREADS: '2' },
        entry: poisonedBuild(context.directory, 'serve-sessions'),
      },
      (stage) => playThread(stage, context),
    );
  },
};

export const tlsCases: readonly FaultCase[] = [killCase, termCase, threadCase];
