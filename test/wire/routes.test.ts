/**
 * Routes of the configuration file with a whole engine: groups, fixed hosts, and a change of routes with mail queued.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../helpers/conformance.js';
import { mail, Stage } from './stage.js';

let stage: Stage;
let dir: string;
let path: string;
beforeEach(() => {
  stage = new Stage();
  dir = mkdtempSync(join(tmpdir(), 'sluice-routes-'));
  path = join(dir, 'sluice.toml');
});
afterEach(async () => {
  await stage.end();
  rmSync(dir, { recursive: true });
});

const RETRY = { SLUICE_RETRY_MIN: '300ms', SLUICE_RETRY_MAX: '300ms' };
const engineWith = (
  tables: string,
  settings: Readonly<Record<string, string>> = {},
  upstream?: Parameters<Stage['engine']>[1],
) => {
  writeFileSync(path, tables);
  return stage.engine({ SLUICE_CONFIG: path, ...RETRY, ...settings }, upstream);
};

describe('routes', () => {
  it('send each recipient of a message where its domain belongs', async () => {
    const [a, b, fixed, rest] = [await stage.sink(), await stage.sink(), await stage.sink(), await stage.sink()];
    const engine = await engineWith(
      `
      [[upstream]]
      name = "a"
      hosts = ["${a.url}"]
      [[upstream]]
      name = "b"
      hosts = ["${b.url}"]
      [[route]]
      recipient = ["@a.example", "@*.a.example"]
      upstream = "a"
      [[route]]
      recipient = "/^list-/"
      upstream = "b"
      [[route]]
      recipient = "@fixed.example"
      host = "127.0.0.1:${fixed.port}"
      `,
      {},
      rest,
    );
    const client = await stage.client(engine);
    const to = ['x@a.example', 'y@Sub.A.example', 'list-1@other.example', 'z@fixed.example', 'q@other.example'];
    expect(
      (
        await client.send(
          '<s@client.example>',
          to.map((address) => `<${address}>`),
          mail(),
        )
      ).code,
    ).toBe(250);
    const rcpts = async (sink: typeof a) => (await sink.waitFor(1)).flatMap((message) => message.rcpts);
    expect(await rcpts(a)).toEqual(['RCPT TO:<x@a.example>', 'RCPT TO:<y@Sub.A.example>']);
    expect(await rcpts(b)).toEqual(['RCPT TO:<list-1@other.example>']);
    expect(await rcpts(fixed)).toEqual(['RCPT TO:<z@fixed.example>']);
    expect(await rcpts(rest)).toEqual(['RCPT TO:<q@other.example>']);
  });

  it('with a mistake keep an engine from starting, and say what is wrong', async () => {
    await expect(engineWith('[[route]]\nupstream = "none"', { SLUICE_UPSTREAM: 'smtp://127.0.0.1:1' })).rejects.toThrow(
      /route\[1\]\.upstream: there is no \[\[upstream\]\] \\?"none\\?"/,
    );
    await expect(engineWith('[[route]]\nupstream = "default"')).rejects.toThrow(/SLUICE_UPSTREAM, which is not set/);
    await expect(
      engineWith('[[upstream]]\nname = "a"\nhosts = ["smtps://u:p@h.example?ca=/nowhere"]', {
        SLUICE_UPSTREAM: 'smtp://127.0.0.1:1',
      }),
    ).rejects.toThrow(/\[\[upstream\]\] a: h\.example:465: \/nowhere cannot be read/);
  });

  it('that change while mail waits lose none and double none', async () => {
    const [old, next, rest] = [await stage.sink(), await stage.sink(), await stage.sink()];
    const down = await freePort();
    const tables = (host: string) => `
      [[upstream]]
      name = "way"
      hosts = ["${host}"]
      [[route]]
      recipient = "@moving.example"
      upstream = "way"
    `;
    const engine = await engineWith(tables(`smtp://127.0.0.1:${down}`), {}, rest);
    const client = await stage.client(engine);
    const count = 40;
    for (let i = 0; i < count; i++)
      await client.send('<s@client.example>', [`<u${i}@moving.example>`, `<u${i}@other.example>`], mail());
    await rest.waitFor(count);
    await engine.waitForLog((line) => line['status'] === 'deferred');

    // A mistake changes nothing.
    writeFileSync(path, '[[route]]\nupstream = "none"');
    engine.signal('SIGHUP');
    await engine.waitForLog((line) => String(line['reason']).includes('there is no [[upstream]]'));
    expect(old.messages).toEqual([]);

    writeFileSync(
      path,
      `${tables(`smtp://127.0.0.1:${down}`).replace('upstream = "way"', `host = "127.0.0.1:${next.port}"`)}`,
    );
    engine.signal('SIGHUP');
    const moved = await next.waitFor(count, undefined, 20_000);
    const rcpts = moved.flatMap((message) => message.rcpts).sort();
    expect(rcpts).toEqual(Array.from({ length: count }, (_, i) => `RCPT TO:<u${i}@moving.example>`).sort());
    expect(rest.messages).toHaveLength(count);
    const queued = async () => JSON.parse((await engine.command(['status', '--json'])).out).queued;
    await expect.poll(queued, { timeout: 10_000 }).toBe(0);
    expect(next.messages).toHaveLength(count);
    // New mail goes the new way at once.
    await client.send('<s@client.example>', ['<new@moving.example>'], mail());
    await next.waitFor(1, ({ rcpts: [rcpt] }) => rcpt === 'RCPT TO:<new@moving.example>');
  });
});

describe('routes at the door', () => {
  it('refuse recipients at RCPT, whole messages by their header after DATA, and a part of them by a notification', async () => {
    const sink = await stage.sink();
    const engine = await engineWith(
      `
      [[route]]
      name = "loops"
      header = { "X-Campaign" = "spam*" }
      recipient = "@dest.example"
      reply = "554 5.7.1 No such campaign here"
      [[route]]
      recipient = "bad@dest.example"
      sender = "@client.example"
      reply = "550 5.1.1 Nobody of that name"
      [[route]]
      recipient = "@later.example"
      reply = "450 Later"
      `,
      {},
      sink,
    );
    const client = await stage.client(engine);
    await client.expect('MAIL FROM:<ann@client.example>', 250);
    expect((await client.command('RCPT TO:<x@later.example>')).text).toBe('450 4.7.1 Later\r\n');
    // A route before looks at the header: not now.
    await client.expect('RCPT TO:<bad@dest.example>', 250);
    await client.expect('RSET', 250);

    const refused = await client.send('<ann@client.example>', ['<ok@dest.example>'], mail(['X-Campaign: Spam 1']));
    expect(refused.text).toBe('554 5.7.1 No such campaign here\r\n');
    const named = await client.send('<ann@client.example>', ['<bad@dest.example>'], mail());
    expect(named.text).toBe('550 5.1.1 Nobody of that name\r\n');

    const part = await client.send('<ann@client.example>', ['<ok@dest.example>', '<bad@dest.example>'], mail());
    expect(part.code).toBe(250);
    const [delivered] = await sink.waitFor(1, ({ rcpts: [rcpt] }) => rcpt === 'RCPT TO:<ok@dest.example>');
    expect(delivered!.rcpts).toHaveLength(1);
    const [notice] = await sink.waitFor(1, ({ mail: from }) => from.startsWith('MAIL FROM:<>'));
    expect(notice!.rcpts[0]).toContain('<ann@client.example>');
    expect(notice!.content.toString()).toContain('Nobody of that name');
  });

  it('discard what they are told to: taken, logged, sent nowhere, no notice', async () => {
    const sink = await stage.sink();
    const engine = await engineWith('[[route]]\nname = "hole"\nrecipient = "@hole.example"\ndiscard = true', {}, sink);
    const client = await stage.client(engine);
    const reply = await client.send('<ann@client.example>', ['<x@hole.example> NOTIFY=SUCCESS'], mail());
    expect(reply.code).toBe(250);
    await engine.waitForLog((line) => line['reply'] === 'discarded by route hole' && line['status'] === 'delivered');
    await client.send('<ann@client.example>', ['<y@other.example>'], mail());
    await sink.waitFor(1);
    expect(sink.messages).toHaveLength(1);
    const queued = async () => JSON.parse((await engine.command(['status', '--json'])).out).queued;
    await expect.poll(queued, { timeout: 10_000 }).toBe(0);
  });

  it('take mail for inner servers from anyone, and recipients that those know only', async () => {
    const inner = await stage.sink({
      reply: (moment, line) => (moment === 'RCPT' && !/<ann@/i.test(line) ? '550 5.1.1 Unknown here' : undefined),
    });
    const tables = `
      [[route]]
      recipient = ["@in.example", "@*.in.example"]
      host = "127.0.0.1:${inner.port}"
      relay = true
      verify = true
    `;
    // Nobody may relay: loopback is taken out.
    const engine = await engineWith(
      tables,
      { SLUICE_RELAY_NETWORKS: '!127.0.0.0/8', SLUICE_LISTEN: 'smtp://127.0.0.1:0' },
      inner,
    );
    const client = await stage.client(engine);
    await client.expect('MAIL FROM:<stranger@client.example>', 250);
    expect((await client.command('RCPT TO:<ann@elsewhere.example>')).code).toBe(554);
    expect((await client.command('RCPT TO:<bob@in.example>')).text).toBe('550 5.1.1 Unknown here\r\n');
    await client.expect('RCPT TO:<ann@in.example>', 250);
    await client.expect('RCPT TO:<ann@sub.in.example>', 250);
    await client.expect('RSET', 250);
    expect((await client.send('<stranger@client.example>', ['<Ann@in.example>'], mail())).code).toBe(250);
    await inner.waitFor(1);
    // What is known is not asked again.
    expect(inner.commands.filter((line) => line === 'RCPT TO:<bob@in.example>')).toHaveLength(1);
    expect((await client.send('<s@client.example>', ['<ann@sub.in.example>'], mail())).code).toBe(250);
    await inner.waitFor(2);
    writeFileSync(path, '');
    engine.signal('SIGHUP');
    await expect
      .poll(
        async () => {
          const next = await stage.client(engine);
          await next.expect('MAIL FROM:<s@client.example>', 250);
          return (await next.command('RCPT TO:<ann@in.example>')).code;
        },
        { timeout: 10_000 },
      )
      .toBe(554);
  });
});
