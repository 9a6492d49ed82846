/** The history of a whole engine: over HTTP and the command line, over a restart and over kill -9. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErasureReport, MessageHistory, MessagePageReport } from '../src/control/message-reports.js';
import { generateDkimKey } from '../src/message/dkim/dkim-generate.js';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { exchange, request } from './helpers/http-client.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { type SmtpSink, startSink } from './helpers/smtp-sink.js';
import { uwsProblem } from './helpers/uws-here.js';

let engine: EngineProcess;
let sink: SmtpSink;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-history-'));
  sink = await startSink({
    reply: (moment, line) => {
      if (moment !== 'RCPT') return undefined;
      if (line.includes('<later')) return '451 4.2.0 mailbox is busy';
      return line.includes('<nobody') ? '550 5.1.1 no such user' : undefined;
    },
  });
});
afterEach(async () => {
  await engine.stop();
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  engine = await startEngine({
    spoolDir: join(folder, 'spool'),
    settings: {
      SLUICE_HTTP: uwsProblem === '' ? 'http://127.0.0.1:0' : 'off',
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${sink.port}?tls=none`,
      ...settings,
    },
  });
}

async function send(sender: string, recipients: readonly string[], header = ''): Promise<string> {
  const client = await SmtpTestClient.open(engine.port);
  const brackets = recipients.map((one) => `<${one}>`);
  const reply = await client.send(`<${sender}>`, brackets, `From: <${sender}>\r\n${header}Subject: s\r\n\r\nt\r\n`);
  await client.quit();
  expect(reply.code).toBe(250);
  return / queued as (\w+)/.exec(reply.text)![1]!;
}

async function get<T>(path: string): Promise<T> {
  const port = Number(/:(\d+)$/.exec(String(engine.logged('HTTP is listened for')[0]?.['address']))?.[1] ?? 0);
  const answer = await exchange(port, [request('GET', path)]);
  expect(answer.status, answer.body).toBe(200);
  return answer.json() as T;
}

async function command<T>(...args: readonly string[]): Promise<T[]> {
  const { code, out, err } = await engine.command([...args, '--json']);
  expect(code, err).toBe(0);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

async function until<T>(what: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await what();
    if (good(value)) return value;
    if (tries > 200) throw new Error(`not so: ${JSON.stringify(value)}`);
    await pause(50);
  }
}

const history = async (id: string): Promise<MessageHistory> => (await command<MessageHistory>('history', id))[0]!;

describe('the history of an engine', { timeout: 120_000 }, () => {
  it('tells what became of a message, and of mail to an address', async () => {
    generateDkimKey(join(folder, 'dkim'), 'a.example', 's1', 'ed25519', 2048);
    await start({ SLUICE_DKIM_DIR: join(folder, 'dkim') });
    const id = await send(
      'x@a.example',
      ['Ann@b.example', 'later@b.example', 'nobody@b.example'],
      'X-Sluice-Tags: spring\r\n',
    );
    const other = await send('y@c.example', ['joann@b.example']);
    const one = await until(
      () => history(id),
      ({ recipients }) => recipients.every(({ status }) => status !== 'queued'),
    );
    expect(one).toMatchObject({ id, sender: 'x@a.example', queued: true, signed: ['a.example/s1'], tags: ['spring'] });
    expect(one.recipients).toMatchObject([
      { address: 'Ann@b.example', status: 'delivered', reply: '250 2.0.0 stored', due: 0 },
      { address: 'later@b.example', status: 'deferred', reply: '451 4.2.0 mailbox is busy', attempts: 1 },
      { address: 'nobody@b.example', status: 'bounced', reply: '550 5.1.1 no such user', dsn: '5.1.1' },
    ]);
    expect(one.recipients[1]!.due).toBeGreaterThan(Date.now());
    expect(one.timeline.map(({ kind }) => kind)).toEqual(['accepted', 'signed', 'delivered', 'deferred', 'bounced']);
    expect(one.timeline[2]!.attempt).toMatchObject({ address: `127.0.0.1:${sink.port}`, tls: '' });
    const text = await engine.command(['history', id]);
    expect(text.out).toContain('signed with a.example/s1');
    expect(text.out).toContain('deferred <later@b.example>');
    const to = async (...args: readonly string[]): Promise<string[]> =>
      (await command<{ id: string }>('history', ...args)).map((message) => message.id);
    expect(await to('ann@B.EXAMPLE')).toEqual([id]);
    expect(await to('joann@b.example')).toEqual([other]);
    expect(await to('--tag', 'spring', '--status', 'bounced')).toEqual([id]);
    expect(await to('--from', 'y@c.example', '--status', 'bounced')).toEqual([]);
    expect(await to()).toEqual(expect.arrayContaining([id, other]));
    expect((await engine.command(['history', '0ABC'])).code).toBe(66);
    expect((await engine.command(['history', 'a b'])).code).toBe(64);
  });

  it.skipIf(uwsProblem !== '')(`is looked up over HTTP ${uwsProblem}`, async () => {
    await start();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await send('x@a.example', ['ann@b.example']));
    const page = (after = ''): Promise<MessagePageReport> =>
      get(`/v1/messages?recipient=ann@b.example&status=delivered&limit=2${after === '' ? '' : `&after=${after}`}`);
    const first = await until(
      () => page(),
      ({ items }) => items.length === 2,
    );
    await until(
      () => get<MessagePageReport>('/v1/messages?recipient=ann@b.example&limit=5'),
      ({ items }) => items.every(({ recipients }) => recipients[0]!.status === 'delivered'),
    );
    expect(first.next).not.toBeNull();
    const seen: string[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const { items, next: after }: MessagePageReport = await page(next);
      seen.push(...items.map(({ id }) => id));
      next = after;
    }
    expect(seen.sort()).toEqual(ids.sort());
    const one = await get<MessageHistory>(`/v1/messages/${ids[0]!.toLowerCase()}`);
    expect(one).toMatchObject({ queued: false, complete: true, recipients: [{ status: 'delivered' }] });
    const port = Number(/:(\d+)$/.exec(String(engine.logged('HTTP is listened for')[0]?.['address']))?.[1] ?? 0);
    const ask = async (path: string): Promise<number> => (await exchange(port, [request('GET', path)])).status;
    expect(await ask('/v1/messages/ABC')).toBe(404);
    expect(await ask('/v1/messages')).toBe(422);
    expect(await ask('/v1/messages?tag=x&limit=1000')).toBe(422);
    expect(await ask('/v1/messages?tag=x&after=%20')).toBe(422);
    expect(await ask('/v1/messages?tag=x&status=lost')).toBe(422);
    expect((await exchange(port, [request('GET', '/metrics')])).body).toContain('\nsluice_history_events_total 10\n');
  });

  it('survives kill -9 but for the last second', async () => {
    await start();
    const id = await send('x@a.example', ['ann@b.example']);
    await until(
      () => history(id),
      ({ recipients }) => recipients[0]!.status === 'delivered',
    );
    await pause(1500);
    engine.signal('SIGKILL');
    await engine.exited;
    await start();
    expect(await history(id)).toMatchObject({ queued: false, recipients: [{ status: 'delivered' }] });
    const second = await send('x@a.example', ['ann@b.example']);
    await engine.stop();
    await start();
    expect((await history(second)).timeline[0]!.kind).toBe('accepted');
    expect((await command('history', 'ann@b.example')).length).toBe(2);
  });

  it('answers from the queue where it knows nothing', async () => {
    await start({ SLUICE_HISTORY: 'off' });
    const id = await send('x@a.example', ['later@b.example']);
    const one = await until(
      () => history(id),
      ({ recipients }) => recipients[0]!.status === 'deferred',
    );
    expect(one).toMatchObject({ queued: true, complete: false, sender: 'x@a.example' });
    expect(one.timeline.map(({ kind }) => kind)).toEqual(['accepted', 'deferred']);
    const { code, err } = await engine.command(['history', 'later@b.example']);
    expect(code).toBe(69);
    expect(err).toContain('set SLUICE_HISTORY=on');
    await engine.stop();
    await start();
    expect(await history(id)).toMatchObject({ queued: true, recipients: [{ status: 'deferred' }] });
  });

  it('forgets an address: in the queue, the history, the suppression list', async () => {
    await start();
    const shared = await send('x@a.example', ['later-ann@b.example', 'later-bob@b.example']);
    const only = await send('x@a.example', ['later-ann@b.example']);
    const from = await send('later-ann@b.example', ['later-bob@b.example']);
    for (const id of [shared, only, from])
      await until(
        () => history(id),
        ({ recipients }) => recipients.every(({ status }) => status === 'deferred'),
      );
    expect((await engine.command(['suppression', 'add', 'later-ann@b.example'])).code).toBe(0);
    expect((await engine.command(['erase', 'later-ann@b.example'])).code).toBe(64);
    const [report] = await command<ErasureReport>('erase', 'Later-Ann@B.example', '--suppression', '--yes');
    expect(report).toMatchObject({ state: 'done', messages: 3, suppressions: 1, problem: '' });
    expect(report!.events).toBeGreaterThanOrEqual(5);
    const listed = (await command<{ id: string }>('queue', 'list')).map(({ id }) => id);
    expect(listed).toEqual([shared]);
    expect((await history(shared)).recipients.map(({ address }) => address)).toEqual(['later-bob@b.example']);
    expect(await command('history', 'later-ann@b.example')).toEqual([]);
    expect((await engine.command(['history', only])).code).toBe(66);
    expect((await engine.command(['history', from])).code).toBe(66);
    // What was queued is tried again, and the answer to it is not kept.
    expect((await engine.command(['queue', 'retry', 'all'])).code).toBe(0);
    await until(
      () => history(shared),
      ({ timeline }) => timeline.length >= 3,
    );
    await engine.stop();
    await start();
    expect(await command('history', 'later-ann@b.example')).toEqual([]);
    expect((await engine.command(['erase', 'later-ann@b.example', '--yes'])).out).toContain('0 events of the history');
  });

  it('goes on with an erasure that was cut short', async () => {
    await start();
    const id = await send('x@a.example', ['ann@b.example']);
    await until(
      () => history(id),
      ({ recipients }) => recipients[0]!.status === 'delivered',
    );
    await engine.stop();
    const order = { address: 'ann@b.example', tenant: '', suppression: false };
    writeFileSync(join(folder, 'spool/history/erasing'), JSON.stringify([order]));
    await start();
    await engine.waitForLog('an address was erased');
    expect(await command('history', 'ann@b.example')).toEqual([]);
    expect(readFileSync(join(folder, 'spool/history/erasing'), 'utf8')).toBe('[]');
  });

  it('that cannot be kept stops no mail', async () => {
    await start({ SLUICE_HISTORY_DIR: '/dev/null/history' });
    await send('x@a.example', ['ann@b.example']);
    await until(
      async () => sink.messages.length,
      (count) => count === 1,
    );
    expect(engine.logged((line) => line.msg.includes('the history cannot be written'))).toHaveLength(1);
  });
});
