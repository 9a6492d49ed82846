/**
 * Purpose: the scenarios of TLS: new connections, kept connections, handshakes alone, and handshakes beside plain mail.
 * Contract: see scenarios.ts. No session is resumed: the source offers none. Those that compare a relay with itself run
 *   both halves in one round, one right after the other. All relays have the same certificate.
 * Limits: the source's handshakes run on the relay's cores and cost about as much as the relay's: its own CPU per
 *   handshake is in the table, and handshakes per second mean little without handshakes per CPU second.
 */
import { join } from 'node:path';
import { projectRoot, tlsMissing } from './programs.js';
import type { Need, RelayDriver, RelayStart } from './relay.js';
import type { Figures } from './sample.js';
import { extent, loadFigures, type Measured, measureLoad, type Plan, remarksOn, type Scenario } from './scenarios.js';
import { type Load, Session, type SourceReport } from './session.js';
import { type CertificateType, tlsCertificate } from './tls-certificates.js';

const certificate = (type: CertificateType) => tlsCertificate(join(projectRoot, 'var/bench-tls'), type);

/** Relays that speak TLS on both sides: the yardstick without a relay has nothing that could be compared with itself. */
const relayed: readonly Need[] = ['tls', 'tls-out'];

/** What is left of a scenario once it is known to be one of TLS. */
function scenario(
  name: string,
  purpose: string,
  measure: (relay: RelayDriver, plan: Plan) => Promise<Measured>,
  needs: readonly Need[] = ['tls'],
): Scenario {
  return { name, purpose, needs, missing: tlsMissing, measure };
}

const newConnection = scenario(
  'tls-new-connection',
  '1 KiB, 50 at a time, a new STARTTLS connection per message, ECDSA P-256, not resumed',
  (relay, plan) => {
    const load: Load = { size: 1_024, newConnection: true, tls: 'starttls' };
    return measureLoad(relay, load, plan, { tls: certificate('ecdsa') }, false);
  },
);

interface Costs {
  readonly figures: Figures;
  readonly mainMsPer1000: number | undefined;
  readonly remarks: readonly string[];
}

/** A load with the CPU of all processes and of the main thread, per 1,000 messages. */
async function costs(relay: RelayDriver, load: Load, plan: Plan, start: Partial<RelayStart>): Promise<Costs> {
  const session = await Session.open({ relay, start });
  try {
    await session.run({ ...load, seconds: plan.warmUpSeconds });
    const [cpu, main] = [session.account.cpuSeconds(), session.mainThreadMs()];
    const { source, summary } = await session.run({ ...load, ...extent(plan) });
    const thousands = summary.delivered / 1000;
    const mainAfter = session.mainThreadMs();
    return {
      figures: {
        ...loadFigures(summary),
        cpuSecondsPer1000: (session.account.cpuSeconds() - cpu) / thousands,
      },
      mainMsPer1000: main === undefined || mainAfter === undefined ? undefined : (mainAfter - main) / thousands,
      remarks: remarksOn(source, summary),
    };
  } finally {
    await session.close();
  }
}

/** Kept connections of 10 KiB with TLS, against the same without it. */
async function kept(relay: RelayDriver, plan: Plan, tlsOut: boolean): Promise<Measured> {
  const load: Load = { size: 10_240 };
  const plain = await costs(relay, load, plan, {});
  const tls = await costs(relay, { ...load, tls: 'starttls' }, plan, { tls: certificate('ecdsa'), tlsOut });
  const [mine, theirs] = [tls.mainMsPer1000, plain.mainMsPer1000];
  return {
    figures: {
      ...tls.figures,
      plainPerSecond: plain.figures.deliveredPerSecond!,
      plainRatio: tls.figures.deliveredPerSecond! / plain.figures.deliveredPerSecond!,
      plainCpuRatio: tls.figures.cpuSecondsPer1000! / plain.figures.cpuSecondsPer1000!,
      ...(mine === undefined || theirs === undefined
        ? {}
        : { mainMsPer1000: mine, plainMainMsPer1000: theirs, mainRatio: mine / theirs }),
    },
    remarks: [...tls.remarks, ...plain.remarks.map((remark) => `plain: ${remark}`)],
  };
}

