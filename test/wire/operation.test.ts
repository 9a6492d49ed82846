/**
 * The engine as operators meet it: signals, one process per spool, the queue command, restarts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MessageDetail, QueueEntry } from '../../src/control/engine-control.js';
import { EngineProcess } from '../helpers/engine.js';
import { SmtpTestClient, stuffed } from '../helpers/smtp-client.js';
import { mail, Stage, values } from './stage.js';

let stage: Stage;
let spool: string;
beforeEach(() => {
  stage = new Stage();
  spool = mkdtempSync(join(tmpdir(), 'sluice-operation-'));
});
afterEach(async () => {
  await stage.end();
  rmSync(spool, { recursive: true, force: true });
});

/** Nothing listens there, so all mail is put off. */
const NOWHERE = { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9' };

describe('SIGTERM', () => {
  it('answers the message under way, says 421 to idle clients, delivers and exits 0', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const idle = await stage.client(engine);
    const busy = await stage.client(engine);
    await busy.expect('MAIL FROM:<ann@client.example>', 250);
    await busy.expect('RCPT TO:<bob@accept.example>', 250);
    await busy.expect('DATA', 354);
    const wire = stuffed(Buffer.from(mail([], 'Hello\r\n'.repeat(100))));
    busy.write(wire.subarray(0, 200));
    engine.signal('SIGTERM');
    expect((await idle.reply()).text).toMatch(/^421 4\.3\.2 /);
    expect((await idle.reply()).code).toBe(0);
    await expect(SmtpTestClient.connect(engine.port)).rejects.toThrow();
    busy.write(wire.subarray(200));
    expect((await busy.reply()).code).toBe(250);
    expect((await busy.reply()).text).toMatch(/^421 4\.3\.2 /);
    expect(await engine.exited).toEqual({ code: 0, signal: null });
    expect(sink.messages).toHaveLength(1);
  });

  it('waits no longer than the limit, for clients that send nothing more', async () => {
    const engine = await stage.engine({ SLUICE_SHUTDOWN_TIMEOUT: '1s' }, await stage.sink());
    const client = await stage.client(engine);
    await client.expect('MAIL FROM:<ann@client.example>', 250);
    await client.expect('RCPT TO:<bob@accept.example>', 250);
    await client.expect('DATA', 354);
    engine.signal('SIGTERM');
    expect(await engine.exited).toEqual({ code: 0, signal: null });
  });

  it('twice ends it at once, and nothing acknowledged is lost', async () => {
    const silent = await stage.sink({ reply: () => new Promise(() => {}) });
    const engine = await stage.engine({}, silent, spool);
    const client = await stage.client(engine);
    expect((await client.send('<ann@client.example>', ['<bob@accept.example>'], mail())).code).toBe(250);
    engine.signal('SIGTERM');
    await engine.waitForLog('shutting down');
    engine.signal('SIGTERM');
    expect(await engine.exited).toEqual({ code: 0, signal: null });
    const sink = await stage.sink();
    await stage.engine({}, sink, spool);
    const [message] = await sink.waitFor(1);
    expect(message!.rcpts).toEqual(['RCPT TO:<bob@accept.example>']);
  });
});

describe('spool', () => {
  it('is for one engine: a second one is refused and says why, the first works on', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink, spool);
    const second = new EngineProcess({ settings: { SLUICE_UPSTREAM: sink.url }, spoolDir: spool });
    const { code } = await second.exited;
    expect(code).not.toBe(0);
    expect(second.errors).toContain(spool);
    expect(second.errors).toMatch(new RegExp(`\\b${engine.pid}\\b`));
    await second.stop();
    const client = await stage.client(engine);
    expect((await client.send('<ann@client.example>', ['<bob@accept.example>'], mail())).code).toBe(250);
    await sink.waitFor(1);
    expect((await engine.command(['status', '--json'])).code).toBe(0);
  });

  it('keeps what was queued over restarts, by SIGTERM and by SIGKILL', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const engine = await stage.engine(NOWHERE, undefined, spool);
      const client = await stage.client(engine);
      const to = [`<${signal}@accept.example>`];
      expect((await client.send('<ann@client.example> ENVID=x', to, mail([], '.dots\r\n'))).code).toBe(250);
      await engine.waitForLog((line) => line['status'] === 'deferred' && line['to'] === `${signal}@accept.example`);
      engine.signal(signal);
      await engine.exited;
    }
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink, spool);
    expect((await engine.command(['queue', 'retry', 'all'])).out).toBe('2 messages tried again\n');
    const messages = await sink.waitFor(2);
    expect(messages.map(({ rcpts }) => rcpts[0]).sort()).toEqual([
      'RCPT TO:<SIGKILL@accept.example>',
      'RCPT TO:<SIGTERM@accept.example>',
    ]);
    for (const message of messages) {
      expect(message.mail).toContain('ENVID=x');
      expect(message.content.toString()).toMatch(/\r\n\r\n\.dots\r\n$/);
      expect(values(message.content, 'Received')).toHaveLength(1);
    }
  });
});

