/**
 * Bad clients beside honest ones: thousands that drip, and some of every other kind.
 *
 * The honest ones' p99 is printed alone, beside the slow ones, and beside the rest. Afterwards connections must be gone,
 * memory for bodies whole again (a message that needs most of it is taken), and a second wave must leave resident memory
 * where the first did.
 */
import type { CrowdPlan } from './bad-client-program.js';
import { BadCrowd, describeCrowd } from './crowd.js';
import { type FaultCase, type FaultContext, type FaultReport, pause, within } from './fault-case.js';
import { Ledger } from './ledger.js';
import { Load, type LoadOptions } from './load.js';
import { Stage } from './stage.js';

/** What p99 may rise by beyond double: the crowd's own process takes CPU from the engine's two cores. ms. */
export const GRACE = 25;
/** What a second wave may add to resident memory, bytes: the collector's freedom. */
export const SLACK = 32 * 1024 * 1024;
/** Memory for bodies and the largest message, MB: what endless messages can take leaves room for honest ones. */
export const BODY_MEMORY = 128;
export const LARGEST = 40;

const MISCHIEF: CrowdPlan = {
  endlessLine: 10,
  endlessData: 2,
  vanish: 10,
  flood: 10,
  deafFlood: 10,
  junk: 10,
  junkData: 10,
};

/** p99 of honest clients over `ms`. */
export async function honest(stage: Stage, ms: number, more: Partial<LoadOptions> = {}): Promise<number> {
  const { port, ledger } = stage;
  const load = new Load({ port, ledger, lanes: 10, rate: 150, size: [2000, 20_000], ...more });
  await pause(ms);
  await load.stop();
  if (load.unanswered.length > 0) throw new Error(`honest clients had no answer: ${load.unanswered.join('; ')}`);
  if (load.refusals.size > 0) throw new Error(`honest clients were refused: ${[...load.refusals].join(' ')}`);
  return load.percentile(0.99);
}

/** p99 of honest clients beside a crowd, what became of it, and how many connections there were. */
export async function wave(
  stage: Stage,
  plan: CrowdPlan,
  ms: number,
  more: Partial<LoadOptions> = {},
): Promise<{ p99: number; crowd: string; most: number }> {
  const crowd = new BadCrowd(stage.port, stage.tlsPort);
  stage.atEnd(() => crowd.kill());
  const wanted = Object.values(plan).reduce((sum, count) => sum + count, 0);
  crowd.begin(plan);
  // Mischief is got rid of as it comes; only the slow ones gather.
  const gather = wanted > 300 ? 10_000 : 1_000;
  await within(gather, async () => (await stage.engine.status()).serverConnections >= wanted * 0.95);
  const most = (await stage.engine.status()).serverConnections;
  const p99 = await honest(stage, ms, more);
  return { p99, crowd: describeCrowd(await crowd.end()), most };
}

/** Only this case's own control connection may be left. */
export const allGone = (stage: Stage): Promise<boolean> =>
  within(15_000, async () => (await stage.engine.status()).serverConnections === 0);

async function play(stage: Stage, context: FaultContext): Promise<FaultReport> {
  const problems: string[] = [];
  const ms = context.long ? 30_000 : 3_000;
  await honest(stage, 2000);
  const alone = await honest(stage, ms);
  const before = stage.engine.figures();
  const slow: CrowdPlan = { dripHello: 800, dripData: 800, silent: 400 };
  context.note(`alone: p99 ${alone} ms`);
  const first = await wave(stage, slow, ms);
  context.note(`beside 2,000 slow connections: p99 ${first.p99} ms`);
  if (first.most < 1800) problems.push(`only ${first.most} of 2,000 slow connections were there at once`);
  if (first.p99 > alone * 2 + GRACE)
    problems.push(`p99 of honest clients went from ${alone} to ${first.p99} ms beside 2,000 slow connections`);
  if (!(await allGone(stage))) problems.push('connections of the slow clients were left');
  const mischief = await wave(stage, MISCHIEF, ms);
  if (!(await allGone(stage))) problems.push('connections of the bad clients were left');
  context.note(`beside every kind of mischief: p99 ${mischief.p99} ms`);
  const afterFirst = stage.engine.figures();
  await wave(stage, slow, context.long ? ms : 1000);
  await wave(stage, MISCHIEF, ms);
  if (!(await allGone(stage))) problems.push('connections of the second wave were left');
  const afterSecond = stage.engine.figures();
  const growth = afterSecond.resident - afterFirst.resident;
  if (growth > SLACK) problems.push(`the second wave added ${Math.round(growth / 1048576)} MB of resident memory`);
  if (!(await within(15_000, () => stage.engine.figures().descriptors <= before.descriptors + 20)))
    problems.push(`descriptors went from ${before.descriptors} to ${stage.engine.figures().descriptors}`);
  context.note('the second wave is over');
  const [taken, answer] = await takesLarge(stage);
  if (!taken) problems.push(`messages that need most of the body memory were refused afterwards: ${answer}`);
  if (stage.engine.hasEnded) problems.push('the engine ended');
  const megabytes = (bytes: number): number => Math.round(bytes / 1048576);
  return stage.finish(
    {
      p99AloneMs: alone,
      p99BesideSlowMs: first.p99,
      p99BesideMischiefMs: mischief.p99,
      slowConnections: first.most,
      rssMb: `${megabytes(before.resident)}->${megabytes(afterFirst.resident)}->${megabytes(afterSecond.resident)}`,
      crowd: `${first.crowd},${mischief.crowd}`,
    },
    problems,
  );
}

/** Segments that were not given back would be missing now. */
export async function takesLarge(stage: Stage, more: Partial<LoadOptions> = {}): Promise<[boolean, string]> {
  const ledger = new Ledger();
  const size = (LARGEST - 2) * 1024 * 1024;
  const { port } = stage;
  const load = new Load({ port, ledger, lanes: 2, size: [size, size], recipients: [1, 1], rest: 500, ...more });
  const taken = await within(60_000, () => ledger.acknowledged >= 2);
  await load.stop();
  for (const [id, entry] of ledger.entries) stage.ledger.entries.set(id, entry);
  stage.ledger.acknowledged += ledger.acknowledged;
  return [taken, [...load.refusals].join(' ')];
}

const badClientsCase: FaultCase = {
  name: 'bad-clients',
  quick: true,
  purpose: '2,000 slow connections and every kind of mischief beside honest clients; nothing is left behind',
  run: (context) =>
    Stage.run(
      context,
      {
        environment: {
          SLUICE_CONNECT_TIMEOUT: '10s',
          SLUICE_COMMAND_TIMEOUT: '10s',
          SLUICE_DATA_TIMEOUT: '10s',
          SLUICE_BODY_MEMORY: `${BODY_MEMORY}m`,
          SLUICE_MAX_MESSAGE_SIZE: `${LARGEST}m`,
          SLUICE_LOG_LEVEL: 'error',
        },
      },
      (stage) => play(stage, context),
    ),
};

export const badClientCases: readonly FaultCase[] = [badClientsCase];
