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
