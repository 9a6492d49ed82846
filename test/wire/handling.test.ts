/**
 * How mail is to be handled, from the listener, the header and the client to the spool; over the main thread and over a
 * session thread with TLS. And limits at the edge, as clients meet them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { leftBy, overTls } from './handled.js';
import { mail, Stage, values } from './stage.js';

let stage: Stage;
let folder: string;
beforeEach(() => {
  stage = new Stage();
  folder = mkdtempSync(join(tmpdir(), 'sluice-handling-'));
});
afterEach(async () => {
  await stage.end();
  rmSync(folder, { recursive: true, force: true });
});

/** Nothing listens there, so all mail stays in the spool. */
const NOWHERE = { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9' };
/** Loopback is taken out of the networks that may relay. */
const STRANGERS = { SLUICE_RELAY_NETWORKS: '!127.0.0.0/8', SLUICE_RELAY_DOMAINS: 'accept.example' };
const TO = ['<bob@accept.example>'];

function config(text: string): Record<string, string> {
  writeFileSync(join(folder, 'sluice.toml'), text);
  return { SLUICE_CONFIG: join(folder, 'sluice.toml') };
}

const session = (content: string, parameters = '') =>
  `EHLO c\r\nMAIL FROM:<ann@client.example>${parameters}\r\nRCPT TO:${TO[0]}\r\nDATA\r\n${content}.\r\nQUIT\r\n`;

const WISHES = ['X-Sluice-Lane: immediate', 'X-Sluice-Tags: spring news', 'X-Sluice-Tenant: acme'];

describe('how a message is to be handled', () => {
  it('comes from listener, header, priority and time, on the main thread and on a session thread', async () => {
    const engine = await stage.engine(
      {
        ...NOWHERE,
        SLUICE_LISTEN:
          'smtp://127.0.0.1:0,smtp://127.0.0.1:0?lane=immediate&name=fast,smtps://127.0.0.1:0?auth=none&name=secure',
        SLUICE_TLS_THREADS: '1',
      },
      undefined,
      join(folder, 'spool'),
    );
    const [plain, fast, secure] = engine.ports as [number, number, number];
    const before = Date.now();
    const send = async (port: number, from: string, fields: readonly string[] = []) => {
      const client = await SmtpTestClient.open(port);
      expect((await client.send(`<ann@client.example>${from}`, TO, mail(fields))).code).toBe(250);
      client.destroy();
    };
    await send(plain, '');
    await send(fast, '');
    await send(fast, ' MT-PRIORITY=-4');
    await send(plain, ' MT-PRIORITY=4');
    await send(plain, ' HOLDFOR=3600 BY=60;RT', WISHES);
    expect(await overTls(secure, session(mail(WISHES), ' BY=60;N'))).toContain('250 2.0.0 Ok: queued');
    expect(await overTls(secure, session(mail()))).toContain('250 2.0.0 Ok: queued');
    const handled = (await leftBy(engine, folder)).map(({ handling }) => handling);
    const short = handled.map(({ lane, listener, tenant, tags }) => `${listener} ${lane} ${tenant} ${tags.join('+')}`);
    expect(short).toEqual([
      'smtp bulk  ',
      'fast immediate  ',
      'fast bulk  ',
      'smtp immediate  ',
      'smtp immediate acme spring+news',
      'secure immediate acme spring+news',
      'secure bulk  ',
    ]);
    const [held, late] = [handled[4]!, handled[5]!];
    expect(held.holdUntil).toBeGreaterThanOrEqual(before + 3_600_000 - 1000);
    expect(held.holdUntil).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect(held.deliverBy).toMatchObject({ mode: 'R', trace: true });
    expect(held.deliverBy!.at).toBeCloseTo(held.holdUntil + 60_000, 3);
    expect(late.deliverBy).toMatchObject({ mode: 'N', trace: false });
    expect(handled[0]!.deliverBy).toBeNull();
  });

  it('is not for strangers to say, and what they say goes no further', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine(STRANGERS, sink, join(folder, 'spool'));
    const client = await stage.client(engine);
    expect(client.capabilities.has('FUTURERELEASE')).toBe(false);
    expect((await client.command('MAIL FROM:<ann@client.example> HOLDFOR=10')).text).toMatch(/^555 5\.5\.4 /);
    await client.send('<ann@client.example>', TO, mail([...WISHES, 'X-Other: kept']));
    const [message] = await sink.waitFor(1);
    for (const name of ['X-Sluice-Lane', 'X-Sluice-Tags', 'X-Sluice-Tenant'])
      expect(values(message!.content, name)).toEqual([]);
    expect(values(message!.content, 'X-Other')).toEqual(['kept']);
  });

  it('follows [lanes] and [[tenant]], and says where a header names no tenant', async () => {
    const rules = config(
      '[lanes]\ndefault = "immediate"\n[[tenant]]\nname = "acme"\nheader = "acme"\nlane = "bulk"\nmessages_per_hour = 1\n',
    );
    const engine = await stage.engine({ ...NOWHERE, ...rules }, undefined, join(folder, 'spool'));
    const client = await stage.client(engine);
    const send = (fields: readonly string[]) => client.send('<ann@client.example>', TO, mail(fields));
    expect((await send([])).code).toBe(250);
    expect((await send(['X-Sluice-Tenant: acme'])).code).toBe(250);
    expect((await send(['X-Sluice-Tenant: acme'])).text).toMatch(
      /^451 4\.7\.1 Limit of this tenant is reached: 1 messages per hour, try again in \d+ s/,
    );
    expect((await send(['X-Sluice-Tenant: nobody'])).code).toBe(250);
    await engine.waitForLog((line) => line['field'] === 'X-Sluice-Tenant' && line['value'] === 'nobody');
    const handled = (await leftBy(engine, folder)).map(({ handling: { lane, tenant } }) => `${lane} ${tenant}`);
    expect(handled).toEqual(['immediate ', 'bulk acme', 'immediate ']);
  });
});

