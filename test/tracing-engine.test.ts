/** Traces and metrics of a whole engine, at a real collector. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { type CollectedSpan, OtlpCollector } from './helpers/otlp-collector.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { type SinkOptions, SmtpSink } from './helpers/smtp-sink.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;

let engine: EngineProcess | undefined;
let collector: OtlpCollector;
let sink: SmtpSink | undefined;
let folder: string;
beforeEach(async () => {
  collector = await OtlpCollector.open();
  folder = mkdtempSync(join(tmpdir(), 'sluice-tracing-'));
});
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  await sink?.close();
  sink = undefined;
  await collector.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>> = {}, reply?: SinkOptions['reply']): Promise<void> {
  if (sink === undefined) {
    sink = new SmtpSink(reply === undefined ? {} : { reply });
    await sink.listen();
  }
  engine = await startEngine({
    spoolDir: join(folder, 'spool'),
    settings: {
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${sink.port}?tls=none`,
      SLUICE_RELAY_NETWORKS: '127.0.0.0/8',
      SLUICE_OTLP_ENDPOINT: collector.endpoint,
      SLUICE_OTLP_METRICS: '0',
      SLUICE_TRACES: '0',
      SLUICE_RETRY_MIN: '1s',
      SLUICE_RETRY_MAX: '1s',
      ...settings,
    },
  });
}

async function send(header = '', to: readonly string[] = ['<b@b.example>']): Promise<void> {
  const client = await SmtpTestClient.open(engine!.port);
  const reply = await client.send('<a@a.example>', to, `${header}From: a@a.example\r\nSubject: s\r\n\r\nt\r\n`);
  expect(reply.code).toBe(250);
  await client.quit();
}

const arrived = (count: number) => expect.poll(() => sink!.messages.length, { timeout: 20_000 }).toBe(count);
/** Spans by name, once the message is at its end. */
async function ended(count = 1): Promise<Record<string, CollectedSpan[]>> {
  await expect.poll(() => collector.of('message').length, { timeout: 20_000 }).toBe(count);
  return Object.fromEntries(collector.spans.map(({ name }) => [name, collector.of(name)]));
}

