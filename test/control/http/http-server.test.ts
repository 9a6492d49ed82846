import http from 'node:http';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineControl, QueueEntry } from '../../../src/control/engine-control.js';
import * as answers from '../../../src/control/http/answers.js';
import { endpoints } from '../../../src/control/http/endpoints.js';
import { type HttpOptions, HttpServer } from '../../../src/control/http/http-server.js';
import type { MailInjector } from '../../../src/injection/mail-item.js';
import { FakeBrain, pastMessage } from '../../helpers/fake-control.js';
import { exchange, type RawAnswer, request } from '../../helpers/http-client.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { uwsProblem } from '../../helpers/uws-here.js';

const TOKEN = 'correct-horse-battery';
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
const STATUS = {
  ...{ version: '1', pid: 1, startedAt: 0, accepted: 1, delivered: 2, deferred: 3, failed: 4, queued: 5, flushes: 6 },
  ...{ serverConnections: 7, upstreamConnections: 8, suppressed: 18, kpis: {} },
  tls: { clientsFailed: 9, secured: 10, clear: 11, failed: 12, policyFailures: 13, certificateExpires: 14 },
  returned: { bounces: 15, complaints: 16, other: 17 },
};

class Temporary extends Error {
  readonly code = 'spool-failed';
  readonly temporary = true;
}

let calls: string[];
let brain: FakeBrain;
let control: EngineControl | undefined;
let injector: MailInjector | undefined;
let notReady = '';
let failures: unknown[];
let refusals: string[];
let server: HttpServer | undefined;

const plane = planeOf({
  version: '9.9',
  control: () => control,
  injector: () => injector,
  notReady: () => notReady,
  metrics: (open) => (control === undefined ? '' : open ? 'open\n# EOF\n' : 'plain\n'),
  subscribe: () => () => undefined,
  config: () => [{ name: 'SLUICE_HTTP_TOKEN', value: '***', source: '.env' }],
  audit: async ({ after }) =>
    after > 0
      ? []
      : [
          {
            ...{ seq: 1, time: '2026-01-02T03:04:05.678Z', actor: 'engine', action: 'engine.start', details: {} },
            ...{ prev: '0'.repeat(64), hash: 'f'.repeat(64) },
          },
        ],
  failed: (path, error) => failures.push([path, error]),
  refused: (client, reason) => refusals.push(`${client} ${reason}`),
});

async function open(options: Partial<HttpOptions> = {}): Promise<number> {
  server = await HttpServer.open(httpOptions(options), plane);
  return server.port;
}

beforeEach(() => {
  calls = [];
  failures = [];
  refusals = [];
  notReady = '';
  brain = new FakeBrain();
  injector = { submit: async (_, items) => items.map(() => ({ id: 'F7', refused: [], repeated: false })) };
  control = Object.assign(brain, {
    status: () => STATUS,
    list: async (after: string, limit: number) => {
      calls.push(`list ${after} ${limit}`);
      return after === '' ? [entry] : [];
    },
    show: async (id: string) =>
      id === 'F1' ? { ...entry, clientAddress: '::1', helo: 'h', recipientDetails: [] } : undefined,
    retry: async (id: string) => (id === 'all' ? 7 : Number(calls.push(`retry ${id}`) > 0 && id === 'F1')),
    hold: async (id: string) => Number(calls.push(`hold ${id}`) > 0 && id === 'F1'),
    release: async (id: string) => Number(calls.push(`release ${id}`) > 0 && id === 'F1'),
    remove: async (id: string): Promise<number> => {
      calls.push(`remove ${id}`);
      if (id === 'F1') throw new Temporary('the spool is closed');
      throw new TypeError('secret detail');
    },
  });
});
afterEach(() => {
  server?.close();
  server = undefined;
});

/** A problem of the status, in the form of RFC 9457; its text. */
function problem(answer: RawAnswer, status: number): string {
  expect(answer.status, answer.body).toBe(status);
  expect(answer.head).toMatch(/^content-type: application\/problem\+json$/im);
  const document = answer.json() as Record<string, unknown>;
  expect(document).toMatchObject({ type: expect.stringMatching(/^urn:sluice:problem:/), status });
  expect(document['title']).not.toBe('');
  return JSON.stringify(document);
}

