/**
 * Purpose: what those who look at a relay take from its mail: `attached`.
 * Contract: see scenarios.ts. One process of the relay has the same load at full rate with operators attached
 *   (operators.ts) and without, in turns: without, with, with, without. Ratios are of the two with to the two without.
 * Limits: for relays with Sluice's HTTP plane. The operators use the same cores, so the ratio has their own work in it;
 *   it is remarked on how much that is.
 */
import { attachOperators, type Seen } from './operators.js';
import { extent, loadFigures, type Measured, type Plan, remarksOn, type Scenario } from './scenarios.js';
import { Session } from './session.js';

const SIZE = 10_240;

interface Turn {
  readonly delivered: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly mainMs: number;
  readonly p99Ms: number;
  readonly acceptP99Ms: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly remarks: readonly string[];
  readonly seen: Seen | undefined;
  /** CPU of this process. */
  readonly ownCpuSeconds: number;
}

async function turn(session: Session, plan: Plan, attached: boolean): Promise<Turn> {
  const operators = attached ? await attachOperators(session.httpPort!) : undefined;
  const [cpu, main, own] = [session.account.cpuSeconds(), session.mainThreadMs() ?? 0, process.cpuUsage()];
  const { source, summary } = await session.run({ size: SIZE, ...extent(plan) });
  const seen = operators?.detach();
  const { user, system } = process.cpuUsage(own);
  const figures = loadFigures(summary);
  return {
    ...{ delivered: summary.delivered, seconds: summary.deliverSeconds, seen },
    cpuSeconds: session.account.cpuSeconds() - cpu,
    mainMs: (session.mainThreadMs() ?? 0) - main,
    ...{ p99Ms: figures.p99Ms!, acceptP99Ms: figures.acceptP99Ms! },
    ...{ lost: figures.lost!, duplicates: figures.duplicates!, remarks: remarksOn(source, summary) },
    ownCpuSeconds: (user + system) / 1e6,
  };
}

function sum(turns: readonly Turn[], of: (turn: Turn) => number): number {
  return turns.reduce((total, one) => total + of(one), 0);
}

function remarksOnSeen(turns: readonly Turn[]): string[] {
  const seen = turns.flatMap((one) => one.seen ?? []);
  const total = (of: (one: Seen) => number): number => seen.reduce((all, one) => all + of(one), 0);
  const absent = [...new Set(seen.flatMap((one) => one.absent))];
  const own = sum(turns, (one) => one.ownCpuSeconds) / sum(turns, (one) => one.seconds);
  return [
    `${total((one) => one.scrapes)} scrapes, ${total((one) => one.polls)} answers to the dashboard, ` +
      `${total((one) => one.events)} events (${(total((one) => one.eventBytes) / 1e6).toFixed(1)} MB) in ` +
      `${sum(turns, (one) => one.seconds).toFixed(0)} s; the operators took ${(own * 100).toFixed(0)} % of a core`,
    ...(absent.length === 0 ? [] : [`not attached, as it is not there: ${absent.join(', ')}`]),
  ];
}

const attached: Scenario = {
  name: 'attached',
  purpose: '10 KiB at full rate with a scraper, a dashboard and an event listener attached, against the same without',
  needs: ['http'],
  async measure(relay, plan): Promise<Measured> {
    const session = await Session.open({ relay, start: { http: true }, capacity: 4_000_000 });
    try {
      await session.run({ size: SIZE, seconds: plan.warmUpSeconds });
      const turns: Turn[] = [];
      for (const on of [false, true, true, false]) turns.push(await turn(session, plan, on));
      const mine = turns.filter(({ seen }) => seen !== undefined);
      const theirs = turns.filter(({ seen }) => seen === undefined);
      const rate = (of: readonly Turn[]): number => sum(of, (one) => one.delivered) / sum(of, (one) => one.seconds);
      const cpu = (of: readonly Turn[]): number =>
        (sum(of, (one) => one.cpuSeconds) / sum(of, (one) => one.delivered)) * 1000;
      const main = (of: readonly Turn[]): number =>
        (sum(of, (one) => one.mainMs) / sum(of, (one) => one.delivered)) * 1000;
      return {
        figures: {
          deliveredPerSecond: rate(mine),
          cpuSecondsPer1000: cpu(mine),
          p99Ms: Math.max(...mine.map((one) => one.p99Ms)),
          acceptP99Ms: Math.max(...mine.map((one) => one.acceptP99Ms)),
          lost: sum(turns, (one) => one.lost),
          duplicates: sum(turns, (one) => one.duplicates),
          quietP99Ms: Math.max(...theirs.map((one) => one.p99Ms)),
          plainPerSecond: rate(theirs),
          plainRatio: rate(mine) / rate(theirs),
          plainCpuRatio: cpu(mine) / cpu(theirs),
          mainMsPer1000: main(mine),
          plainMainMsPer1000: main(theirs),
          mainRatio: main(mine) / main(theirs),
        },
        remarks: [...turns.flatMap(({ remarks }) => remarks), ...remarksOnSeen(mine)],
      };
    } finally {
      await session.close();
    }
  },
};

export const attachedScenarios: readonly Scenario[] = [attached];