describe('limits at the edge', () => {
  const LIMITED = { SLUICE_CLIENT_MESSAGES_PER_MINUTE: '2', SLUICE_TLS_THREADS: '1' };
  const LIMIT = /^451 4\.7\.1 Limit of this client is reached: 2 messages per minute, try again in \d+ s/m;

  it('hold strangers, over all connections and threads, and tell them at MAIL from then on', async () => {
    const sink = await stage.sink();
    const listen = { SLUICE_LISTEN: 'smtp://127.0.0.1:0,smtps://127.0.0.1:0?auth=none' };
    const engine = await stage.engine({ ...STRANGERS, ...LIMITED, ...listen }, sink);
    const client = await stage.client(engine);
    for (let n = 0; n < 2; n++) expect((await client.send('<ann@client.example>', TO, mail())).code).toBe(250);
    expect((await client.send('<ann@client.example>', TO, mail())).text).toMatch(LIMIT);
    expect((await client.command('MAIL FROM:<ann@client.example>')).text).toMatch(LIMIT);
    expect((await (await stage.client(engine)).command('MAIL FROM:<ann@client.example>')).text).toMatch(LIMIT);
    const secure = await overTls(engine.ports[1]!, 'EHLO c\r\nMAIL FROM:<ann@client.example>\r\nQUIT\r\n');
    expect(secure).toMatch(LIMIT);
    expect(sink.messages.length).toBe(2);
  });

  it('do not hold who may relay unless they are for all', async () => {
    const sink = await stage.sink();
    const free = await stage.client(await stage.engine(LIMITED, sink));
    for (let n = 0; n < 4; n++) expect((await free.send('<ann@client.example>', TO, mail())).code).toBe(250);
    const held = await stage.client(await stage.engine({ ...LIMITED, SLUICE_CLIENT_LIMITS: 'all' }, sink));
    for (let n = 0; n < 2; n++) expect((await held.send('<ann@client.example>', TO, mail())).code).toBe(250);
    expect((await held.send('<ann@client.example>', TO, mail())).text).toMatch(LIMIT);
  });

  it('of a listener hold all who come by it', async () => {
    const listen = 'smtp://127.0.0.1:0?messages_per_minute=1&connections=2,smtp://127.0.0.1:0';
    const engine = await stage.engine({ SLUICE_LISTEN: listen }, await stage.sink());
    const [first, second] = [await stage.client(engine), await stage.client(engine)];
    await expect(SmtpTestClient.connect(engine.ports[0]!)).rejects.toThrow(
      /421 4\.7\.0 Too many connections on this port/,
    );
    expect((await first.send('<ann@client.example>', TO, mail())).code).toBe(250);
    expect((await second.command('MAIL FROM:<ann@client.example>')).code).toBe(250);
    await second.expect(`RCPT TO:${TO[0]}`, 250);
    await second.expect('DATA', 354);
    expect((await second.command('x\r\n.')).text).toMatch(
      /^451 4\.7\.1 Limit of this listener is reached: 1 messages per/,
    );
    const other = await SmtpTestClient.open(engine.ports[1]!);
    expect((await other.send('<ann@client.example>', TO, mail())).code).toBe(250);
    other.destroy();
  });

  it('on new connections are told with 421', async () => {
    const settings = { ...STRANGERS, SLUICE_CLIENT_NEW_CONNECTIONS_PER_SECOND: '1' };
    const engine = await stage.engine(settings, await stage.sink());
    const refusals: unknown[] = [];
    for (let n = 0; n < 3; n++)
      await SmtpTestClient.connect(engine.port).then(
        (client) => client.destroy(),
        (error) => refusals.push(error),
      );
    expect(refusals.length).toBeGreaterThan(0);
    expect(String(refusals[0])).toContain('421 4.7.0 Too many new connections from your address');
  });
});

