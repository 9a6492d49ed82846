/**
 * Bad clients of TLS beside honest ones that submit under it: slow handshakes by the hundred, and some of every mischief.
 *
 * As in bad-clients.ts the honest ones' p99 is printed alone and beside them; afterwards connections must be gone, memory
 * and descriptors where they were, and the log must say what became of handshakes.
 */
import type { BadKind, CrowdPlan } from './bad-client-program.js';
import { allGone, BODY_MEMORY, GRACE, honest, LARGEST, SLACK, takesLarge, wave } from './bad-clients.js';
import { BadCrowd, describeCrowd } from './crowd.js';
import { type FaultCase, type FaultContext, type FaultReport, within } from './fault-case.js';
import { Stage } from './stage.js';
import { submissionStage, submitting } from './tls-setting.js';

const SLOW: CrowdPlan = { tlsSilent: 150, tlsHalf: 150, starttlsHalf: 100, tlsDrip: 100, tlsPlaintext: 20 };
const MISCHIEF: CrowdPlan = {
  tlsGarbage: 10,
  starttlsGarbage: 10,
  tlsPlaintext: 10,
  tlsVanish: 5,
  tlsComeAndGo: 5,
  tlsTruncated: 10,
  tlsOverlong: 10,
  tlsForged: 10,
  tlsRenegotiate: 10,
  tlsDeafFlood: 5,
  tlsAuthEndless: 5,
  tlsAuthLong: 5,
  tlsAuthCancel: 5,
  tlsAuthSilent: 5,
};

/** Every kind must be got rid of in the end; those that come and go do so of their own accord. ms. */
const LAST_LIMIT = 60_000;

/** Kinds of which not one client was got rid of. */
async function outlasted(stage: Stage, context: FaultContext): Promise<string[]> {
  const crowd = new BadCrowd(stage.port, stage.tlsPort);
  stage.atEnd(() => crowd.kill());
  const kinds = Object.keys({ ...SLOW, ...MISCHIEF }) as BadKind[];
  crowd.begin(Object.fromEntries(kinds.map((kind) => [kind, 1])));
  let left: BadKind[] = kinds;
  await within(LAST_LIMIT, async () => {
    const report = await crowd.tell();
    left = kinds.filter((kind) => (report[kind]?.ended ?? 0) === 0);
    return left.length === 0;
  });
  context.note(`one of each: ${describeCrowd(await crowd.end())}`);
  return left.map((kind) => `${kind} was not got rid of within ${LAST_LIMIT / 1000} s`);
}

async function play(stage: Stage, context: FaultContext): Promise<FaultReport> {
  const problems: string[] = [];
  const ms = context.long ? 30_000 : 3_000;
  const portOf = (lane: number): number => (lane % 2 === 0 ? stage.port : stage.tlsPort);
  const more = { security: submitting, portOf };
  await honest(stage, 2000, more);
  const alone = await honest(stage, ms, more);
  context.note(`alone: p99 ${alone} ms`);
  const before = stage.engine.figures();
  const slow = await wave(stage, SLOW, ms, more);
  context.note(`beside ${slow.most} connections with slow handshakes: p99 ${slow.p99} ms (${slow.crowd})`);
  if (slow.p99 > alone * 2 + GRACE)
    problems.push(`p99 of honest clients went from ${alone} to ${slow.p99} ms beside slow handshakes`);
  if (!(await allGone(stage))) problems.push('connections with slow handshakes were left');
  const mischief = await wave(stage, MISCHIEF, ms, more);
  context.note(`beside every kind of mischief: p99 ${mischief.p99} ms (${mischief.crowd})`);
  if (!(await allGone(stage))) problems.push('connections of the bad clients were left');
  const afterFirst = stage.engine.figures();
  await wave(stage, MISCHIEF, ms, more);
  if (!(await allGone(stage))) problems.push('connections of the second wave were left');
  const growth = stage.engine.figures().resident - afterFirst.resident;
  if (growth > SLACK) problems.push(`the second wave added ${Math.round(growth / 1048576)} MB of resident memory`);
  if (!(await within(15_000, () => stage.engine.figures().descriptors <= before.descriptors + 20)))
    problems.push(`descriptors went from ${before.descriptors} to ${stage.engine.figures().descriptors}`);
  problems.push(...(await outlasted(stage, context)));
  const said = [...stage.engine.counts].filter(([message]) => /tls|handshake/i.test(message));
  if (said.length === 0) problems.push('the log says nothing of handshakes that failed');
  const [taken, answer] = await takesLarge(stage, more);
  if (!taken) problems.push(`messages that need most of the body memory were refused afterwards: ${answer}`);
  if (stage.engine.hasEnded) problems.push('the engine ended');
  return stage.finish(
    {
      p99AloneMs: alone,
      p99BesideSlowMs: slow.p99,
      p99BesideMischiefMs: mischief.p99,
      slowConnections: slow.most,
      logLines: said.reduce((sum, [, count]) => sum + count, 0),
    },
    problems,
  );
}

const badTlsClientsCase: FaultCase = {
  name: 'bad-tls',
  quick: true,
  purpose: 'slow and half handshakes, TLS garbage, broken records, renegotiation, endless AUTH beside honest clients',
  run: (context) => {
    const setting = submissionStage(context.directory);
    return Stage.run(
      context,
      {
        ...setting,
        environment: {
          ...setting.environment,
          SLUICE_CONNECT_TIMEOUT: '10s',
          SLUICE_TLS_HANDSHAKE_TIMEOUT: '10s',
          SLUICE_COMMAND_TIMEOUT: '10s',
          SLUICE_IDLE_TIMEOUT: '10s',
          SLUICE_DATA_TIMEOUT: '10s',
          SLUICE_BODY_MEMORY: `${BODY_MEMORY}m`,
          SLUICE_MAX_MESSAGE_SIZE: `${LARGEST}m`,
          // What is said of a failed handshake is no warning.
          SLUICE_LOG_LEVEL: 'info',
        },
      },
      (stage) => play(stage, context),
    );
  },
};

export const badTlsClientCases: readonly FaultCase[] = [badTlsClientsCase];