/** Handshakes as fast as 50 connections get them, each followed by QUIT. */
function handshakes(type: CertificateType, title: string): Scenario {
  const purpose = `STARTTLS handshakes and nothing else, 50 at a time, ${title}, not resumed`;
  return scenario(`tls-handshakes-${type}`, purpose, async (relay, plan) => {
    const session = await Session.open({ relay, start: { tls: certificate(type) } });
    const load: Load = { handshakes: true, tls: 'starttls' };
    try {
      await session.begin({ ...load, seconds: plan.warmUpSeconds }).finish();
      const cpu = session.account.cpuSeconds();
      const source = await session.begin({ ...load, seconds: plan.seconds }).finish();
      const used = session.account.cpuSeconds() - cpu;
      const ofRelay = {
        cpuSecondsPer1000: (used / source.handshakes) * 1000,
        handshakesPerCpuSecond: source.handshakes / used,
      };
      return {
        figures: {
          handshakesPerSecond: source.handshakes / source.seconds,
          handshakeP50Ms: source.handshakeP50Ms,
          handshakeP99Ms: source.handshakeP99Ms,
          sourceMsPerHandshake: (source.cpuSeconds / source.handshakes) * 1000,
          ...(relay.name === 'direct' ? {} : ofRelay),
        },
        remarks: handshakeRemarks(source),
      };
    } finally {
      await session.close();
    }
  });
}

function handshakeRemarks(source: SourceReport): string[] {
  const remarks = source.tls === '' ? ['no handshake was completed'] : [source.tls];
  if (source.handshakesFailed > 0) remarks.push(`${source.handshakesFailed} handshakes failed (${source.tlsProblem})`);
  if (source.refused > 0) remarks.push(`${source.refused} connections refused (${source.lastRejection})`);
  return remarks;
}

/** New TLS sessions a second beside plain mail. */
const sessionRate = 200;

/**
 * p99 of plain mail alone, beside new TLS sessions, and alone again; the mean of both is what it is compared with, so
 * that a machine that slows down meanwhile does not look like an effect of TLS.
 */
async function besidePlain(relay: RelayDriver, plan: Plan, rate: number | undefined): Promise<Measured> {
  const session = await Session.open({ relay, start: { tls: certificate('rsa') } });
  const load: Load = { connections: 50, ...(rate === undefined ? {} : { rate }), seconds: plan.seconds };
  const strangers: Load = { handshakes: true, tls: 'starttls', rate: sessionRate };
  try {
    await session.run({ ...load, seconds: plan.warmUpSeconds });
    await session.begin({ ...strangers, seconds: plan.warmUpSeconds }).finish();
    const before = await session.run(load);
    const beside = session.begin({ ...strangers, seconds: plan.seconds + 60 });
    const main = session.mainThreadMs();
    const { source, summary } = await session.run(load);
    const mainAfter = session.mainThreadMs();
    beside.end();
    const other = await beside.finish();
    const after = await session.run(load);
    const mean = (of: (run: typeof before) => number) => (of(before) + of(after)) / 2;
    const quietP99Ms = mean((run) => run.summary.arrival.p99);
    const quietAcceptP99Ms = mean((run) => run.summary.acceptance.p99);
    const reached = other.handshakes / other.seconds;
    const remarks = [...remarksOn(source, summary), ...handshakeRemarks(other)];
    if (reached < sessionRate * 0.95)
      remarks.push(`only ${reached.toFixed(0)} of ${sessionRate} TLS sessions a second`);
    return {
      figures: {
        ...loadFigures(summary),
        quietP99Ms,
        p99Ratio: summary.arrival.p99 / quietP99Ms,
        quietAcceptP99Ms,
        acceptP99Ratio: summary.acceptance.p99 / quietAcceptP99Ms,
        plainPerSecond: mean((run) => loadFigures(run.summary).deliveredPerSecond!),
        handshakesPerSecond: reached,
        handshakeP99Ms: other.handshakeP99Ms,
        ...(main === undefined || mainAfter === undefined
          ? {}
          : { mainMsPer1000: ((mainAfter - main) / summary.delivered) * 1000 }),
      },
      remarks,
    };
  } finally {
    await session.close();
  }
}

export const tlsScenarios: readonly Scenario[] = [
  newConnection,
  scenario(
    'tls-kept',
    '10 KiB, 50 connections kept, TLS in and TLS out, ECDSA P-256, against the same without TLS',
    (relay, plan) => kept(relay, plan, true),
    relayed,
  ),
  scenario(
    'tls-kept-in',
    'the same with TLS in only: what TLS costs the main thread',
    (relay, plan) => kept(relay, plan, false),
    relayed,
  ),
  handshakes('rsa', 'RSA-2048'),
  handshakes('ecdsa', 'ECDSA P-256'),
  scenario(
    'tls-beside-plain',
    `10 KiB in the clear over 50 connections, 500/s, with and without ${sessionRate} new TLS sessions a second, RSA-2048`,
    (relay, plan) => besidePlain(relay, plan, 500),
    relayed,
  ),
  scenario(
    'tls-beside-full',
    'the same with as much plain mail as the relay takes',
    (relay, plan) => besidePlain(relay, plan, undefined),
    relayed,
  ),
];
