import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlClient } from '../../src/control/control-client.js';
import { MAX_REQUEST } from '../../src/control/control-protocol.js';
import { serveControl } from '../../src/control/control-socket.js';
import type { EngineControl, QueueEntry } from '../../src/control/engine-control.js';
import { parseRequest } from '../../src/control/parse-request.js';
import { connectUnix, listenUnix, type UnixListener } from '../../src/net/unix-socket.js';
import { MailEvents } from '../../src/telemetry/mail-event.js';
import { FakeBrain } from '../helpers/fake-control.js';
import { outcomeEvent } from '../helpers/mail-events.js';

const entry: QueueEntry = {
  id: 'F1',
  sender: 'a@b.example',
  size: 1,
  receivedAt: 1,
  recipients: 1,
  attempts: 2,
  due: 3,
  state: 'deferred',
  reason: '451 "later"\n',
};
const calls: string[] = [];
const control: EngineControl = Object.assign(new FakeBrain(), {
  status: () => ({
    version: '1',
    pid: 1,
    startedAt: 0,
    accepted: 1,
    delivered: 2,
    deferred: 3,
    failed: 4,
    queued: 5,
    flushes: 6,
    serverConnections: 7,
    upstreamConnections: 8,
    tls: { clientsFailed: 9, secured: 10, clear: 11, failed: 12, policyFailures: 13, certificateExpires: 14 },
    returned: { bounces: 15, complaints: 16, other: 17 },
    suppressed: 18,
    kpis: {},
  }),
  list: async (after: string, limit: number) => {
    calls.push(`list ${after} ${limit}`);
    return [entry];
  },
  show: async (id: string) =>
    id === 'F1' ? { ...entry, clientAddress: '::1', helo: 'h', recipientDetails: [] } : undefined,
  retry: async (id: string) => calls.push(`retry ${id}`) + 1,
  hold: async (id: string) => Math.min(1, calls.push(`hold ${id}`)),
  release: async (id: string) => Math.min(1, calls.push(`release ${id}`)),
  remove: async () => {
    throw new Error('the spool is closed');
  },
});

let dir: string;
let listener: UnixListener | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-control-'));
  calls.length = 0;
});
afterEach(async () => {
  await listener?.close();
  listener = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function serve(path: string): Promise<void> {
  listener = await listenUnix(path, (socket) => void serveControl(socket, control));
}

/** Sends raw bytes and gives every line that comes back until the end. */
async function talk(path: string, ...chunks: string[]): Promise<string[]> {
  const socket = await connectUnix(path);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  socket.on('error', () => undefined);
  for (const chunk of chunks) {
    socket.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await new Promise((resolve) => socket.on('close', resolve));
  return text.split('\n').slice(0, -1);
}

describe('the control socket', () => {
  it('carries every command over a real Unix socket', async () => {
    const path = join(dir, 'control.sock');
    await serve(path);
    const client = new ControlClient(await connectUnix(path));
    expect(await client.ask({ command: 'status' })).toEqual(control.status());
    expect(await client.ask({ command: 'list', after: 'F0', limit: 10 })).toEqual([entry]);
    expect(await client.ask({ command: 'show', id: 'F1' })).toMatchObject({
      id: 'F1',
      clientAddress: '::1',
    });
    expect(await client.ask({ command: 'show', id: 'F2' })).toBeNull();
    expect(await client.ask({ command: 'retry', id: 'all' })).toBe(3);
    expect(await client.ask({ command: 'hold', id: 'F1' })).toBe(1);
    expect(await client.ask({ command: 'release', id: 'F1' })).toBe(1);
    await expect(client.ask({ command: 'delete', id: 'F1' })).rejects.toThrow('the spool is closed');
    expect(await client.ask({ command: 'hold', id: 'F2' })).toBe(1);
    expect(calls).toEqual(['list F0 10', 'retry all', 'hold F1', 'release F1', 'hold F2']);
    await listener?.close();
    await expect(client.ask({ command: 'status' })).rejects.toThrow(/closed/);
    client.close();
  });

  it('is for its user only, and gone when closed', async () => {
    const path = join(dir, 'control.sock');
    await serve(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await listener?.close();
    expect(() => statSync(path)).toThrow(/ENOENT/);
    await expect(connectUnix(path)).rejects.toThrow(`cannot connect to ${path} (ENOENT)`);
  });

  it('answers bad requests and goes on', async () => {
    const path = join(dir, 'control.sock');
    await serve(path);
    const lines = await talk(
      path,
      'junk\n[1]\nnull\n{"command":"no',
      'pe"}\n\n{"command":"retry"}\n{"command":"list","limit":0}\n{"command":"hold","id":"F1"}\n',
    );
    const answers = lines.map((line) => JSON.parse(line) as { ok: boolean; error?: string });
    expect(answers.map((answer) => answer.ok)).toEqual([false, false, false, false, false, false, true]);
    expect(answers[0]?.error).toContain('not JSON');
    expect(answers[3]?.error).toContain('unknown command "nope"');
    expect(answers[4]?.error).toContain('"id"');
    expect(answers[5]?.error).toContain('1 to 1000');
  });

  it('ends a client whose line does not end', async () => {
    const path = join(dir, 'control.sock');
    await serve(path);
    const lines = await talk(path, 'x'.repeat(MAX_REQUEST + 1), 'x'.repeat(MAX_REQUEST));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('longer than');
  });

  it('replaces a stale socket file, but neither a living one nor a file', async () => {
    const path = join(dir, 'control.sock');
    const stale = net.createServer();
    const other = join(dir, 'other.sock');
    await new Promise<void>((resolve) => stale.listen(path, resolve));
    const { linkSync, renameSync } = await import('node:fs');
    linkSync(path, other);
    await new Promise((resolve) => stale.close(resolve));
    renameSync(other, path);
    expect(statSync(path).isSocket()).toBe(true);
    await serve(path);
    await expect(listenUnix(path, () => undefined)).rejects.toMatchObject({
      code: 'socket-in-use',
    });
    const file = join(dir, 'file');
    writeFileSync(file, 'precious');
    await expect(listenUnix(file, () => undefined)).rejects.toMatchObject({
      code: 'socket-not-a-socket',
    });
    expect(statSync(file).size).toBe(8);
  });

  it('works below a folder whose path is too long for a socket', async () => {
    const deep = join(dir, 'd'.repeat(80), 'e'.repeat(80));
    const path = join(deep, 'control.sock');
    await serve(path);
    const client = new ControlClient(await connectUnix(path));
    expect((await client.ask({ command: 'status' })).queued).toBe(5);
    client.close();
    await listener?.close();
    expect(() => statSync(path)).toThrow(/ENOENT/);
    await expect(listenUnix(join(deep, 'n'.repeat(120)), () => undefined)).rejects.toMatchObject({
      code: 'socket-path-too-long',
    });
  });

  it('says where it cannot listen', async () => {
    const blocked = join(dir, 'blocked');
    mkdirSync(blocked);
    writeFileSync(join(blocked, 'file'), '');
    chmodSync(blocked, 0o500);
    await expect(listenUnix(join(blocked, 'file', 'x.sock'), () => undefined)).rejects.toThrow(
      /blocked\/file\/x\.sock/,
    );
  });
});

describe('requests', () => {
  it('are refused or of a known shape, whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(['string', 'object']).toContain(typeof parseRequest(line));
      }),
    );
    expect(parseRequest('{"command":"list"}')).toEqual({
      command: 'list',
      after: '',
      limit: 100,
    });
  });
});

