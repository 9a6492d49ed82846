/**
 * What every endpoint must withstand, by the table itself: an endpoint that is added is covered as it stands there.
 *
 * The engine is not running here, so a mistake in a request that is found too late shows as 503 in place of 4xx.
 */
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/control/http/endpoint.js';
import { endpoints } from '../../../src/control/http/endpoints.js';
import { HttpServer } from '../../../src/control/http/http-server.js';
import type { Refusal } from '../../../src/injection/mail-item.js';
import { exchange, type RawAnswer, request } from '../../helpers/http-client.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { uwsProblem } from '../../helpers/uws-here.js';

const TOKEN = 'correct-horse-battery';
const MAX_BODY = 2000;
const METHODS = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'get'];
const failures: unknown[] = [];
const plane = planeOf({
  version: '9.9',
  control: () => undefined,
  // None of what is sent here is mail.
  injector: () => ({ submit: async (_, items) => [...(items as readonly Refusal[])] }),
  notReady: () => 'it is not running',
  metrics: () => '',
  config: () => [],
  failed: (path, error) => failures.push([path, error]),
  refused: () => undefined,
});

let server: HttpServer;
let port: number;
beforeAll(async () => {
  if (uwsProblem !== '') return;
  server = await HttpServer.open(
    httpOptions({ token: TOKEN, maxBody: MAX_BODY, maxMailBody: MAX_BODY, bodyTime: 400, maxConnections: 200 }),
    plane,
  );
  port = server.port;
});
afterAll(() => server?.close());

const rows = endpoints.map((row) => [`${row.method} ${row.path}`, row] as const);
const withBody = rows.filter(([, row]) => row.body !== undefined);
const urlOf = ({ path }: Endpoint): string => path.replace(/\{[^}]*\}/g, 'F1');
const bearer = { Authorization: `Bearer ${TOKEN}` };

function send(row: Endpoint, url: string, body?: string, headers: Readonly<Record<string, string>> = bearer) {
  return exchange(port, [request(row.method, url, body, headers)]);
}

/** A problem of RFC 9457 with one of the statuses, that names no part of this program. */
function problem(answer: RawAnswer, ...statuses: readonly number[]): void {
  expect(statuses, answer.body).toContain(answer.status);
  expect(answer.head).toMatch(/^content-type: application\/problem\+json$/im);
  expect(answer.json()).toMatchObject({ status: answer.status, type: expect.stringMatching(/^urn:sluice:problem:/) });
  expect(answer.body).not.toMatch(/\bat .*\.[jt]s:\d|node_modules|TypeError/);
  expect(answer.body).not.toContain(TOKEN);
}

describe.skipIf(uwsProblem !== '')(`every endpoint ${uwsProblem}`, () => {
  it('has a name of its own', () => expect(new Set(rows.map(([name]) => name)).size).toBe(rows.length));

  it.each(rows)('%s: token', async (_, row) => {
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}x` }, { Authorization: `Basic ${TOKEN}` }]) {
      const answer = await send(row, urlOf(row), row.body === undefined ? undefined : '{}', headers);
      if (row.open === true) expect(answer.status).not.toBe(401);
      else problem(answer, 401);
      // It is asked for before anything is said of the request.
      if (row.open !== true) problem(await send(row, `${urlOf(row)}?no_such=1`, '{', headers), 401);
    }
  });

  it.each(rows)('%s: unknown parameters, and one twice', async (_, row) => {
    const body = row.body === undefined ? undefined : '{}';
    problem(await send(row, `${urlOf(row)}?no_such_parameter=1`, body), 422);
    problem(await send(row, `${urlOf(row)}?__proto__=1&__proto__=2`, body), 422);
  });

  it.each(rows)('%s: other methods', async (_, row) => {
    const url = urlOf(row);
    // Also those whose path has a parameter where this one has a word.
    const fits = ({ path }: Endpoint): boolean => new RegExp(`^${path.replace(/\{[^}]*\}/g, '[^/]+')}$`).test(url);
    const own = new Set(endpoints.filter(fits).map(({ method }) => method as string));
    for (const method of METHODS.filter((one) => !own.has(one))) {
      const answer = await exchange(port, [request(method, url, undefined, bearer)]);
      problem(answer, 405);
      for (const allowed of own) expect(answer.head).toMatch(new RegExp(`^allow: .*\\b${allowed}\\b`, 'im'));
    }
  });

  it.each(rows.filter(([, row]) => row.method === 'GET'))('%s: HEAD is GET without its text', async (_, row) => {
    const get = await exchange(port, [request('GET', urlOf(row), undefined, bearer)]);
    const head = await exchange(port, [request('HEAD', urlOf(row), undefined, bearer)]);
    expect([head.status, head.body]).toEqual([get.status, '']);
    // The next answer on the connection begins right behind the head.
    const text = await oneByOne(request('HEAD', urlOf(row), undefined, bearer), request('GET', '/healthz'));
    expect(text.split('\r\n\r\n').map((part) => part.slice(0, 9))).toEqual(['HTTP/1.1 ', 'HTTP/1.1 ', 'alive\n']);
  });

  it.each(withBody)('%s: bodies that are none', async (_, row) => {
    const url = urlOf(row);
    failures.length = 0;
    for (const body of ['', '{', '{"a":1', '\u0000', '['.repeat(MAX_BODY - 1), '\ud800', '{"a":NaN}'])
      problem(await send(row, url, body), 400, 422);
    for (const body of [
      'null',
      '5',
      '"text"',
      'true',
      '{"no_such_field":1}',
      '[{"no_such_field":1}]',
      '{"__proto__":{}}',
    ])
      problem(await send(row, url, body), 422);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])
      problem(await send(row, url, '{}', { ...bearer, 'Content-Type': type }), 415);
    expect(failures).toEqual([]);
  });

  it.each(withBody)('%s: long, slow and broken off bodies', async (_, row) => {
    const url = urlOf(row);
    problem(await send(row, url, ' '.repeat(MAX_BODY + 1)), 413);
    const length = (bytes: number) => ({
      ...bearer,
      'Content-Type': 'application/json',
      'Content-Length': String(bytes),
    });
    problem(await send(row, url, undefined, length(10_000_000)), 413);
    const slow = request(row.method, url, undefined, length(1000));
    problem(await exchange(port, [slow, ...Array<string>(100).fill(' ')], { gap: 20 }), 408);
    for (const part of [slow, `${slow}{"fr`, slow.slice(0, 30)]) await breakOff(part);
    expect((await exchange(port, [request('GET', '/healthz')])).status).toBe(200);
  });
});

/** What comes on one connection up to `alive`; the second request is sent when the first is answered. */
function oneByOne(first: string, second: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(first));
    socket.setEncoding('utf8').on('data', (part: string) => {
      if (got === '') socket.write(second);
      got += part;
      if (got.endsWith('alive\n')) socket.destroy();
    });
    socket.once('error', reject).once('close', () => resolve(got));
  });
}

async function breakOff(text: string): Promise<void> {
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  await new Promise<void>((done) => socket.once('connect', done));
  await new Promise((done) => socket.write(text, done));
  socket.resetAndDestroy();
}