describe('sluice queue', () => {
  async function entries(engine: EngineProcess): Promise<QueueEntry[]> {
    const { code, out } = await engine.command(['queue', 'list', '--json']);
    expect(code).toBe(0);
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as QueueEntry);
  }

  it('lists, shows, holds, releases, retries and deletes while the engine runs', async () => {
    let open = false;
    const sink = await stage.sink({
      reply: (moment, line) =>
        moment === 'RCPT' && !open && line.includes('slow') ? '451 4.7.1 Come back later' : undefined,
    });
    const engine = await stage.engine({ SLUICE_RETRY_MIN: '1h' }, sink);
    const client = await stage.client(engine);
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      const to = [`<slow-${name}@accept.example>`, `<fast-${name}@accept.example>`];
      const reply = await client.send('<ann@client.example>', to, mail());
      ids.push(/queued as (\w+)/.exec(reply.text)![1]!);
      await engine.waitForLog((line) => line['status'] === 'deferred' && line['id'] === ids.at(-1));
    }
    const [one, two, three] = ids as [string, string, string];
    const waitForState = async (id: string, state: string | undefined): Promise<void> => {
      for (let attempt = 0; attempt < 100; attempt++) {
        if ((await entries(engine)).find((entry) => entry.id === id)?.state === state) return;
      }
      throw new Error(`${id} does not become ${state}`);
    };
    await waitForState(three, 'deferred');
    const listed = await entries(engine);
    expect(listed.map(({ id }) => id)).toEqual(ids);
    for (const entry of listed) {
      expect(entry).toMatchObject({ sender: 'ann@client.example', recipients: 2, attempts: 1, state: 'deferred' });
      expect(entry.reason).toBe('451 4.7.1 Come back later');
      expect(Math.abs(entry.receivedAt - Date.now())).toBeLessThan(60_000);
      expect(entry.due - Date.now()).toBeGreaterThan(60_000);
    }
    const shown = JSON.parse((await engine.command(['queue', 'show', one, '--json'])).out) as MessageDetail;
    expect(shown.recipientDetails).toMatchObject([
      { address: 'slow-one@accept.example', status: 'pending', reply: '451 4.7.1 Come back later' },
      { address: 'fast-one@accept.example', status: 'delivered', reply: '250 2.0.0 stored' },
    ]);
    expect((await engine.command(['queue', 'show', one])).out).toContain('slow-one@accept.example');

    expect((await engine.command(['queue', 'hold', one])).out).toBe('1 message held\n');
    expect((await engine.command(['queue', 'delete', two])).out).toBe('1 message deleted\n');
    await waitForState(one, 'held');
    await waitForState(two, undefined);
    open = true;
    expect((await engine.command(['queue', 'retry', 'all'])).code).toBe(0);
    await engine.waitForLog((line) => line['to'] === 'slow-three@accept.example' && line['status'] === 'delivered');
    await waitForState(three, undefined);
    expect((await entries(engine)).map(({ id, state }) => [id, state])).toEqual([[one, 'held']]);
    expect((await engine.command(['queue', 'release', one])).out).toBe('1 message released\n');
    await engine.waitForLog((line) => line['to'] === 'slow-one@accept.example' && line['status'] === 'delivered');
    await waitForState(one, undefined);
    expect((await engine.command(['queue', 'list'])).out).toBe('the queue is empty\n');
    expect((await engine.command(['queue', 'show', one])).code).toBe(66);
    // Each recipient got it once, the deleted one never.
    const rcpts = sink.messages.flatMap((message) => message.rcpts);
    expect(rcpts.filter((line) => line.includes('slow-')).sort()).toEqual([
      'RCPT TO:<slow-one@accept.example>',
      'RCPT TO:<slow-three@accept.example>',
    ]);
    expect(rcpts.filter((line) => line.includes('fast-'))).toHaveLength(3);
  });

  it('keeps a hold over a restart', async () => {
    const first = await stage.engine({ ...NOWHERE, SLUICE_RETRY_MIN: '1h' }, undefined, spool);
    const client = await stage.client(first);
    const reply = await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    const id = /queued as (\w+)/.exec(reply.text)![1]!;
    await first.waitForLog((line) => line['status'] === 'deferred' && line['id'] === id);
    expect((await first.command(['queue', 'hold', id])).code).toBe(0);
    expect((await first.stop()).code).toBe(0);
    const sink = await stage.sink();
    const second = await stage.engine({}, sink, spool);
    expect((await entries(second)).map((entry) => [entry.id, entry.state])).toEqual([[id, 'held']]);
    expect((await second.command(['queue', 'release', id])).code).toBe(0);
    await sink.waitFor(1);
  });
});
