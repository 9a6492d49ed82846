/**
 * Purpose: mail handed in over HTTP: `inject-1` and `inject-100`, messages of 1 KiB in requests of one and of a hundred.
 * Contract: see scenarios.ts. Three loads on one engine, one after the other: over SMTP (50 connections, as `1k`), over
 *   HTTP with delivery beside it, and over HTTP while delivery is suspended: what the way into the durable spool takes by
 *   itself, with the note in the spool that it waits. What waits then is delivered before the run ends, so that nothing lost goes unseen.
 * Limits: for relays that take mail over HTTP as Sluice does.
 */
import { extent, loadFigures, type Measured, remarksOn, type Scenario } from './scenarios.js';
import { Session } from './session.js';

/** A request waits for its commit: as many as SMTP has where one carries one message. */
const connectionsFor = (batch: number): number => (batch === 1 ? 50 : 8);
const SIZE = 1_024;

async function order(port: number, what: string, body: unknown): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/orders/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${what} was answered ${answer.status} ${await answer.text()}`);
}

function inject(batch: number): Scenario {
  return {
    name: `inject-${batch}`,
    purpose: `1 KiB over HTTP, ${batch} a request, ${connectionsFor(batch)} connections; beside SMTP, and with delivery suspended`,
    needs: ['http'],
    async measure(relay, plan): Promise<Measured> {
      const session = await Session.open({ relay, start: { http: true } });
      const load = { connections: connectionsFor(batch), size: SIZE, httpBatch: batch };
      try {
        await session.run({ size: SIZE, seconds: plan.warmUpSeconds });
        const smtp = await session.run({ size: SIZE, ...extent(plan) });
        await session.run({ ...load, seconds: plan.warmUpSeconds });
        const cpu = session.account.cpuSeconds();
        const main = session.mainThreadMs();
        const { source, summary } = await session.run({ ...load, ...extent(plan) });
        const used = session.account.cpuSeconds() - cpu;
        const mainUsed = session.mainThreadMs()! - main!;
        await order(session.httpPort!, 'suspend', { selector: { domain: 'dest.example' }, reason: 'benchmark' });
        const mainBefore = session.mainThreadMs()!;
        const spooled = await session.begin({ ...load, ...extent(plan) }).finish();
        const mainSpooled = session.mainThreadMs()! - mainBefore;
        await order(session.httpPort!, 'resume', { order: 'all' });
        const later = await session.arrived(spooled, 30_000);
        const figures = loadFigures(summary);
        const smtpPerSecond = loadFigures(smtp.summary).deliveredPerSecond!;
        return {
          figures: {
            ...figures,
            lost: summary.lost + later.lost,
            duplicates: summary.duplicates + later.duplicates,
            cpuSecondsPer1000: (used / summary.delivered) * 1000,
            mainMsPer1000: (mainUsed / summary.delivered) * 1000,
            smtpPerSecond,
            smtpRatio: figures.deliveredPerSecond! / smtpPerSecond,
            spooledPerSecond: later.accepted / later.acceptSeconds,
            spooledMainMsPer1000: (mainSpooled / later.accepted) * 1000,
          },
          remarks: [...remarksOn(source, summary), ...remarksOn(spooled, later)],
        };
      } finally {
        await session.close();
      }
    },
  };
}

export const injectScenarios: readonly Scenario[] = [inject(1), inject(100)];
