/** Webhooks of a whole engine, with a real receiver that fails, and with the engine killed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { type SinkOptions, SmtpSink } from './helpers/smtp-sink.js';
import { SECRET, WebhookReceiver } from './helpers/webhook-receiver.js';

let folder: string;
let engine: EngineProcess | undefined;
let receiver: WebhookReceiver;
let sink: SmtpSink;
let reply: NonNullable<SinkOptions['reply']>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-webhooks-'));
  receiver = await WebhookReceiver.open();
  reply = () => undefined;
  sink = new SmtpSink({ reply: (moment, line) => reply(moment, line) });
  await sink.listen();
});
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  await receiver.close();
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

const configFile = (): string => join(folder, 'sluice.toml');

function configure(lines = '', more = ''): void {
  const hook = `[[webhook]]\nname = "crm"\nurl = "${receiver.url}"\nsecret = "${SECRET}"\ndelay = "50ms"\n${lines}`;
  writeFileSync(configFile(), `${hook}\n${more}`);
}

async function start(): Promise<EngineProcess> {
  engine = await startEngine({
    spoolDir: join(folder, 'spool'),
    settings: {
      SLUICE_CONFIG: configFile(),
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${sink.port}?tls=none`,
      SLUICE_RELAY_NETWORKS: '127.0.0.0/8',
      SLUICE_RETRY_MIN: '1s',
      SLUICE_RETRY_MAX: '2s',
    },
  });
  return engine;
}

/** The queue id of a message that was taken; '' when the connection went. */
async function send(client: SmtpTestClient, to: readonly string[]): Promise<string> {
  const reply = await client.send(
    '<a@a.example>',
    to.map((one) => `<${one}>`),
    'Subject: s\r\n\r\nt\r\n',
  );
  return reply.code === 250 ? (/\b([0-9A-Z]{8,})\b/.exec(reply.text.replace(/^250 2\.\d\.\d/, ''))?.[1] ?? '') : '';
}

function kindsOf(id: string): unknown[] {
  return receiver.told
    .filter((event) => event['id'] === id)
    .map(({ kind, recipient = '' }) => `${kind} ${recipient}`.trim());
}

