/**
 * Purpose: the scenarios that look at memory, a backlog and the start: idle, backlog, startup, big.
 * Contract: see scenarios.ts. Each compares a relay with itself: with and without idle connections, a backlog, or
 *   large messages beside the load.
 * Limits: a backlog is preloaded over SMTP, which takes its time with slow relays: --quick makes it small.
 */
import { sleep } from './programs.js';
import { extent, loadFigures, type Measured, type Plan, remarksOn, type Scenario } from './scenarios.js';
import { Session } from './session.js';

const idle: Scenario = {
  name: 'idle',
  purpose: 'idle greeted connections: memory of each, and the speed of 50 active ones beside them',
  needs: ['idle'],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({ relay, start: { clientConnections: plan.idleConnections + 50 } });
    try {
      await session.run({ seconds: Math.max(plan.warmUpSeconds, 2) });
      const empty = await session.run(extent(plan));
      await sleep(1_000);
      const before = session.account.memoryKilobytes();
      const held = await session.hold(plan.idleConnections);
      await sleep(1_000);
      const kbPerIdleConnection = (session.account.memoryKilobytes() - before) / plan.idleConnections;
      const { source, summary } = await session.run(extent(plan));
      await held.release();
      const figures = loadFigures(summary);
      const activeRatio = figures.deliveredPerSecond! / loadFigures(empty.summary).deliveredPerSecond!;
      return { figures: { ...figures, kbPerIdleConnection, activeRatio }, remarks: remarksOn(source, summary) };
    } finally {
      await session.close();
    }
  },
};

/** Sends messages that the sink defers; returns how many are deferred. */
async function preload(session: Session, count: number): Promise<number> {
  const source = await session.begin({ count, size: 1_024 }).finish();
  return session.deferred(source.accepted);
}

const backlog: Scenario = {
  name: 'backlog',
  purpose: 'speed of new mail, 10 KiB, with deferred messages in the spool, against the speed with none',
  needs: ['durable'],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({
      relay,
      start: { holdDeferred: true },
      sink: ['--reply-4xx', '100'],
      capacity: plan.backlogMessages + 2_000_000,
    });
    // The empty relay is measured right before the loaded one, in a session of its own.
    let speedEmpty = 0;
    const fresh = await Session.open({ relay, start: { holdDeferred: true } });
    try {
      await fresh.run({ seconds: plan.warmUpSeconds });
      speedEmpty = loadFigures((await fresh.run(extent(plan))).summary).deliveredPerSecond!;
    } finally {
      await fresh.close();
    }
    try {
      const deferred = await preload(session, plan.backlogMessages);
      session.sink.signal('SIGUSR1');
      await session.run({ seconds: plan.warmUpSeconds });
      const { source, summary } = await session.run(extent(plan));
      const figures = loadFigures(summary);
      const remarks = remarksOn(source, summary);
      if (deferred < plan.backlogMessages) remarks.push(`only ${deferred} were deferred when the load began`);
      return {
        figures: { ...figures, backlog: deferred, backlogRatio: figures.deliveredPerSecond! / speedEmpty },
        remarks,
      };
    } finally {
      await session.close();
    }
  },
};

const startup: Scenario = {
  name: 'startup',
  purpose: 'deferred messages in the spool: time from the start of the process to ready, and memory then',
  needs: ['durable'],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({
      relay,
      start: { holdDeferred: true },
      sink: ['--reply-4xx', '100'],
      capacity: plan.startUpMessages + 1_000,
    });
    try {
      const deferred = await preload(session, plan.startUpMessages);
      await session.restart();
      const startSeconds = session.startMilliseconds / 1000;
      await sleep(500);
      return {
        figures: {
          backlog: deferred,
          startSeconds,
          startRssMb: session.account.memoryKilobytes('Rss') / 1024,
          startAnonMb: session.account.memoryKilobytes('Pss_Anon') / 1024,
        },
        remarks: deferred < plan.startUpMessages ? [`only ${deferred} were deferred`] : [],
      };
    } finally {
      await session.close();
    }
  },
};

const bigBytes = 50 * 1024 * 1024;

const big: Scenario = {
  name: 'big',
  purpose: '50 MB messages one after another beside 200 messages/s of 10 KiB: growth of memory, delay of the others',
  needs: [],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({ relay, start: { maxMessageBytes: 2 * bigBytes } });
    try {
      const others = { connections: 20, rate: 200 };
      await session.run({ seconds: plan.warmUpSeconds });
      const quiet = await session.run({ ...others, seconds: plan.seconds });
      const before = session.account.memoryKilobytes() / 1024;
      session.account.startSampling(50);
      // The others end with the large ones, so that their percentiles are of that time only.
      const beside = session.begin({ ...others, seconds: 600 });
      const { source, summary } = await session.run({ connections: 1, size: bigBytes, count: plan.bigMessages });
      beside.end();
      const small = await session.arrived(await beside.finish());
      const peakPssMb = session.account.stopSampling();
      return {
        figures: {
          peakPssMb,
          growthMb: peakPssMb - before,
          p50Ms: small.arrival.p50,
          p99Ms: small.arrival.p99,
          acceptP99Ms: small.acceptance.p99,
          quietP99Ms: quiet.summary.arrival.p99,
          lost: small.lost + summary.lost,
          duplicates: small.duplicates + summary.duplicates,
        },
        remarks: remarksOn(source, summary),
      };
    } finally {
      await session.close();
    }
  },
};

export const specialScenarios: readonly Scenario[] = [idle, backlog, startup, big];

/** The sizes that the issue asks for, and those of a quick look. */
export function planOf(options: { quick: boolean; seconds?: number; messages?: number; flushes: boolean }): Plan {
  const { quick, flushes } = options;
  return {
    seconds: options.seconds ?? (quick ? 3 : 10),
    ...(options.messages === undefined ? {} : { messages: options.messages }),
    warmUpSeconds: quick ? 1 : 2,
    singleMessages: quick ? 100 : 500,
    idleConnections: quick ? 1_000 : 10_000,
    backlogMessages: quick ? 2_000 : 100_000,
    startUpMessages: quick ? 10_000 : 1_000_000,
    bigMessages: quick ? 3 : 20,
    bulkMessages: quick ? 10_000 : 500_000,
    flushes,
  };
}
