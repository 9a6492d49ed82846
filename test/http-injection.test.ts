/** Mail handed in over HTTP, through a whole engine to a real next hop. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateDkimKey } from '../src/message/dkim/dkim-generate.js';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { exchange, type RawAnswer, request } from './helpers/http-client.js';
import { type SinkMessage, type SmtpSink, startSink } from './helpers/smtp-sink.js';
import { uwsProblem } from './helpers/uws-here.js';

let engine: EngineProcess | undefined;
let sink: SmtpSink;
let port = 0;

beforeEach(async () => {
  sink = await startSink();
});
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  await sink.close();
});

async function start(settings: Readonly<Record<string, string>> = {}, spoolDir?: string): Promise<void> {
  engine = await startEngine({
    ...(spoolDir === undefined ? {} : { spoolDir }),
    settings: { SLUICE_HTTP: 'http://127.0.0.1:0', SLUICE_UPSTREAM: `${sink.url}?tls=none`, ...settings },
  });
  port = Number(/:(\d+)$/.exec(String(engine.logged('HTTP is listened for')[0]?.['address']))?.[1] ?? 0);
}

function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  return exchange(port, [request('POST', '/v1/messages', JSON.stringify(body), headers)]);
}

interface ItemAnswer {
  readonly id: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly reply: string;
  readonly repeated: true | undefined;
  readonly refused: readonly unknown[] | undefined;
  readonly items: readonly ItemAnswer[];
}

function said(answer: RawAnswer): ItemAnswer {
  return answer.json() as ItemAnswer;
}

function headerOf({ content }: SinkMessage): string {
  return content
    .toString('utf8')
    .split('\r\n\r\n')[0]!
    .replace(/\r\n[ \t]/g, ' ');
}

describe.skipIf(uwsProblem !== '')(`POST /v1/messages ${uwsProblem}`, () => {
  it('takes one message and says its id; it goes out with what submissions get', async () => {
    await start();
    const answer = await post({ from: 'Ann <a@x.example>', to: ['b@y.example'], subject: 's', text: '.t\nu\r\n' });
    expect(answer.status, answer.body).toBe(202);
    const { id } = said(answer);
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<a@x\.example>/);
    expect(message!.rcpts).toEqual(['RCPT TO:<b@y.example>']);
    const header = headerOf(message!);
    expect(header).toMatch(
      new RegExp(`^Received: from unknown \\(\\[127\\.0\\.0\\.1\\]\\) by relay\\.example with HTTP id ${id} for <b@y`),
    );
    expect(header).toMatch(/^From: Ann <a@x\.example>$/m);
    expect(header).toMatch(/^To: b@y\.example$/m);
    expect(header).toMatch(/^Subject: s$/m);
    expect(header).toMatch(/^Date: /m);
    expect(header).toMatch(new RegExp(`^Message-ID: <.*${id}@relay\\.example>$`, 'm'));
    expect(message!.content.toString().split('\r\n\r\n').slice(1).join()).toBe('.t\r\nu\r\n');
  });

  it('answers the items of an array in their order, each by itself', async () => {
    await start();
    const good = { from: 'a@x.example', to: 'b@y.example', subject: 's', text: 't' };
    const raw = Buffer.from('Subject: raw\r\nBcc: hidden@z.example\r\n\r\nbody\r\n').toString('base64');
    const answer = await post([
      good,
      { ...good, from: 'nobody' },
      { mailFrom: '', rcptTo: ['c@y.example'], raw },
      { ...good, colour: 'red' },
      7,
    ]);
    expect(answer.status, answer.body).toBe(202);
    const { items } = said(answer);
    expect(items.map(({ status }) => status)).toEqual([202, 422, 202, 422, 422]);
    expect(items[1]).toMatchObject({ code: 'bad-address', type: 'urn:sluice:problem:bad-address' });
    expect(items[3]!.detail).toContain('colour');
    const found = await sink.waitFor(2);
    const sent = found.find(({ mail }) => mail.startsWith('MAIL FROM:<>'))!;
    expect(headerOf(sent)).toMatch(/^Subject: raw$/m);
    expect(headerOf(sent)).not.toMatch(/bcc|hidden/i);
  });

  it('signs, routes and sends by lane, tenant and tags as mail of clients that may relay', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-inject-'));
    try {
      generateDkimKey(join(folder, 'dkim'), 'x.example', 's1', 'ed25519');
      writeFileSync(
        join(folder, 'sluice.toml'),
        '[[tenant]]\nname = "acme"\nheader = "acme"\ntags = ["ours"]\n[[route]]\ntag = ["spring"]\ndiscard = true\n',
      );
      await start({ SLUICE_DKIM_DIR: join(folder, 'dkim'), SLUICE_CONFIG: join(folder, 'sluice.toml') });
      const good = { from: 'a@x.example', to: 'b@y.example', subject: 's', text: 't' };
      const answer = await post([
        { ...good, tenant: 'acme', lane: 'immediate', tags: ['one'] },
        { ...good, tenant: 'nobody' },
        { ...good, campaign: 'spring', mailFrom: 'discarded@x.example' },
      ]);
      expect(said(answer).items.map(({ status }) => status)).toEqual([202, 422, 202]);
      expect(said(answer).items[1]!.code).toBe('unknown-tenant');
      const [message] = await sink.waitFor(1);
      const header = headerOf(message!);
      expect(header).toMatch(/^DKIM-Signature: .*d=x\.example/m);
      expect(header).not.toMatch(/X-Sluice/i);
      await engine!.waitForLog((line) => line.msg === 'outcome' && line['id'] === said(answer).items[2]!.id);
      expect(sink.messages).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('takes a message as it is, composes MIME, and never names Bcc', async () => {
    await start();
    const raw = 'From: a@x.example\r\nTo: b@y.example\r\nBcc: c@y.example\r\nSubject: raw\r\n\r\n.dot\r\n';
    const head = { 'Content-Type': 'message/rfc822' };
    expect((await exchange(port, [request('POST', '/v1/messages', raw, head)])).status).toBe(202);
    const [first] = await sink.waitFor(1);
    expect(first!.rcpts).toHaveLength(2);
    expect(first!.content.toString()).not.toMatch(/bcc|c@y/i);
    expect(first!.content.toString().endsWith('\r\n\r\n.dot\r\n')).toBe(true);

    const attachments = [{ filename: 'f.bin', content: Buffer.alloc(200_000, 7).toString('base64') }];
    const mime = { from: 'Ännchen <a@x.example>', to: 'b@y.example', bcc: ['d@y.example'], html: '<b>ü', attachments };
    expect((await post(mime)).status).toBe(202);
    const [second] = await sink.waitFor(1, ({ rcpts }) => rcpts.some((line) => line.includes('d@y.example')));
    expect(second!.rcpts).toHaveLength(2);
    expect(headerOf(second!)).not.toMatch(/bcc|d@y/i);
    const mail = await PostalMime.parse(second!.content);
    expect(mail.from?.name).toBe('Ännchen');
    expect(mail.html?.trim()).toBe('<b>ü');
    expect((mail.attachments[0]!.content as ArrayBuffer).byteLength).toBe(200_000);
  });

  it('refuses suppressed recipients, and holds clients to their limits', async () => {
    await start({ SLUICE_CLIENT_LIMITS: 'all', SLUICE_CLIENT_MESSAGES_PER_MINUTE: '2', SLUICE_SUPPRESSION: 'all' });
    const listed = await exchange(port, [request('POST', '/v1/suppressions', '{"address":"gone@y.example"}')]);
    expect(listed.status).toBe(201);
    const good = { from: 'a@x.example', to: ['b@y.example', 'gone@y.example'], text: 't' };
    const answer = said(await post([good, { ...good, to: 'gone@y.example' }, good, good]));
    expect(answer.items[0]).toMatchObject({ status: 202, refused: [{ recipient: 'gone@y.example' }] });
    expect(answer.items[1]).toMatchObject({ status: 422, reply: expect.stringMatching(/^550 5\.1\.1 /) });
    expect(answer.items[2]!.status).toBe(202);
    expect(answer.items[3]).toMatchObject({ status: 429, reply: expect.stringMatching(/^451 4\.7\.1 /) });
    const over = await post(good);
    expect(over.status).toBe(429);
    expect(over.head).toMatch(/^retry-after: /im);
  });

  it('says so while the spool has no room, and takes mail of those who bring the token only', async () => {
    const TOKEN = 'correct-horse-battery';
    await start({ SLUICE_SPOOL_MIN_FREE: '1t', SLUICE_HTTP_TOKEN: TOKEN });
    const good = { from: 'a@x.example', to: 'b@y.example', text: 't' };
    expect((await post(good)).status).toBe(401);
    const answer = await post(good, { Authorization: `Bearer ${TOKEN}` });
    expect(answer.status, answer.body).toBe(507);
    expect(answer.head).toMatch(/^retry-after: /im);
    expect(said(answer).reply).toMatch(/^452 4\.3\.1 /);
  });

  it('knows a request again after kill -9, and what was answered 202 is there', async () => {
    const spoolDir = mkdtempSync(join(tmpdir(), 'sluice-inject-spool-'));
    try {
      const good = { from: 'a@x.example', to: 'b@y.example', subject: 's', text: 't' };
      const key = { 'Idempotency-Key': 'order-7' };
      await start({ SLUICE_UPSTREAM: 'smtp://127.0.0.1:1?tls=none' }, spoolDir);
      const first = await post([good, { ...good, html: '<p>' }], key);
      expect(first.status).toBe(202);
      engine!.signal('SIGKILL');
      await engine!.stop();
      await start({ SLUICE_RETRY_MIN: '1s' }, spoolDir);
      const again = await post([good, { ...good, html: '<p>' }], key);
      expect(said(again).items.map(({ id, repeated }) => [id, repeated])).toEqual(
        said(first).items.map(({ id }) => [id, true]),
      );
      const other = await post([good], key);
      expect(other.status).toBe(422);
      expect(said(other).items[0]!.code).toBe('key-reused');
      await exchange(port, [request('POST', '/v1/queue/retry')]);
      await sink.waitFor(2, () => true, 20_000);
      expect(sink.messages).toHaveLength(2);
    } finally {
      await engine?.stop();
      rmSync(spoolDir, { recursive: true, force: true });
    }
  });

  it('answers what is under way at the end', async () => {
    await start();
    const good = { from: 'a@x.example', to: 'b@y.example', text: 't', html: `<p>${'ü'.repeat(300_000)}` };
    const answers = Array.from({ length: 5 }, () => post([good, good]));
    await sink.waitFor(1, () => true, 20_000);
    engine!.signal('SIGTERM');
    const ids = (await Promise.all(answers)).flatMap((answer) => {
      const items = answer.status === 202 ? said(answer).items : [];
      return items.flatMap(({ status, id }) => (status === 202 ? [id] : []));
    });
    expect((await engine!.exited).code).toBe(0);
    expect(ids.length).toBeGreaterThan(0);
    // What was not delivered by then waits in the spool.
    const delivered = engine!.logged((line) => line.msg === 'accepted').map((line) => line['id']);
    expect(ids.filter((id) => !delivered.includes(id))).toEqual([]);
  });
});
