/** `POST /v1/messages` over sockets, before an injector that writes down. */
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpOptions, HttpServer } from '../../../src/control/http/http-server.js';
import type { ItemClient, ItemOutcome, MailInjector, MailItem, Refusal } from '../../../src/injection/mail-item.js';
import { exchange, type RawAnswer, request } from '../../helpers/http-client.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { uwsProblem } from '../../helpers/uws-here.js';

interface Asked {
  readonly client: ItemClient;
  readonly items: readonly (MailItem | Refusal)[];
}

const good = { from: 'a@x.example', to: ['b@y.example'], subject: 's', text: 't' };
let asked: Asked[];
let failures: unknown[];
/** What each item is answered. */
let outcomeOf: (item: MailItem | Refusal, index: number) => ItemOutcome;
let gate: Promise<void>;
let running: boolean;
let server: HttpServer;
let port = 0;

const injector: MailInjector = {
  submit: async (client, items) => {
    asked.push({ client, items });
    await gate;
    return items.map((item, i) => ('status' in item ? item : outcomeOf(item, i)));
  },
};
const plane = planeOf({
  ...{ version: '1', control: () => undefined, notReady: () => '', metrics: () => '', config: () => [] },
  injector: () => (running ? injector : undefined),
  failed: (path, error) => failures.push([path, error]),
  refused: () => {},
});

async function open(options: Partial<HttpOptions> = {}): Promise<void> {
  server = await HttpServer.open(
    httpOptions({ maxBody: 100, maxMailBody: 40_000, bodyMemory: 100_000, ...options }),
    plane,
  );
  port = server.port;
}

function post(body: unknown, headers: Readonly<Record<string, string>> = {}, path = ''): Promise<RawAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return exchange(port, [request('POST', `/v1/messages${path}`, text, headers)]);
}

function refusal(status: number, code = 'refused', reply = ''): Refusal {
  return { status, code, detail: `${code} ${status}`, reply };
}

beforeEach(() => {
  asked = [];
  failures = [];
  running = true;
  gate = Promise.resolve();
  outcomeOf = (_, index) => ({ id: `F${index}`, refused: [], repeated: false });
});
afterEach(() => {
  server?.close();
  expect(failures).toEqual([]);
});