describe('traces of an engine', () => {
  it('go on from that of the submitter, whole, and nothing of it goes out', async () => {
    await start({ SLUICE_OTLP_HEADERS: 'x-token=se%20cret', SLUICE_OTLP_RESOURCE: 'deployment=test' });
    await send(`traceparent: ${SAMPLED}\r\ntracestate: vendor=1\r\n`);
    const { message, accept, prepare, commit, attempt } = await ended();
    const root = message![0]!;
    expect(collector.spans).toHaveLength(5);
    expect(collector.spans.every(({ traceId }) => traceId === TRACE)).toBe(true);
    expect(root).toMatchObject({
      parentSpanId: PARENT,
      kind: 2,
      attributes: { 'sluice.attempts': 1, 'sluice.lane': 'bulk' },
    });
    expect(accept![0]).toMatchObject({ parentSpanId: root.spanId, attributes: { 'client.address': '127.0.0.1' } });
    expect(prepare![0]!.parentSpanId).toBe(accept![0]!.spanId);
    expect(commit![0]!.parentSpanId).toBe(accept![0]!.spanId);
    expect(attempt![0]).toMatchObject({
      parentSpanId: root.spanId,
      kind: 3,
      attributes: {
        'sluice.status': 'delivered',
        'sluice.reply_code': 250,
        'server.port': sink!.port,
        'sluice.recipients': 1,
      },
    });
    for (const { start: from, end } of collector.spans) expect(end).toBeGreaterThanOrEqual(from);
    expect(root.start).toBeLessThanOrEqual(accept![0]!.start);
    expect(accept![0]!.end).toBeGreaterThanOrEqual(commit![0]!.end);
    expect(collector.resource).toMatchObject({ 'service.name': 'sluice', deployment: 'test' });
    expect(collector.headers[0]).toMatchObject({ 'x-token': 'se cret' });
    expect(engine!.transcript()).not.toContain('se cret');
    expect(sink!.messages[0]!.content.toString()).not.toMatch(/trace/i);
    expect(JSON.stringify(collector.spans)).not.toMatch(/[ab]\.example/);
  });

  it('are made of the share that is asked for, and not where the submitter says no', async () => {
    await start({ SLUICE_TRACES: '1' });
    await send(`traceparent: 00-${TRACE}-${PARENT}-00\r\n`);
    await send('traceparent: nonsense\r\n');
    await send('sluice-trace: x\r\n');
    const { message } = await ended(2);
    expect(message!.map(({ parentSpanId }) => parentSpanId)).toEqual(['', '']);
    expect(new Set(message!.map(({ traceId }) => traceId)).size).toBe(2);
    expect(message!.map(({ traceId }) => traceId)).not.toContain(TRACE);
  });

  it('go on over deferrals and a restart', { timeout: 120_000 }, async () => {
    let answer: string | undefined = '451 4.3.0 <b@b.example> not now';
    await start({}, (moment) => (moment === 'RCPT' ? answer : undefined));
    await send(`Traceparent: ${SAMPLED}\r\n`);
    await expect.poll(() => collector.of('attempt').length, { timeout: 20_000 }).toBeGreaterThan(0);
    await engine!.stop();
    answer = undefined;
    await start();
    const { message, attempt } = await ended();
    expect(attempt!.length).toBeGreaterThan(1);
    expect(attempt!.at(-1)!.attributes['sluice.status']).toBe('delivered');
    expect(attempt![0]).toMatchObject({
      status: { code: 2, message: '451 4.3.0 <...> not now' },
      attributes: { 'sluice.status': 'deferred', 'sluice.reply_code': 451 },
    });
    expect(new Set(attempt!.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([message![0]!.spanId]));
    expect(message![0]).toMatchObject({ traceId: TRACE, parentSpanId: PARENT });
    expect(message![0]!.start).toBeLessThanOrEqual(attempt![0]!.start);
    expect(collector.of('accept')).toHaveLength(1);
  });

  it('end with the last recipient', async () => {
    await start({}, (moment, line) => (moment === 'RCPT' && line.includes('c@c') ? '550 5.1.1 unknown' : undefined));
    await send(`traceparent: ${SAMPLED}\r\n`, ['<b@b.example>', '<c@c.example>']);
    const { message } = await ended();
    expect(message![0]).toMatchObject({ status: { code: 2 }, attributes: { 'sluice.recipients': 2 } });
  });

  it('cost mail nothing where the collector is gone, hangs or refuses, which is told once', {
    timeout: 60_000,
  }, async () => {
    collector.answer = 'hang';
    await start({ SLUICE_TRACES: '1' });
    for (let n = 0; n < 20; n++) await send();
    await arrived(20);
    await expect.poll(() => collector.requests, { timeout: 20_000 }).toBeGreaterThan(0);
    await engine!.stop();
    collector.answer = 400;
    await start({ SLUICE_TRACES: '1' });
    for (let n = 0; n < 5; n++) await send();
    await arrived(25);
    const lost = 'the collector does not take traces: they are lost, mail flows';
    await engine!.waitForLog(lost);
    collector.answer = 200;
    await expect
      .poll(
        async () => {
          await send();
          return engine!.logged('the collector takes traces again').length;
        },
        { timeout: 20_000, interval: 500 },
      )
      .toBe(1);
    expect(engine!.logged(lost)).toHaveLength(1);
    await engine!.stop();
    const before = sink!.messages.length;
    await start({ SLUICE_TRACES: '1', SLUICE_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
    await send();
    await arrived(before + 1);
  });

  it('are off where no collector is named, and the header is stripped all the same', async () => {
    await start({ SLUICE_OTLP_ENDPOINT: '' });
    await send(`traceparent: ${SAMPLED}\r\n`);
    await arrived(1);
    expect(sink!.messages[0]!.content.toString()).not.toMatch(/traceparent/i);
    expect(collector.requests).toBe(0);
  });
});

describe('metrics by OTLP', () => {
  it('are those of /metrics', async () => {
    await start({ SLUICE_OTLP_METRICS: '1s', SLUICE_OTLP_SERVICE: 'relay' });
    await send();
    await arrived(1);
    const value = (name: string) =>
      (collector.metrics.get(name)?.['sum'] as { dataPoints: { asDouble: number }[] } | undefined)?.dataPoints[0]
        ?.asDouble;
    await expect.poll(() => value('sluice_delivered'), { timeout: 20_000 }).toBe(1);
    expect(value('sluice_accepted')).toBe(1);
    expect(collector.metrics.get('sluice_accepted')).toMatchObject({
      sum: { isMonotonic: true, aggregationTemporality: 2 },
    });
    expect(collector.metrics.get('sluice_delivery_seconds')).toMatchObject({
      unit: 's',
      histogram: { dataPoints: [{ count: 1, explicitBounds: expect.any(Array) }] },
    });
    expect(collector.metrics.get('sluice_queue_messages')).toHaveProperty('gauge');
    expect(collector.resource).toMatchObject({ 'service.name': 'relay' });
  });
});
