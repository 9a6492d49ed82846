/**
 * The operator's commands over the real control socket and the real command line, with a real engine: why mail waits,
 * where it would go, and acting on it while it is queued.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DestinationReport, OrderReport, RouteReport, WhyReport } from '../../src/control/engine-control.js';
import { freePort } from '../helpers/conformance.js';
import type { EngineProcess } from '../helpers/engine.js';
import type { SmtpSink } from '../helpers/smtp-sink.js';
import { mail, Stage } from './stage.js';

let stage: Stage;
let folder: string;
let engine: EngineProcess;
let main: SmtpSink;
let other: SmtpSink;
beforeEach(async () => {
  stage = new Stage();
  folder = mkdtempSync(join(tmpdir(), 'sluice-operator-'));
  main = await stage.sink({
    reply: (moment, line) => {
      if (moment !== 'RCPT') return undefined;
      if (line.includes('@grey.example')) return '451 4.7.1 Come back later';
      return undefined;
    },
  });
  other = await stage.sink();
  const down = await freePort();
  writeFileSync(
    join(folder, 'sluice.toml'),
    `
    [[upstream]]
    name = "main"
    hosts = ["${main.url}"]
    [[upstream]]
    name = "other"
    hosts = ["${other.url}"]
    [[upstream]]
    name = "slow"
    hosts = ["${other.url}"]
    [[upstream]]
    name = "down"
    hosts = ["smtp://127.0.0.1:${down}"]
    [[egress]]
    name = "a"
    address = "127.0.0.1"
    helo = "a.relay.example"
    pools = ["shop"]
    [[tenant]]
    name = "shop"
    senders = ["@shop.example"]
    egress = "shop"
    [[route]]
    name = "limited"
    recipient = "@limited.example"
    upstream = "slow"
    [[route]]
    name = "dead"
    recipient = "@down.example"
    upstream = "down"
    [[route]]
    name = "rest"
    upstream = "main"
    [[shaping]]
    upstream = "slow"
    messages_per_hour = 1
    `,
  );
  await start();
});
afterEach(async () => {
  await stage.end();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  engine = await stage.engine(
    { SLUICE_CONFIG: join(folder, 'sluice.toml'), SLUICE_RETRY_MIN: '1h' },
    undefined,
    join(folder, 'spool'),
  );
}

/** Runs a command with --json that must succeed; the objects it prints. */
async function asked<T>(...args: string[]): Promise<T[]> {
  const { code, out, err } = await engine.command([...args, '--json']);
  expect(code, err).toBe(0);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Queues a message; its id. */
async function queue(to: string, from = '<ann@client.example>', fields: readonly string[] = []): Promise<string> {
  const client = await stage.client(engine);
  const reply = await client.send(from, [`<${to}>`], mail(fields));
  expect(reply.code, reply.text).toBe(250);
  await client.quit();
  return /queued as (\w+)/.exec(reply.text)![1]!;
}

const why = async (id: string): Promise<WhyReport> => (await asked<WhyReport>('why', id))[0]!;

/** Asks until a wait of this kind is there. */
async function waitOf(id: string, kind: string): Promise<WhyReport & { reason: string; until: number }> {
  let report = await why(id);
  const kinds = async (): Promise<string[]> => {
    report = await why(id);
    return report.waits.map((wait) => wait.kind);
  };
  await expect.poll(kinds, { timeout: 10_000 }).toContain(kind);
  const { reason, until } = report.waits.find((wait) => wait.kind === kind)!;
  return { ...report, reason, until };
}

async function queued(): Promise<number> {
  return (await asked<{ queued: number }>('status'))[0]!.queued;
}

describe('sluice why', { timeout: 60_000 }, () => {
  it('names the schedule with the last reply, an order, a hold, FUTURERELEASE, a rate and a host that is down', async () => {
    const grey = await queue('bob@grey.example');
    const schedule = await waitOf(grey, 'schedule');
    expect(schedule).toMatchObject({ id: grey, state: 'deferred', lane: 'deferred', tenant: '', attempts: 1 });
    expect(schedule.reason).toContain('451 4.7.1 Come back later');
    expect(schedule.until).toBe(schedule.nextAttempt);
    expect(schedule.until).toBeGreaterThan(Date.now());
    expect(schedule.waits).toMatchObject([{ recipients: ['bob@grey.example'], destination: 'upstream/main' }]);
    expect((await engine.command(['why', grey])).out).toContain('451 4.7.1 Come back later');

    await asked('queue', 'hold', grey);
    expect(await waitOf(grey, 'held')).toMatchObject({ state: 'held', nextAttempt: 0 });

    const later = await queue('bob@later.example', '<ann@client.example> HOLDFOR=3600');
    const future = await waitOf(later, 'schedule');
    expect(future.attempts).toBe(0);
    expect(future.reason).toContain('FUTURERELEASE');

    await queue('one@limited.example');
    await other.waitFor(1);
    const second = await queue('two@limited.example');
    const third = await queue('three@limited.example');
    const rate = await waitOf(second, 'rate');
    expect(rate.reason).toBe('upstream slow: 1 message an hour');
    expect(rate.until).toBeGreaterThan(Date.now());
    expect((await waitOf(third, 'turn')).reason).toMatch(/^1 before it in lane bulk/);
    const [destination] = (await asked<DestinationReport>('destinations')).filter(
      (one) => one.destination === 'upstream/slow',
    );
    expect(destination).toMatchObject({ queued: { immediate: 0, bulk: 2, deferred: 0 }, cold: 0 });
    expect(destination!.waits.map(({ kind }) => kind)).toContain('rate');
    expect(destination!.hosts).toHaveLength(1);

    const dead = await queue('bob@down.example');
    expect((await waitOf(dead, 'schedule')).reason).toMatch(/connect|refused/i);

    await asked<OrderReport>('suspend', '--domain', 'quiet.example', '--reason', 'asked to');
    const quiet = await queue('bob@quiet.example');
    const order = await waitOf(quiet, 'suspended');
    expect(order.reason).toMatch(/^suspended by operator, order \w+: asked to$/);
    expect(order.attempts).toBe(0);
    expect((await engine.command(['why', 'FQZ3K1B2C4'])).code).toBe(66);
    expect(other.messages).toHaveLength(1);
  });
});

describe('sluice route', () => {
  it('shows route, destination, egress, tenant, hosts and limits, and sends nothing', async () => {
    const [rest] = await asked<RouteReport>('route', 'news@shop.example', 'bob@some.example', '--tag', 'spring');
    expect(rest).toMatchObject({
      route: 'rest',
      destination: 'upstream/main@shop',
      egress: 'shop',
      tenant: 'shop',
      lane: 'bulk',
      problem: '',
      hosts: [{ name: '127.0.0.1', address: '127.0.0.1', port: main.port }],
    });
    const [limited] = await asked<RouteReport>('route', 'a@client.example', 'bob@limited.example');
    expect(limited).toMatchObject({ route: 'limited', destination: 'upstream/slow', tenant: '', egress: '' });
    expect(JSON.stringify(limited!.limits)).toContain('upstream slow: 1 message an hour');
    expect([...main.commands, ...other.commands]).toEqual([]);
  });
});

describe('orders', { timeout: 60_000 }, () => {
  it('suspend: mail waits without an attempt, over a restart; resume: it goes at once', async () => {
    const [order] = await asked<OrderReport>('suspend', '--domain', 'b.example', '--for', '2h', '--reason', 'asked');
    expect(order).toMatchObject({
      to: '',
      selector: { domain: 'b.example', tenant: '', pool: '', campaign: '' },
      reason: 'asked',
      by: 'operator',
    });
    expect(order!.until - order!.since).toBe(7_200_000);
    const id = await queue('x@b.example');
    await queue('x@c.example');
    await main.waitFor(1);
    await waitOf(id, 'suspended');
    await engine.stop();
    await start();
    expect(await asked<OrderReport>('orders')).toEqual([order]);
    expect(await waitOf(id, 'suspended')).toMatchObject({ attempts: 0 });
    expect(main.messages).toHaveLength(1);
    expect(await asked<OrderReport>('resume', order!.id)).toEqual([order]);
    await main.waitFor(2);
    await expect.poll(queued, { timeout: 10_000 }).toBe(0);
    expect(main.messages.map(({ rcpts }) => rcpts[0])).toEqual(['RCPT TO:<x@c.example>', 'RCPT TO:<x@b.example>']);
    expect((await engine.command(['resume', '--domain', 'b.example'])).code).toBe(66);
  });

  it('reroute: what is queued goes the other way, each once', async () => {
    const to = Array.from({ length: 20 }, (_, n) => `u${n}@down.example`);
    for (const address of to) await queue(address);
    const deferred = async () =>
      (await asked<{ state: string }>('queue', 'list')).filter(({ state }) => state === 'deferred').length;
    await expect.poll(deferred, { timeout: 10_000 }).toBe(to.length);
    const bad = await engine.command(['reroute', '--domain', 'down.example', '--to', 'upstream/none']);
    expect(bad.code).not.toBe(0);
    const [order] = await asked<OrderReport>('reroute', '--domain', 'down.example', '--to', 'upstream/other');
    expect(order).toMatchObject({ to: 'upstream/other', until: 0 });
    const [told] = await asked<RouteReport>('route', 'a@client.example', 'u@down.example');
    expect(told).toMatchObject({ destination: 'upstream/other' });
    await expect.poll(queued, { timeout: 10_000 }).toBe(0);
    const rcpts = other.messages.flatMap((message) => message.rcpts);
    expect(rcpts.sort()).toEqual(to.map((address) => `RCPT TO:<${address}>`).sort());
    expect(main.messages).toEqual([]);
  });

  it('bounce: the mail of a campaign comes back to its senders, and no other', async () => {
    await asked('suspend', '--domain', 'b.example');
    const spring = await queue('x@b.example', '<ann@client.example>', ['X-Sluice-Tags: spring']);
    const kept = await queue('y@b.example');
    await waitOf(spring, 'suspended');
    await waitOf(kept, 'suspended');
    expect(await asked('bounce', '--campaign', 'spring', '--reason', 'sent by mistake')).toEqual([{ changed: 1 }]);
    const [notice] = await main.waitFor(1);
    expect(notice!.mail).toMatch(/^MAIL FROM:<>/);
    expect(notice!.rcpts[0]).toContain('<ann@client.example>');
    expect(notice!.content.toString()).toContain('sent by mistake');
    expect((await engine.command(['why', spring])).code).toBe(66);
    expect((await why(kept)).waits[0]!.kind).toBe('suspended');
  });
});

describe('sluice suppression', () => {
  it('adds, lists and removes; RCPT is refused meanwhile', async () => {
    expect(await asked('suppression', 'add', 'gone@b.example', '--reason', 'complaint')).toEqual([{ changed: 1 }]);
    expect(await asked('suppression', 'list')).toMatchObject([
      { tenant: '', address: 'gone@b.example', reason: 'complaint', until: 0, since: expect.any(Number) },
    ]);
    const client = await stage.client(engine);
    await client.expect('MAIL FROM:<ann@client.example>', 250);
    expect((await client.command('RCPT TO:<gone@b.example>')).text).toMatch(/^550 5\.1\.1 .*complaint/);
    expect(await asked('suppression', 'remove', 'gone@b.example')).toEqual([{ changed: 1 }]);
    await client.expect('RCPT TO:<gone@b.example>', 250);
  });
});