describe('DELIVERBY', () => {
  it('goes on with what is left of the time', async () => {
    const sink = await stage.sink();
    const client = await stage.client(await stage.engine({}, sink));
    await client.send('<ann@client.example> BY=600;RT', TO, mail());
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/ BY=(?:599|600|59\d);RT$/);
  });

  it('comes back from a next hop that does not know it with mode R, and goes without with mode N', async () => {
    const sink = await stage.sink({ capabilities: ['PIPELINING'] });
    const client = await stage.client(await stage.engine({}, sink));
    await client.send('<ann@client.example> BY=600;R', TO, mail());
    await client.send('<bea@client.example> BY=600;N', TO, mail());
    await client.send('<cea@client.example> BY=600;N', ['<bob@accept.example> NOTIFY=NEVER'], mail());
    await client.send('<dea@client.example>', TO, mail());
    const messages = await sink.waitFor(5);
    expect(messages.map(({ mail: command, rcpts: [rcpt] }) => `${command} ${rcpt}`).sort()).toEqual([
      'MAIL FROM:<> RCPT TO:<ann@client.example>',
      'MAIL FROM:<> RCPT TO:<bea@client.example>',
      ...['bea', 'cea', 'dea'].map((name) => `MAIL FROM:<${name}@client.example> RCPT TO:${TO[0]}`),
    ]);
    const notice = (name: string) =>
      messages.find(({ rcpts: [rcpt] }) => rcpt === `RCPT TO:<${name}@client.example>`)!.content.toString();
    expect(notice('ann')).toContain('Action: failed\r\nStatus: 5.3.3\r\n');
    expect(notice('bea')).toContain('Action: relayed\r\n');
    for (const name of ['ann', 'bea']) expect(notice(name)).toMatch(/\r\nDeliver-By-Date: /);
  });
});

describe('FUTURERELEASE', () => {
  it('holds a message while others go, over a restart too', async () => {
    const sink = await stage.sink();
    const spool = join(folder, 'spool');
    const engine = await stage.engine({}, sink, spool);
    const client = await stage.client(engine);
    const accepted = Date.now();
    await client.send('<held@client.example> HOLDFOR=8', TO, mail());
    await client.send('<ann@client.example>', TO, mail());
    await sink.waitFor(1);
    await engine.stop();
    await stage.engine({}, sink, spool);
    const messages = await sink.waitFor(2, () => true, 40_000);
    expect(messages.map(({ mail: command }) => command.split(' ')[1])).toEqual([
      'FROM:<ann@client.example>',
      'FROM:<held@client.example>',
    ]);
    expect(Date.now() - accepted).toBeGreaterThanOrEqual(8000 - 100);
  });
});