describe('events over the control socket', () => {
  it('come as lines until the client goes, only those that are wanted', async () => {
    const mail = new MailEvents();
    const path = join(dir, 'c.sock');
    listener = await listenUnix(path, (socket) => void serveControl(socket, control, (one) => mail.subscribe(one)));
    const socket = await connectUnix(path);
    const lines: string[] = [];
    socket.setEncoding('utf8').on('data', (part: string) => lines.push(...part.trim().split('\n')));
    socket.write('{"command":"events","kinds":["bounced"]}\n');
    await expect.poll(() => mail.wanted).toBe(true);
    const wanted = outcomeEvent('bounced', { id: 'A2' });
    for (const event of [outcomeEvent('delivered', { id: 'A1' }), wanted]) mail.tell(event);
    await expect.poll(() => lines.length).toBe(1);
    expect(JSON.parse(lines[0]!)).toEqual(wanted);
    socket.destroy();
    await expect.poll(() => mail.wanted).toBe(false);
  });

  it('are bounded: a client that does not read is told how many it missed', async () => {
    const mail = new MailEvents();
    const path = join(dir, 'c.sock');
    listener = await listenUnix(path, (socket) => void serveControl(socket, control, (one) => mail.subscribe(one)));
    const socket = await connectUnix(path);
    socket.write('{"command":"events"}\n');
    await expect.poll(() => mail.wanted).toBe(true);
    const count = 5000;
    for (let i = 0; i < count; i++) mail.tell(outcomeEvent('delivered', { reply: 'x'.repeat(1000) }));
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await expect
      .poll(() => {
        mail.tell(outcomeEvent('expired', {}));
        return text.includes('dropped-events');
      })
      .toBe(true);
    const told = text.split('\n').filter((line) => line.includes('"delivered"')).length;
    const missed = Number(/"dropped-events","count":(\d+)/.exec(text)![1]);
    const late = text.slice(0, text.indexOf('dropped-events')).split('"expired"').length - 1;
    expect(told).toBeLessThan(count);
    expect(told + missed).toBeGreaterThanOrEqual(count + late);
    socket.destroy();
  });

  it('say what is allowed', async () => {
    await serve(join(dir, 'c.sock'));
    const [wrong, none] = await talk(join(dir, 'c.sock'), '{"command":"events","kinds":["x"]}\n{"command":"events"}\n');
    expect(wrong).toMatch(/allowed: accepted, delivered/);
    expect(none).toMatch(/no events/);
  });
});