describe.skipIf(uwsProblem !== '')(`POST /v1/messages ${uwsProblem}`, () => {
  it('gives one object for one, and items for several', async () => {
    await open();
    const one = await post(good);
    expect([one.status, one.json()]).toEqual([202, { id: 'F0' }]);
    const many = await post([good, good]);
    expect([many.status, many.json()]).toEqual([
      202,
      {
        items: [
          { status: 202, id: 'F0' },
          { status: 202, id: 'F1' },
        ],
      },
    ]);
    expect((await post([good])).json()).toEqual({ items: [{ status: 202, id: 'F0' }] });
    expect(asked[0]!.items).toEqual([good]);
    expect(asked[0]!.client).toMatchObject({
      address: '127.0.0.1',
      protocol: 'HTTP',
      idempotencyKey: '',
      traceparent: '',
    });
  });

  it('tells of recipients that were not taken and of what was taken before', async () => {
    await open();
    const refused = [{ recipient: 'c@y.example', reply: '550 5.1.1 no' }];
    outcomeOf = () => ({ id: 'F', refused, repeated: true });
    expect((await post(good)).json()).toEqual({ id: 'F', refused, repeated: true });
  });

  it('answers a refusal as a problem, with when to come again where that helps', async () => {
    await open();
    for (const [status, wait] of [
      [422, false],
      [413, false],
      [429, true],
      [503, true],
      [507, true],
    ] as const) {
      outcomeOf = () => refusal(status, 'refused', '452 4.3.1 x');
      const answer = await post(good);
      expect(answer.status).toBe(status);
      expect(answer.head).toMatch(/^content-type: application\/problem\+json$/im);
      expect(/^retry-after: \d+$/im.test(answer.head)).toBe(wait);
      expect(answer.json()).toMatchObject({
        type: 'urn:sluice:problem:refused',
        title: expect.stringMatching(/./),
        status,
        code: 'refused',
        detail: `refused ${status}`,
        reply: '452 4.3.1 x',
      });
    }
  });

  it('has 202 where one was taken, else the status that all share, 503 where another try may help, or 422', async () => {
    await open();
    const statuses = async (...given: number[]): Promise<number> => {
      outcomeOf = (_, i) => (given[i] === 202 ? { id: 'F', refused: [], repeated: false } : refusal(given[i]!));
      const answer = await post(given.map(() => good));
      const { items } = answer.json() as { items: { status: number }[] };
      expect(items.map(({ status }) => status)).toEqual(given);
      return answer.status;
    };
    expect(await statuses(422, 202, 507)).toBe(202);
    expect(await statuses(507, 507)).toBe(507);
    expect(await statuses(422, 507)).toBe(503);
    expect(await statuses(422, 413)).toBe(422);
  });

  it('finds what is wrong with the shape of an item, and takes the others', async () => {
    await open();
    const items = [
      good,
      { ...good, colour: 'red' },
      { ...good, to: 5 },
      null,
      [],
      {},
      { raw: 'QQ==', from: 'a@x.example' },
      { ...good, tags: ['no blanks'] },
      { ...good, holdFor: 0 },
      { ...good, idempotencyKey: 'a b' },
      { ...good, attachments: [{ path: '/etc/passwd' }] },
      { ...good, text: { path: '/etc/passwd' } },
      { ...good, headers: { a: { prepared: true, value: 'x' } } },
      { raw: 'QQ==', rcptTo: ['b@y.example'], tags: ['x'] },
      JSON.parse('{"__proto__":{"from":"a@x.example"}}') as object,
    ];
    const answer = await post(items);
    const { items: found } = answer.json() as { items: { status: number; detail?: string }[] };
    expect(found.flatMap(({ status }, i) => (status === 202 ? [i] : []))).toEqual([0, 13]);
    expect(found[1]!.detail).toMatch(/^body\.1.*colour/);
    expect(found[7]!.detail).toMatch(/^body\.7\.tags\.0: allowed: 1 to 64/);
    expect(answer.body).not.toContain('passwd');
  });

  it('refuses what is no JSON, no list of 1 to 1,000, or of another type, as a whole', async () => {
    await open();
    const outcome = async (...given: Parameters<typeof post>): Promise<number> => (await post(...given)).status;
    expect(await outcome('{"from":')).toBe(400);
    expect(await outcome('')).toBe(400);
    expect(await outcome('[[[[')).toBe(400);
    expect(await outcome('7')).toBe(422);
    expect(await outcome('[]')).toBe(422);
    expect(await outcome(`[${Array(1001).fill('1').join()}]`)).toBe(422);
    expect(await outcome(good, { 'Content-Type': 'text/plain' })).toBe(415);
    expect(await outcome(good, {}, '?to=b@y.example')).toBe(422);
    expect(await outcome(good, {}, '?colour=red')).toBe(422);
    expect(await outcome(good, { 'Idempotency-Key': 'a b' })).toBe(422);
    expect(await outcome(good, { 'Idempotency-Key': 'k'.repeat(256) })).toBe(422);
    const latin = Buffer.from('{"from":"a@x.example","text":"\xe4"}', 'latin1');
    const bad = await raw(latin, { 'Content-Type': 'application/json' });
    expect(bad).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked.flatMap(({ items }) => items).filter((item) => !('status' in item))).toEqual([]);
    running = false;
    expect(await outcome(good)).toBe(503);
    const get = await exchange(port, [request('PUT', '/v1/messages')]);
    expect(get.status).toBe(405);
  });

  it('takes UTF-8, and a message as it is with its envelope in the query', async () => {
    await open();
    await post({ ...good, text: 'Grüße 😀' });
    expect(asked[0]!.items).toEqual([{ ...good, text: 'Grüße 😀' }]);
    const message = Buffer.from('Subject: \xe4\r\n\r\n\0\r\n', 'latin1');
    const type = { 'Content-Type': 'Message/RFC822; charset=x' };
    expect(await raw(message, type, '?from=a%40x.example&to=b%40y.example&to=c%40y.example&tag=t&holdFor=60')).toMatch(
      / 202 /,
    );
    expect(await raw(message, type)).toMatch(/ 202 /);
    expect(await raw(message, type, '?from=a&from=b')).toMatch(/ 422 /);
    expect(await raw(message, type, '?holdFor=1e3')).toMatch(/ 422 /);
    expect(asked[1]!.items).toMatchObject([
      { mailFrom: 'a@x.example', rcptTo: ['b@y.example', 'c@y.example'], tags: ['t'], holdFor: 60, raw: message },
    ]);
    expect(asked[2]!.items).toMatchObject([{ mailFrom: undefined, rcptTo: undefined, raw: message }]);
    expect(asked).toHaveLength(3);
  });

  it('tells requests of one key apart by all that was sent', async () => {
    await open();
    const headers = { 'Idempotency-Key': '"k"', traceparent: '00-1-2-01' };
    await post(good, headers);
    await post(good, headers);
    await post({ ...good, text: 'u' }, headers);
    const message = Buffer.from('x');
    for (const to of ['b', 'c']) await raw(message, { ...headers, 'Content-Type': 'message/rfc822' }, `?to=${to}`);
    const digests = asked.map(({ client }) => client.digest().toString('hex'));
    expect(digests[0]).toBe(digests[1]);
    expect(new Set(digests).size).toBe(4);
    expect(asked[0]!.client).toMatchObject({ idempotencyKey: '"k"', traceparent: '00-1-2-01' });
  });

  it('has a limit of its own for bodies, and one for all together', async () => {
    await open({ maxMailBody: 10_000, bodyMemory: 15_000 });
    const body = JSON.stringify({ ...good, text: 'x'.repeat(9000) });
    expect((await post(body)).status).toBe(202);
    expect((await post(body.padEnd(10_001))).status).toBe(413);
    let release = (): void => {};
    gate = new Promise((resolve) => {
      release = resolve;
    });
    const first = post(body);
    await expect.poll(() => asked.length).toBe(2);
    const second = await post(body);
    expect(second.status).toBe(503);
    expect(second.head).toMatch(/^retry-after: 1$/im);
    release();
    expect((await first).status).toBe(202);
    // The memory of those that were refused, too long or gone went back.
    for (let i = 0; i < 5; i++) expect((await post(body)).status).toBe(202);
  });

  it('does not wait for slow bodies, and outlives clients that go away', async () => {
    await open({ bodyTime: 150, bodyMemory: 3000 });
    const head = request('POST', '/v1/messages', undefined, {
      'Content-Type': 'application/json',
      'Content-Length': '2000',
    });
    expect((await exchange(port, [head, ...Array<string>(100).fill(' ')], { gap: 20 })).status).toBe(408);
    for (const part of [head, `${head}${' '.repeat(1900)}`, request('POST', '/v1/messages', JSON.stringify(good))]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise<void>((done) => socket.once('connect', done));
      await new Promise((done) => socket.write(part, done));
      await new Promise((done) => setTimeout(done, 20));
      socket.resetAndDestroy();
    }
    await expect.poll(async () => (await post(`${JSON.stringify(good)}${' '.repeat(2000)}`)).status).toBe(202);
  });
});

/** Sends bytes; resolves to the first line of the answer. */
function raw(body: Buffer, headers: Readonly<Record<string, string>>, path = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      resolve(chunk.toString('latin1').split('\r\n')[0]!);
      socket.destroy();
    });
    const head = { ...headers, 'Content-Length': String(body.length) };
    socket.write(Buffer.concat([Buffer.from(request('POST', `/v1/messages${path}`, undefined, head)), body]));
  });
}
