/**
 * Purpose: the scenarios of plain load: what is sent, and what is measured of it.
 * Contract: every scenario is a function from a relay and the plan of the run to figures; special-scenarios.ts holds
 *   those that look at memory, backlog and start. Submission is the moment MAIL is sent, arrival the moment the sink
 *   has read the whole message. A rate is messages by the time from the first submission to the last acceptance or
 *   arrival, so a backlog that drains after the load counts against delivered/s.
 * Limits: rates are of a load on the same cores as the relay: only ratios of interleaved runs compare.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerSummary } from './ledger.js';
import { commandExists, projectRoot } from './programs.js';
import type { Need, RelayDriver, RelayStart } from './relay.js';
import type { Figures } from './sample.js';
import { type Load, Session, type SourceReport } from './session.js';
import { signingKey } from './signing-keys.js';

/** How long and how large the runs are. */
export interface Plan {
  readonly seconds: number;
  /** Where given, loads end after this many messages instead of after `seconds`. */
  readonly messages?: number;
  readonly warmUpSeconds: number;
  readonly singleMessages: number;
  readonly idleConnections: number;
  readonly backlogMessages: number;
  readonly startUpMessages: number;
  readonly bigMessages: number;
  /** Backlog of bulk beside which immediate mail is measured. */
  readonly bulkMessages: number;
  /** Count flushes, in a short separate run under strace. */
  readonly flushes: boolean;
}

export interface Measured {
  readonly figures: Figures;
  readonly remarks: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly purpose: string;
  readonly needs: readonly Need[];
  /** Why it cannot be measured here at all, or undefined. */
  missing?(): string | undefined;
  measure(relay: RelayDriver, plan: Plan): Promise<Measured>;
}

/** Ends a load by messages or by seconds, as the plan says. */
export function extent(plan: Plan): Pick<Load, 'count' | 'seconds'> {
  return plan.messages === undefined ? { seconds: plan.seconds } : { count: plan.messages };
}

/** Everything that makes a load doubtful, in words. */
export function remarksOn(source: SourceReport, summary: LedgerSummary): string[] {
  const remarks: string[] = [];
  if (source.rejected > 0) remarks.push(`${source.rejected} rejected (${source.lastRejection})`);
  if (source.tempfailed > 0) remarks.push(`${source.tempfailed} answered 4yz`);
  if (source.unanswered > 0) remarks.push(`${source.unanswered} without an answer`);
  if (source.handshakesFailed > 0) remarks.push(`${source.handshakesFailed} handshakes failed (${source.tlsProblem})`);
  if (source.refused > 0) remarks.push(`${source.refused} connections refused`);
  if (summary.lost > 0) remarks.push(`${summary.lost} accepted and not arrived when the run ended`);
  return remarks;
}

/** Rates and latencies of a finished load. */
export function loadFigures(summary: LedgerSummary): Figures {
  return {
    acceptedPerSecond: summary.accepted / summary.acceptSeconds,
    deliveredPerSecond: summary.delivered / summary.deliverSeconds,
    p50Ms: summary.arrival.p50,
    p99Ms: summary.arrival.p99,
    acceptP50Ms: summary.acceptance.p50,
    acceptP99Ms: summary.acceptance.p99,
    lost: summary.lost,
    duplicates: summary.duplicates,
  };
}

const flushCalls = ['fsync', 'fdatasync', 'sync_file_range', 'msync', 'syncfs', 'sync'];
/** LMDB writes its meta page through a descriptor opened with O_DSYNC: each such write is a flush, too. */
const placedWrites = ['pwrite64', 'pwritev', 'pwritev2'];
/** O_DSYNC in the flags line of /proc/<pid>/fdinfo, which is octal (include/uapi/asm-generic/fcntl.h). */
const dataSyncFlag = 0o10000;

