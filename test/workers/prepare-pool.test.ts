import { afterEach, describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/core/errors.js';
import {
  builtWorkerFile,
  PreparePool,
  type PreparePoolOptions,
  type PrepareResult,
} from '../../src/intake/prepare-pool.js';
import { parseHeaderRules } from '../../src/message/header-rules.js';
import { createPreparer } from '../../src/message/prepare.js';
import type { PrepareConfig, PrepareRequest } from '../../workers/contract.js';
import { place, requestFor } from '../message/content-fixture.js';
import { makeKey } from '../message/dkim-keys.js';

const config: PrepareConfig = {
  hostname: 'mx.example',
  rules: parseHeaderRules({ remove: 'X-A', rewriteDomains: 'old.example=new.example' }),
  keys: [makeKey('new.example', 's', 'ed25519')],
  maxHeaderSize: 65_536,
  maxHops: 3,
};
const content = Buffer.from('From: a@old.example\r\nX-A: 1\r\nSubject: x\r\n\r\nbody  \r\n..dot\r\n');
const placed = place(content, 16);
const request = (changes: Partial<PrepareRequest> = {}) => requestFor(placed, { dotLines: 1, ...changes });
const from = (helo: string) =>
  request({ origin: { clientAddress: '192.0.2.7', clientPort: 1, helo, protocol: 'SMTP', tls: '' } });

const pools: PreparePool[] = [];
function open(changes: Partial<PreparePoolOptions> = {}): PreparePool {
  const { shared, memory } = placed;
  const pool = new PreparePool({ threads: 2, shared, segmentSize: memory.segmentSize, config, ...changes });
  pools.push(pool);
  return pool;
}
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

const shape = (results: readonly PrepareResult[]) =>
  results.map((result) => (result instanceof SluiceError ? result.code : result.status));

describe('PreparePool', () => {
  it('answers as the same work on this thread, in order, whatever the size of the batch', async () => {
    const pool = open();
    const inline = createPreparer(config);
    for (const size of [1, 3, 9, 200]) {
      const batch = Array.from({ length: size }, (_, i) => request({ id: `ID${i}`, submission: i % 3 !== 1 }));
      const expected = batch.map((each) => inline.prepare(each, placed.memory));
      const plain = (results: readonly PrepareResult[]) =>
        results.map((result) =>
          result instanceof SluiceError
            ? result.message
            : [result.status, Buffer.from(result.header).toString('latin1'), result.resumeAt, result.tlsOptional],
        );
      expect(plain(await pool.prepare(batch))).toEqual(plain(expected));
    }
    expect(await pool.prepare([])).toEqual([]);
  });

  it('passes captured fields on, of the messages that have some', async () => {
    const text = Buffer.from('X-Campaign: später\r\nX-Sluice-Lane: bulk\r\nFrom: a@old.example\r\n\r\nbody\r\n');
    const captured = place(text, 16);
    const pool = open({
      shared: captured.shared,
      segmentSize: captured.memory.segmentSize,
      config: { ...config, captured: ['x-campaign'] },
    });
    const batch = [{}, { length: text.indexOf('X-Sluice') }, { submission: false }, { length: 0 }];
    const results = await pool.prepare(batch.map((changes) => requestFor(captured, changes)));
    expect(results.map((result) => (result instanceof SluiceError ? result.message : result.fields))).toEqual([
      { 'x-campaign': 'später', 'x-sluice-lane': 'bulk' },
      { 'x-campaign': 'später' },
      { 'x-campaign': 'später' },
      undefined,
    ]);
    const headers = results.map((result) => Buffer.from((result as { header: Uint8Array }).header).toString());
    expect(headers.map((header) => /^(?:DKIM-Signature|Received): /.test(header) && !/X-Sluice/.test(header))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('passes on that TLS is optional', async () => {
    const optional = place(Buffer.from('TLS-Required: No\r\nFrom: a@old.example\r\n\r\nbody\r\n'), 16);
    const pool = open({ shared: optional.shared, segmentSize: optional.memory.segmentSize });
    const [result] = await pool.prepare([requestFor(optional)]);
    expect(result).toMatchObject({ status: 'ok', tlsOptional: true });
  });

  it('reports loops and large headers', async () => {
    const loop = place(Buffer.from('Received: a\r\nReceived: a\r\nReceived: a\r\n\r\n'), 16_384);
    const pool = open({ shared: loop.shared, segmentSize: 16_384 });
    expect(shape(await pool.prepare([requestFor(loop), requestFor(loop, { length: 13 })]))).toEqual([
      'too-many-hops',
      'ok',
    ]);
  });

  it('goes on when a thread crashes, and fails only the message that does it again', async () => {
    const lost: string[] = [];
    const workerFile = builtWorkerFile('test/workers/failing-worker.js');
    const pool = open({ workerFile, onThreadLost: (reason) => lost.push(reason) });
    const batch = [request(), request(), from('crash.example'), request(), request(), request(), request(), request()];
    const results = await pool.prepare(batch);
    expect(shape(results)).toEqual(['ok', 'ok', 'prepare-failed', 'ok', 'ok', 'ok', 'ok', 'ok']);
    expect(results[2]).toMatchObject({ temporary: true });
    expect(lost.length).toBe(2);
    expect(lost[0]).toContain('7');
    // All threads are back.
    const after = await Promise.all(
      Array.from({ length: 8 }, () => pool.prepare(Array.from({ length: 40 }, () => request()))),
    );
    expect(after.flatMap(shape).every((status) => status === 'ok')).toBe(true);
  });

  it('replaces a thread that hangs, and fails only the message that hangs again', async () => {
    const lost: string[] = [];
    const workerFile = builtWorkerFile('test/workers/failing-worker.js');
    const pool = open({ workerFile, threads: 1, deadline: 700, onThreadLost: (reason) => lost.push(reason) });
    expect(shape(await pool.prepare([request()]))).toEqual(['ok']);
    const waiting = [pool.prepare([request(), from('hang.example'), request()]), pool.prepare([request(), request()])];
    expect((await Promise.all(waiting)).map(shape)).toEqual([
      ['ok', 'prepare-failed', 'ok'],
      ['ok', 'ok'],
    ]);
    expect(lost).toEqual([expect.stringContaining('700 ms'), expect.stringContaining('700 ms')]);
    expect(shape(await pool.prepare([request()]))).toEqual(['ok']);
  });

  it('fails a message whose work throws, without losing a thread for it', async () => {
    const pool = open({ workerFile: builtWorkerFile('test/workers/failing-worker.js'), threads: 1 });
    expect(shape(await pool.prepare([request(), from('throw.example')]))).toEqual(['ok', 'prepare-failed']);
  });

  it('answers for a configuration that does not compile instead of starting threads for ever', async () => {
    const pool = open({
      threads: 1,
      config: { ...config, keys: [{ domain: 'a.example', selector: 's', pem: 'rubbish' }] },
    });
    const [result] = await pool.prepare([request()]);
    expect(result).toBeInstanceOf(SluiceError);
    expect((result as SluiceError).message).toContain('a.example');
  });

  it('refuses what would wait beyond the bound, at once', async () => {
    const pool = open({ threads: 1, maxQueued: 40 });
    const hundred = Array.from({ length: 100 }, () => request());
    // Nothing waits yet: a batch is taken whatever its size. The next finds too many waiting.
    const first = pool.prepare(hundred);
    expect(pool.queueSize).toBeGreaterThan(40);
    await expect(pool.prepare([request()])).rejects.toMatchObject({ code: 'prepare-failed', temporary: true });
    expect(shape(await first)).toEqual(new Array(100).fill('ok'));
    expect(pool.queueSize).toBe(0);
    expect(shape(await pool.prepare([request()]))).toEqual(['ok']);
  });

  it('finishes what it has when closed, and takes nothing more', async () => {
    const pool = open({ threads: 1 });
    const work = pool.prepare(Array.from({ length: 100 }, () => request()));
    const closed = pool.close();
    await expect(pool.prepare([request()])).rejects.toMatchObject({ code: 'prepare-failed' });
    expect(shape(await work)).toEqual(new Array(100).fill('ok'));
    await closed;
  });

  it('names a worker file that is not built', () => {
    expect(() => builtWorkerFile('workers/none.js')).toThrow(/npm run build/);
  });
});