describe('webhooks of an engine', () => {
  it('are told of each message in order, signed, and show no secret', async () => {
    reply = (moment, line) => {
      if (moment === 'RCPT' && line.includes('<gone@')) return '550 5.1.1 no such user';
      if (moment === 'RCPT' && line.includes('<later@')) return '451 4.3.0 later';
      return undefined;
    };
    configure();
    await start();
    const client = await SmtpTestClient.open(engine!.port);
    const id = await send(client, ['b@b.example', 'gone@b.example', 'later@b.example']);
    await client.quit();
    await expect.poll(() => kindsOf(id).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(5);
    const kinds = kindsOf(id);
    expect(kinds[0]).toBe('accepted');
    expect(kinds.slice(1, 4).sort()).toEqual([
      'bounced gone@b.example',
      'deferred later@b.example',
      'delivered b@b.example',
    ]);
    expect(kinds.slice(4).every((kind) => kind === 'deferred later@b.example')).toBe(true);
    // The notification to the sender is mail too.
    expect(receiver.told.some(({ kind, protocol }) => kind === 'accepted' && protocol === 'LOCAL')).toBe(true);
    expect(receiver.forged).toBe(0);
    const shown = await engine!.command(['webhooks', '--json']);
    expect(JSON.parse(shown.out)).toMatchObject({ name: 'crm', lastAnswer: 'HTTP 204', dropped: 0, disabled: '' });
    expect(await engine!.command(['webhooks', 'test', 'crm'])).toMatchObject({
      code: 0,
      out: 'crm answers: HTTP 204\n',
    });
    expect(receiver.requests.at(-1)).toMatchObject({ type: 'sluice.test', events: [] });
    expect((await engine!.command(['webhooks', 'test', 'nobody'])).err).toMatch(/no webhook "nobody"/);
    for (const text of [engine!.transcript(), shown.out]) {
      expect(text).not.toContain(SECRET.slice(6));
      expect(text).not.toContain('of-the-query');
    }
  });

  it('are taken up, disabled by 410 and resumed', async () => {
    writeFileSync(configFile(), '');
    await start();
    configure('events = ["delivered"]');
    engine!.signal('SIGHUP');
    await engine!.waitForLog('signing keys, certificates and accounts read again');
    receiver.answer = () => ({ status: 410 });
    const client = await SmtpTestClient.open(engine!.port);
    const first = await send(client, ['b@b.example']);
    await engine!.waitForLog((line) => line.msg.includes('wants to be told no more'));
    const second = await send(client, ['b@b.example']);
    await client.quit();
    receiver.answer = () => ({ status: 200 });
    await expect
      .poll(async () => JSON.parse((await engine!.command(['webhooks', '--json'])).out), { timeout: 10_000 })
      .toMatchObject({ queued: 2, disabled: 'HTTP 410' });
    expect(receiver.told).toEqual([]);
    expect((await engine!.command(['webhooks', 'resume', 'crm'])).code).toBe(0);
    await expect.poll(() => receiver.told.length, { timeout: 10_000 }).toBe(2);
    expect([kindsOf(first), kindsOf(second)]).toEqual([['delivered b@b.example'], ['delivered b@b.example']]);
  });

  it('a configuration with a mistake is named and keeps the engine from starting', async () => {
    writeFileSync(configFile(), `[[webhook]]\nname = "crm"\nurl = "ftp://x"\nsecret = "${SECRET.slice(6)}"\n`);
    const failed = await start().then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failed).toMatch(
      /webhook\[1\]\.url: the given value \(not shown\) is not allowed; allowed: a URL that begins/,
    );
    expect(failed).toMatch(/webhook\[1\]\.secret.*whsec_/);
    expect(failed).not.toContain(SECRET.slice(6));
    writeFileSync(configFile(), `[[webhook]]\nname = "crm"\nurl = "http://crm.example/"\nsecret_file = "/nowhere"\n`);
    await expect(start()).rejects.toThrow(/allow_http = true/);
    writeFileSync(configFile(), `[[webhook]]\nname = "crm"\nurl = "https://crm.example/"\nsecret_file = "/nowhere"\n`);
    await expect(start()).rejects.toThrow(/webhook crm: secret_file \/nowhere: it cannot be read/);
  });

  it('lose no event when the engine is killed between and during batches', { timeout: 240_000 }, async () => {
    const KILLS = 4;
    const GOAL = 60;
    let n = 0;
    // Every third request gets no good answer, so that batches are under way at any time.
    const bad = [{ status: 500 }, 'close' as const, { status: 503, headers: { 'Retry-After': '0' } }];
    receiver.answer = () => (++n % 3 === 0 ? bad[n % bad.length]! : { status: 200, after: n % 20 });
    reply = (moment, line) => (moment === 'RCPT' && line.includes('<gone@') ? '550 5.1.1 no such user' : undefined);
    configure('batch = 7\ntimeout = "2s"');
    const ids: { readonly id: string; readonly to: readonly string[] }[] = [];
    for (let round = 0; round <= KILLS; round++) {
      await start();
      const client = await SmtpTestClient.open(engine!.port);
      for (let i = 0; i < GOAL; i++) {
        const to = i % 3 === 0 ? ['b@b.example', 'gone@c.example'] : ['b@b.example'];
        const id = await send(client, to);
        if (id !== '') ids.push({ id, to });
        // Killed in the middle of things, at another place each time.
        if (round < KILLS && i === 20 + round * 11) {
          engine!.signal('SIGKILL');
          await engine!.exited;
          break;
        }
      }
      if (round < KILLS) await engine!.stop();
      else await client.quit();
    }
    expect(ids.length).toBeGreaterThan(GOAL);
    const missing = (): string[] => {
      const told = new Map<unknown, string[]>();
      for (const { id, kind, recipient = '' } of receiver.told) {
        const kinds = told.get(id) ?? [];
        told.set(id, kinds);
        kinds.push(`${kind} ${recipient}`.trim());
      }
      return ids
        .filter(({ id, to }) => {
          const kinds = told.get(id) ?? [];
          const wanted = to.map((one) => `${one.startsWith('gone') ? 'bounced' : 'delivered'} ${one}`);
          // An engine that is killed may deliver again, and tell of it again; the first event is what it was accepted by.
          return kinds[0] !== 'accepted' || wanted.some((one) => !kinds.includes(one));
        })
        .map(({ id }) => `${id}: ${told.get(id)?.join(', ')}`);
    };
    await expect.poll(missing, { timeout: 60_000, interval: 500 }).toEqual([]);
    expect(receiver.forged).toBe(0);
  });
});
