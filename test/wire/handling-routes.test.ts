/**
 * Routes where mail comes in: what they set, ask and refuse, on the main thread and on a session thread, and anew after
 * a reload.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leftBy, overTls } from './handled.js';
import { mail, Stage } from './stage.js';

let stage: Stage;
let folder: string;
beforeEach(() => {
  stage = new Stage();
  folder = mkdtempSync(join(tmpdir(), 'sluice-routes-'));
});
afterEach(async () => {
  await stage.end();
  rmSync(folder, { recursive: true, force: true });
});

const STRANGERS = { SLUICE_RELAY_NETWORKS: '!127.0.0.0/8' };

function config(text: string): Record<string, string> {
  writeFileSync(join(folder, 'sluice.toml'), text);
  return { SLUICE_CONFIG: join(folder, 'sluice.toml') };
}

const ROUTES = `
[[route]]
name = "gone"
recipient = "gone@ours.example"
reply = "550 5.1.6 Moved away"

[[route]]
name = "asked"
recipient = ["@ours.example", "@*.ours.example"]
upstream = "default"
relay = true
verify = true

[[route]]
name = "campaign"
header = { "X-Campaign" = "spring*" }
upstream = "default"
set_lane = "immediate"
add_tags = ["campaign"]
`;

describe('routes where mail comes in', () => {
  it('take domains from anyone, refuse and ask at RCPT, on the main thread and on a session thread', async () => {
    const sink = await stage.sink({
      reply: (moment, line) => (moment === 'RCPT' && line.includes('nobody@') ? '550 5.1.1 No such user' : undefined),
    });
    const listen = { SLUICE_LISTEN: 'smtp://127.0.0.1:0,smtps://127.0.0.1:0?auth=none', SLUICE_TLS_THREADS: '1' };
    const engine = await stage.engine({ ...STRANGERS, ...listen, ...config(ROUTES) }, sink);
    const rcpts = [
      'bob@ours.example',
      'nobody@ours.example',
      'ann@sub.ours.example',
      'gone@ours.example',
      'x@else.example',
    ];
    const commands = rcpts.map((address) => `RCPT TO:<${address}>\r\n`).join('');
    const client = await stage.client(engine);
    client.write(`MAIL FROM:<a@client.example>\r\n${commands}`);
    expect((await client.reply()).code).toBe(250);
    const replies = [];
    for (const _ of rcpts) replies.push((await client.reply()).text.slice(0, 9));
    const expected = ['250 2.1.5', '550 5.1.1', '250 2.1.5', '550 5.1.6', '554 5.7.1'];
    expect(replies).toEqual(expected);
    const heard = await overTls(engine.ports[1]!, `EHLO c\r\nMAIL FROM:<a@client.example>\r\n${commands}QUIT\r\n`);
    expect(
      heard
        .split('\r\n')
        .slice(-7, -2)
        .map((line) => line.slice(0, 9)),
    ).toEqual(expected);
    // And anew after a reload: what is gone is asked about, what was taken from anyone is not.
    config(ROUTES.replace(/\[\[route\]\]\nname = "gone"[^[]*/, '').replace('relay = true\n', ''));
    engine.signal('SIGHUP');
    let code = 0;
    for (let n = 0; n < 100 && code !== 554; n++) {
      const again = await stage.client(engine);
      await again.command('MAIL FROM:<a@client.example>');
      ({ code } = await again.command('RCPT TO:<bob@ours.example>'));
      again.destroy();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(code).toBe(554);
  });

  it('set the lane and tags of what they fit by its header', async () => {
    const engine = await stage.engine(
      { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9', ...config(ROUTES) },
      undefined,
      join(folder, 'spool'),
    );
    const client = await stage.client(engine);
    const to = ['<bob@else.example>'];
    await client.send('<a@client.example>', to, mail(['X-Campaign: spring sale']));
    await client.send('<a@client.example>', to, mail(['X-Campaign: autumn', 'X-Sluice-Tags: own']));
    await client.send(
      '<a@client.example>',
      to,
      mail(['X-Campaign: spring', 'X-Sluice-Lane: bulk', 'X-Sluice-Tags: own']),
    );
    const handled = (await leftBy(engine, folder)).map(({ handling }) => handling);
    expect(handled.map(({ lane, tags, fields }) => `${lane} ${tags.join('+')} ${fields['x-campaign']}`)).toEqual([
      'immediate campaign spring sale',
      'bulk own autumn',
      'bulk own+campaign spring',
    ]);
  });
});