it.runIf(uwsProblem !== '')(`says why there is no HTTP here (${uwsProblem})`, async () => {
  await expect(open()).rejects.toThrow(/uWebSockets\.js does not load here/);
});

describe.skipIf(uwsProblem !== '')(`HTTP ${uwsProblem}`, () => {
  it('says that it is alive and ready without a token, and why it is not', async () => {
    const port = await open({ token: TOKEN });
    expect(await exchange(port, [request('GET', '/healthz')])).toMatchObject({ status: 200, body: 'alive\n' });
    expect(await exchange(port, [request('GET', '/readyz')])).toMatchObject({ status: 200, body: 'ready\n' });
    notReady = 'the spool has no room';
    expect(await exchange(port, [request('GET', '/readyz')])).toMatchObject({ status: 503, body: `${notReady}\n` });
    const head = await exchange(port, [request('HEAD', '/healthz')]);
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.head).toMatch(/content-length: 6/i);
    // The connection goes on.
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (method: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = http.request({ agent, port, method, path: '/healthz' }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
        });
        sent.on('error', reject).end();
      });
    expect([await ask('HEAD'), await ask('GET')]).toEqual([200, 200]);
    agent.destroy();
  });

  it('gives metrics in the form that is asked for', async () => {
    const port = await open();
    const plain = await exchange(port, [request('GET', '/metrics')]);
    expect(plain.body).toBe('plain\n');
    expect(plain.head).toMatch(/content-type: text\/plain; version=0\.0\.4/i);
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5';
    const openMetrics = await exchange(port, [request('GET', '/metrics', undefined, { Accept: accept })]);
    expect(openMetrics.body).toBe('open\n# EOF\n');
    expect(openMetrics.head).toMatch(/content-type: application\/openmetrics-text; version=1\.0\.0/i);
  });

  it('answers every endpoint in the shape that the description says', async () => {
    const port = await open();
    brain.waiting = {
      ...{ id: 'F1', state: 'deferred', lane: 'bulk', tenant: '', attempts: 1, nextAttempt: 5, waits: [] },
    };
    brain.places = ['a', 'b'].map((destination) => ({
      ...{ destination, site: 's', queued: { immediate: 1, bulk: 2, deferred: 3 }, cold: 0, connections: 1 },
      ...{ hosts: [], limits: {}, waits: [] },
    }));
    brain.past = [pastMessage('F1'), pastMessage('F2')];
    brain.suppressed = [{ tenant: '', address: 'x@y.example', reason: 'r', since: 1, until: 0 }];
    const selector = { domain: 'example.org' };
    const asks: readonly (readonly [string, string, string, string?])[] = [
      ['GET', '/v1/status', '/v1/status'],
      ['GET', '/v1/queue', '/v1/queue?limit=1'],
      ['POST', '/v1/queue/retry', '/v1/queue/retry'],
      ['GET', '/v1/queue/{id}', '/v1/queue/F1'],
      ['GET', '/v1/queue/details', '/v1/queue/details?limit=1'],
      ['POST', '/v1/queue/change', '/v1/queue/change', JSON.stringify({ action: 'hold', ids: ['F1'] })],
      ['GET', '/v1/queue/{id}/why', '/v1/queue/F1/why'],
      ['POST', '/v1/queue/{id}/retry', '/v1/queue/F1/retry'],
      ['POST', '/v1/queue/{id}/hold', '/v1/queue/F1/hold'],
      ['POST', '/v1/queue/{id}/release', '/v1/queue/F1/release'],
      ['GET', '/v1/destinations', '/v1/destinations?limit=1'],
      ['GET', '/v1/figures', '/v1/figures?span=1h&after=12'],
      ['GET', '/v1/upstreams', '/v1/upstreams?limit=1&order=busiest'],
      ['GET', '/v1/tenants', '/v1/tenants?span=24h&limit=7'],
      ['POST', '/v1/route', '/v1/route', JSON.stringify({ sender: '', recipient: 'a@b.example' })],
      ['POST', '/v1/orders/suspend', '/v1/orders/suspend', JSON.stringify({ selector, reason: 'r', forMs: 5 })],
      ['POST', '/v1/orders/reroute', '/v1/orders/reroute', JSON.stringify({ selector, to: 'mx' })],
      ['GET', '/v1/orders', '/v1/orders'],
      ['POST', '/v1/orders/resume', '/v1/orders/resume', JSON.stringify({ order: 'all' })],
      ['POST', '/v1/orders/bounce', '/v1/orders/bounce', JSON.stringify({ selector, reason: 'gone' })],
      ['GET', '/v1/suppressions', '/v1/suppressions?tenant=acme'],
      ['POST', '/v1/suppressions', '/v1/suppressions', JSON.stringify({ address: 'x@y.example' })],
      ['DELETE', '/v1/suppressions', '/v1/suppressions?address=x%40y.example'],
      ['GET', '/v1/config', '/v1/config'],
      ['GET', '/v1/messages', '/v1/messages?recipient=b@y.example&since=5&status=bounced&limit=1'],
      ['GET', '/v1/messages/{id}', '/v1/messages/f1'],
      ['POST', '/v1/erasures', '/v1/erasures', JSON.stringify({ address: 'b@y.example', suppression: true })],
      ['GET', '/v1/erasures', '/v1/erasures'],
      ['GET', '/v1/erasures/{id}', '/v1/erasures/e1'],
      ['GET', '/v1/webhooks', '/v1/webhooks'],
      ['POST', '/v1/webhooks/{name}/test', '/v1/webhooks/crm/test'],
      ['POST', '/v1/webhooks/{name}/resume', '/v1/webhooks/crm/resume'],
      ['POST', '/v1/messages', '/v1/messages', JSON.stringify({ from: 'a@x.example', to: ['b@y.example'] })],
      ['GET', '/v1/audit', '/v1/audit?limit=1'],
    ];
    const answered = asks.map(([method, path]) => `${method} ${path}`);
    for (const [method, path, url, body] of asks) {
      const row = endpoints.find((one) => one.method === method && one.path === path)!;
      const answer = await exchange(port, [request(method, url, body)]);
      expect(answer.status, `${method} ${url} ${answer.body}`).toBe(row.status ?? 200);
      expect(answer.head).toMatch(/^content-type: application\/json$/im);
      expect(() => row.answer!.parse(answer.json()), `${method} ${url} ${answer.body}`).not.toThrow();
    }
    // One that this engine cannot do is asked for below.
    const rest = endpoints.filter((row) => row.answer !== undefined).map(({ method, path }) => `${method} ${path}`);
    expect(rest.filter((one) => !answered.includes(one))).toEqual(['DELETE /v1/queue/{id}']);
    expect(calls).toEqual(['list  1', 'retry F1', 'hold F1', 'release F1']);
    expect(brain.looked).toEqual([
      ['figures', '1h', 12],
      ['upstreams', '', 1, true],
      ['tenants', '24h', 7],
    ]);
    expect(brain.asked).toContainEqual([
      'bounce',
      { domain: 'example.org', tenant: '', pool: '', campaign: '' },
      'gone',
    ]);
  });

  it('pages by the key of the last item', async () => {
    const port = await open();
    const first = (await exchange(port, [request('GET', '/v1/queue?limit=1')])).json();
    expect(first).toMatchObject({ items: [{ id: 'F1' }], next: 'F1' });
    expect((await exchange(port, [request('GET', '/v1/queue?after=F1&limit=1')])).json()).toEqual({
      items: [],
      next: null,
    });
  });

  it('describes every endpoint in OpenAPI', async () => {
    const port = await open();
    const document = (await exchange(port, [request('GET', '/v1/openapi.json')])).json() as {
      openapi: string;
      paths: Record<
        string,
        Record<string, { parameters: { name: string; required: boolean }[]; requestBody?: unknown }>
      >;
    };
    expect(document.openapi).toBe('3.1.0');
    for (const { method, path } of endpoints) expect(document.paths[path]?.[method.toLowerCase()], path).toBeDefined();
    const queue = document.paths['/v1/queue']!['get']!.parameters;
    expect(queue.map(({ name, required }) => [name, required])).toEqual([
      ['after', false],
      ['limit', false],
    ]);
    expect(document.paths['/v1/route']!['post']!.requestBody).toMatchObject({
      content: { 'application/json': { schema: { required: ['sender', 'recipient'], additionalProperties: false } } },
    });
  });

  it('says what is not there, and what may be done', async () => {
    const port = await open();
    problem(await exchange(port, [request('GET', '/v2')]), 404);
    problem(await exchange(port, [request('GET', '/v1/queue/F9')]), 404);
    problem(await exchange(port, [request('GET', '/v1/queue/F9/why')]), 404);
    problem(await exchange(port, [request('POST', '/v1/queue/F9/hold')]), 404);
    // The engine's word for every message is none here.
    problem(await exchange(port, [request('POST', '/v1/queue/all/retry')]), 404);
    problem(await exchange(port, [request('DELETE', '/v1/queue/all')]), 404);
    problem(await exchange(port, [request('GET', '/v1/queue/%zz')]), 404);
    problem(await exchange(port, [request('DELETE', '/v1/suppressions?address=nobody%40example.org')]), 404);
    const wrong = await exchange(port, [request('PUT', '/v1/queue/F1')]);
    problem(wrong, 405);
    expect(wrong.head).toMatch(/^allow: GET, HEAD, DELETE$/im);
    expect(calls).toEqual(['hold F9']);
  });

  it('tells errors of the engine to operators, and others to the log only', async () => {
    const port = await open();
    expect(problem(await exchange(port, [request('DELETE', '/v1/queue/F1')]), 503)).toContain('the spool is closed');
    expect(failures).toEqual([]);
    expect(problem(await exchange(port, [request('DELETE', '/v1/queue/F2')]), 500)).not.toContain('secret detail');
    expect(failures).toHaveLength(1);
    control = undefined;
    problem(await exchange(port, [request('GET', '/v1/status')]), 503);
    problem(await exchange(port, [request('GET', '/metrics')]), 503);
  });

  it('refuses what is malformed, unknown or not allowed, by name and without repeating it', async () => {
    const port = await open();
    const route = (body: string, headers = {}) => exchange(port, [request('POST', '/v1/route', body, headers)]);
    problem(await route('{"sender":'), 400);
    problem(await route('\u0000'), 400);
    problem(await route('['.repeat(1900)), 400);
    problem(await route('{}', { 'Content-Type': 'text/plain' }), 415);
    problem(await route('{}', { 'Content-Type': 'application/jsonp' }), 415);
    expect(problem(await route('{}'), 422)).toContain('body.recipient');
    const secret = problem(await route('{"sender":5,"recipient":"hunter2@x","extra":1}'), 422);
    expect(secret).toContain('body.sender');
    expect(secret).toContain('extra');
    expect(secret).not.toContain('hunter2');
    problem(await route('[]'), 422);
    problem(await route('null'), 422);
    for (const query of ['limit=0', 'limit=1001', 'limit=1e3', 'limit=', 'limit=-1', 'colour=red', 'after=a&after=b'])
      problem(await exchange(port, [request('GET', `/v1/queue?${query}`)]), 422);
    problem(await exchange(port, [request('GET', '/v1/status?x=1')]), 422);
    for (const query of [
      'figures?span=2h',
      'figures?after=-1',
      'figures?after=now',
      'upstreams?order=size',
      'tenants?span=',
    ])
      problem(await exchange(port, [request('GET', `/v1/${query}`)]), 422);
    expect(brain.looked).toEqual([]);
    problem(await exchange(port, [request('POST', '/v1/orders/bounce', '{"selector":{}}')]), 422);
    expect(brain.asked).toEqual([]);
  });

  it('takes bodies up to the limit, in pieces too, and no longer ones', async () => {
    const port = await open({ maxBody: 200 });
    const text = JSON.stringify({ sender: '', recipient: 'a@b.example' });
    const full = text.padEnd(200);
    expect((await exchange(port, [request('POST', '/v1/route', full)])).status).toBe(200);
    problem(await exchange(port, [request('POST', '/v1/route', `${full} `)]), 413);
    const head = request('POST', '/v1/route', undefined, {
      'Content-Type': 'application/json',
      'Transfer-Encoding': 'chunked',
    });
    const chunk = (part: string): string => `${part.length.toString(16)}\r\n${part}\r\n`;
    const pieces = [...text].map(chunk);
    expect((await exchange(port, [head, ...pieces, '0\r\n\r\n'], { gap: 2 })).status).toBe(200);
    problem(await exchange(port, [head, chunk(full), chunk('x')]), 413);
    // A length alone is enough: nothing is waited for.
    problem(await exchange(port, [request('POST', '/v1/route', '', { 'Content-Length': '999999999' })]), 413);
  });

  it('does not wait for slow bodies beyond the limit', async () => {
    const port = await open({ bodyTime: 150 });
    const head = request('POST', '/v1/route', undefined, {
      'Content-Type': 'application/json',
      'Content-Length': '1000',
    });
    problem(await exchange(port, [head, ...Array<string>(100).fill(' ')], { gap: 20 }), 408);
  });

  it('outlives clients that go away', async () => {
    const port = await open();
    const head = request('POST', '/v1/route', undefined, {
      'Content-Type': 'application/json',
      'Content-Length': '1000',
    });
    for (const part of ['', 'GET', head, `${head}{"sen`, request('GET', '/v1/status')]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise<void>((done) => socket.once('connect', done));
      if (part !== '') await new Promise((done) => socket.write(part, done));
      socket.resetAndDestroy();
    }
    for (let i = 0; i < 5; i++) expect((await exchange(port, [request('GET', '/v1/status')])).status).toBe(200);
    expect(failures).toEqual([]);
  });

  it('asks for the token, and shows it nowhere', async () => {
    const port = await open({ token: TOKEN });
    const ask = (authorization: string, path = '/v1/status') =>
      exchange(port, [request('GET', path, undefined, { Host: 'sluice.example', Authorization: authorization })]);
    for (const wrong of ['', 'Bearer', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(0, -1)}`, `Basic ${TOKEN}`, TOKEN]) {
      const answer = await ask(wrong);
      expect(problem(answer, 401), wrong).not.toContain(TOKEN);
      expect(answer.head).toMatch(/^www-authenticate: Bearer/im);
    }
    expect(refusals).toHaveLength(6);
    expect(refusals[0]).toBe('127.0.0.1 no-token');
    expect((await ask(`Bearer ${TOKEN}`)).status).toBe(200);
    expect((await ask(`bearer ${TOKEN}`)).status).toBe(200);
    // Strangers do not learn what there is.
    for (const path of ['/metrics', '/v1/openapi.json', '/v1/config', '/nothing']) problem(await ask('', path), 401);
    for (const { method, path, open: free } of endpoints) {
      if (free === true) continue;
      const answer = await exchange(port, [request(method, path.replace('{id}', 'F1'), '{}')]);
      expect(answer.status, `${method} ${path}`).toBe(401);
    }
  });

  it('takes no orders from web pages where there is no token', async () => {
    const port = await open();
    const from = (headers: Readonly<Record<string, string>>) =>
      exchange(port, [request('POST', '/v1/queue/retry', undefined, headers)]);
    problem(await from({ Host: 'evil.example' }), 403);
    problem(await from({ Host: '127.0.0.1.evil.example' }), 403);
    problem(await from({ Origin: 'https://evil.example' }), 403);
    problem(await from({ Origin: 'null' }), 403);
    expect((await from({ Host: 'localhost:8025', Origin: 'http://localhost:8025' })).status).toBe(200);
    expect((await from({ Host: '[::1]:8025' })).status).toBe(200);
  });

  it('closes connections beyond the bound, and takes new ones when there is room', async () => {
    const port = await open({ maxConnections: 3 });
    const held = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        await new Promise<void>((done) => socket.once('connect', done));
        socket.write(request('GET', '/healthz'));
        await new Promise<void>((done) => socket.once('data', () => done()));
        return socket;
      }),
    );
    expect((await exchange(port, [request('GET', '/healthz')])).status).toBe(0);
    for (const socket of held) socket.destroy();
    await expect
      .poll(async () => (await exchange(port, [request('GET', '/healthz')])).status, { timeout: 5000 })
      .toBe(200);
  });

  it('says that a port is taken', async () => {
    const port = await open();
    const first = server;
    await expect(open({ port })).rejects.toThrow(/cannot listen on 127\.0\.0\.1, port \d+: it is taken/);
    server = first;
  });

  it('has answers of its own for what is not HTTP/1.1', async () => {
    const port = await open();
    expect((await exchange(port, ['EHLO me\r\n\r\n'])).status).toBeGreaterThanOrEqual(400);
    expect((await exchange(port, [request('GET', `/${'x'.repeat(20_000)}`)])).status).toBeGreaterThanOrEqual(400);
    expect(answers.status.safeParse((await exchange(port, [request('GET', '/v1/status')])).json()).success).toBe(true);
  });
});