/** Numbers of the descriptors that the processes hold open with O_DSYNC (or O_SYNC, which includes it). */
function synchronousDescriptors(pids: readonly number[]): Set<string> {
  const found = new Set<string>();
  for (const pid of pids) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fdinfo`)) {
        const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1];
        if (flags !== undefined && (Number.parseInt(flags, 8) & dataSyncFlag) !== 0) found.add(descriptor);
      }
    } catch {
      // processes and descriptors go while we look
    }
  }
  return found;
}

/**
 * Flushes per message: sync calls of all processes of the relay, and writes to synchronous descriptors, while a short
 * load runs under strace.
 */
async function countFlushes(relay: RelayDriver, start: Partial<RelayStart>, load: Load, plan: Plan): Promise<number> {
  const log = join(projectRoot, `var/bench/strace-${process.pid}.log`);
  // --seccomp-bpf stops the processes at these calls only, so that the load keeps nearly its own speed.
  const traced = [...flushCalls, ...placedWrites].join(',');
  const prefix = ['strace', '-f', '--seccomp-bpf', '-qq', '-s', '0', '-o', log, '-e', `trace=${traced}`];
  const session = await Session.open({ relay, start: { ...start, prefix } });
  const begun = new RegExp(`\\b(?:${flushCalls.join('|')})\\(`, 'g');
  const placed = new RegExp(`\\b(?:${placedWrites.join('|')})\\((\\d+)`, 'g');
  try {
    const synchronous = synchronousDescriptors(session.account.pids());
    const calls = () => {
      const text = readFileSync(log, 'latin1');
      const writes = [...text.matchAll(placed)].filter((match) => synchronous.has(match[1]!));
      return (text.match(begun)?.length ?? 0) + writes.length;
    };
    const before = calls();
    const { summary } = await session.run({ ...load, seconds: Math.min(plan.seconds, 3) });
    return (calls() - before) / summary.delivered;
  } finally {
    await session.close();
    rmSync(log, { force: true });
  }
}

/** The usual measurement: warm up, load, drain; CPU and memory over load and drain; flushes in a run of their own. */
export async function measureLoad(
  relay: RelayDriver,
  load: Load,
  plan: Plan,
  start: Partial<RelayStart> = {},
  durable = true,
): Promise<Measured> {
  const signing = start.signing !== undefined;
  const session = await Session.open({ relay, start, sink: signing ? ['--find', '\nDKIM-Signature:'] : [] });
  let measured: Measured;
  let closed: Record<string, unknown> = {};
  try {
    await session.run({ ...load, seconds: plan.warmUpSeconds });
    session.account.startSampling(500);
    const cpu = session.account.cpuSeconds();
    const { source, summary } = await session.run({ ...load, ...extent(plan) });
    const used = session.account.cpuSeconds() - cpu;
    const peakPssMb = session.account.stopSampling();
    measured = {
      figures: {
        ...loadFigures(summary),
        ...(relay.name === 'direct' ? {} : { cpuSecondsPer1000: (used / summary.delivered) * 1000, peakPssMb }),
      },
      remarks: remarksOn(source, summary),
    };
  } finally {
    closed = await session.close();
  }
  const remarks = [...measured.remarks];
  const [found, delivered] = [Number(closed['found']), Number(closed['delivered'])];
  // A signature split over two reads of the sink is not seen: a few per cent of slack.
  if (signing && found < delivered * 0.9) remarks.push(`only ${found} of ${delivered} messages were signed`);
  if (!plan.flushes || !durable || !commandExists('strace')) return { figures: measured.figures, remarks };
  const flushesPerMessage = await countFlushes(relay, start, load, plan);
  return { figures: { ...measured.figures, flushesPerMessage }, remarks };
}

function plain(name: string, purpose: string, load: Load): Scenario {
  return {
    name,
    purpose,
    needs: [],
    measure: (relay, plan) => measureLoad(relay, load, plan, {}, relay.unfit('durable') === undefined),
  };
}

function signed(name: string, type: 'rsa' | 'ed25519', purpose: string): Scenario {
  return {
    name,
    purpose,
    needs: [type],
    measure: (relay, plan) => {
      const signing = signingKey(join(projectRoot, 'var/bench-keys'), type);
      return measureLoad(relay, { size: 10_240 }, plan, { signing });
    },
  };
}

const single: Scenario = {
  name: 'single',
  purpose: 'one message at a time on a quiet relay, 10 KiB; the next 10 ms after the one before has arrived',
  needs: [],
  async measure(relay, plan) {
    const session = await Session.open({ relay });
    try {
      await session.run({ connections: 1, gapMs: 1, count: 100 });
      const { source, summary } = await session.run({ connections: 1, gapMs: 10, count: plan.singleMessages });
      const { acceptedPerSecond: _accepted, deliveredPerSecond: _delivered, ...figures } = loadFigures(summary);
      return { figures, remarks: remarksOn(source, summary) };
    } finally {
      await session.close();
    }
  },
};

export const loadScenarios: readonly Scenario[] = [
  plain('10k', '10 KiB, 50 connections kept open, one message per transaction, no client pipelining', { size: 10_240 }),
  plain('1k', 'the same with 1 KiB', { size: 1_024 }),
  plain('100k', 'the same with 100 KiB', { size: 102_400 }),
  plain('new-connection', '1 KiB, 50 at a time, a new connection per message', { size: 1_024, newConnection: true }),
  signed('dkim-rsa', 'rsa', '10 KiB, signed with RSA-2048 (Postfix: OpenDKIM as a milter)'),
  signed('dkim-ed25519', 'ed25519', '10 KiB, signed with Ed25519'),
  single,
];
