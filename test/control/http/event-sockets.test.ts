/** /v1/events over real sockets. */
import { afterEach, describe, expect, it } from 'vitest';
import { type HttpOptions, HttpServer } from '../../../src/control/http/http-server.js';
import { type MailEvent, MailEvents } from '../../../src/telemetry/mail-event.js';
import { exchange, request } from '../../helpers/http-client.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { acceptedEvent, outcomeEvent } from '../../helpers/mail-events.js';
import { uwsProblem } from '../../helpers/uws-here.js';
import { WebSocketClient, type WebSocketOptions } from '../../helpers/websocket-client.js';

const TOKEN = 'correct-horse-battery';
const PATH = '/v1/events';
let mail: MailEvents;
let refusals: string[];
let server: HttpServer | undefined;
let clients: WebSocketClient[] = [];

async function open(options: Partial<HttpOptions> = {}): Promise<void> {
  mail = new MailEvents();
  refusals = [];
  const plane = planeOf({
    version: '1',
    control: () => undefined,
    notReady: () => '',
    metrics: () => '',
    config: () => [],
    subscribe: (listener) => mail.subscribe(listener),
    failed: (_path, error) => {
      throw error;
    },
    refused: (client, reason) => refusals.push(`${client} ${reason}`),
  });
  server = await HttpServer.open(httpOptions({ maxListeners: 50, ...options }), plane);
}

async function listen(query = '', options: WebSocketOptions = {}): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(server!.port, PATH + query, options);
  clients.push(client);
  return client;
}

function tell(...events: readonly MailEvent[]): void {
  for (const event of events) mail.tell(event);
}

afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
  server?.close();
  server = undefined;
});

describe.skipIf(uwsProblem !== '')(`/v1/events ${uwsProblem}`, () => {
  it('sends what happens as arrays, in order, what happens together in one frame', async () => {
    await open();
    expect(mail.wanted).toBe(false);
    const client = await listen();
    expect(client.status).toBe(101);
    expect(mail.wanted).toBe(true);
    const events = [acceptedEvent({ id: 'A1' }), outcomeEvent('delivered', { id: 'A1' }), acceptedEvent({ id: 'A2' })];
    tell(...events);
    await client.until(() => client.events.length === 3);
    expect(client.events).toEqual(events);
    expect(client.messages).toHaveLength(1);
    client.close();
    await expect.poll(() => mail.wanted).toBe(false);
    expect(server!.listeners.listeners).toBe(0);
  });

  it.each<[string, (event: { n: number }) => boolean]>([
    ['?kind=delivered,bounced', ({ n }) => n === 1 || n === 2],
    ['?tenant=shop', ({ n }) => n === 2],
    ['?domain=other.example', ({ n }) => n === 3],
    ['?domain=.example', () => true],
    ['?recipient=B@Other.example', ({ n }) => n === 3],
    ['?tag=spring', ({ n }) => n === 0],
    ['?id=a1', ({ n }) => n === 0 || n === 1],
    ['?id=A1&kind=accepted', ({ n }) => n === 0],
  ])('%s', async (query, wanted) => {
    await open();
    const [client, all] = [await listen(query), await listen()];
    const events = [
      acceptedEvent({ id: 'A1', tags: ['spring'] }),
      outcomeEvent('delivered', { id: 'A1' }),
      outcomeEvent('bounced', { id: 'A2', tenant: 'shop' }),
      outcomeEvent('deferred', { id: 'A3', recipient: 'b@other.example' }),
    ];
    tell(...events);
    const fitting = events.filter((_, n) => wanted({ n }));
    await client.until(() => client.events.length >= fitting.length);
    await all.until(() => all.events.length === events.length);
    expect(client.events).toEqual(fitting);
  });

  it.each([
    ['?kind=deliverd', /allowed: accepted, delivered/],
    ['?colour=red', /colour|allowed/],
    ['?tag=a&tag=b', /twice/],
  ])('%s is refused as a problem', async (query, detail) => {
    await open();
    const answer = await exchange(server!.port, [
      request('GET', PATH + query, undefined, {
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version': '13',
      }),
    ]);
    expect(answer.status).toBe(422);
    expect((answer.json() as { detail: string }).detail).toMatch(detail);
  });

  it('asked for without a WebSocket says so', async () => {
    await open();
    const answer = await exchange(server!.port, [request('GET', PATH)]);
    expect(answer.status).toBe(426);
    expect(answer.head).toMatch(/Upgrade: websocket/);
  });

  it('wants the token: as a header, or as a subprotocol that is never chosen', async () => {
    await open({ token: TOKEN });
    expect((await listen()).status).toBe(401);
    expect((await listen('', { headers: { 'Sec-WebSocket-Protocol': 'sluice.events, bearer.wrong' } })).status).toBe(
      401,
    );
    expect(refusals).toEqual(['127.0.0.1 no-token', '127.0.0.1 no-token']);
    expect((await listen('', { headers: { Authorization: `Bearer ${TOKEN}` } })).status).toBe(101);
    const browser = await listen('', {
      headers: { 'Sec-WebSocket-Protocol': `sluice.events, bearer.${TOKEN}`, Origin: 'https://ops.example' },
    });
    expect(browser.status).toBe(101);
    expect(browser.head).toMatch(/Sec-WebSocket-Protocol: sluice.events\r\n/);
    expect(browser.head).not.toContain(TOKEN);
  });

  it('without a token is for this machine and not for web pages of others', async () => {
    await open();
    expect((await listen('', { host: 'evil.example' })).status).toBe(403);
    expect((await listen('', { headers: { Origin: 'https://evil.example' } })).status).toBe(403);
    const host = `127.0.0.1:${server!.port}`;
    expect((await listen('', { host, headers: { Origin: `http://${host}` } })).status).toBe(101);
  });

  it('has a bound of its own, and leaves the connections of HTTP alone', async () => {
    await open({ maxConnections: 2, maxListeners: 4 });
    const listeners = [];
    for (let i = 0; i < 4; i++) listeners.push(await listen());
    expect(listeners.map(({ status }) => status)).toEqual([101, 101, 101, 101]);
    const refused = await listen();
    expect(refused.status).toBe(503);
    refused.close();
    await expect.poll(async () => (await exchange(server!.port, [request('GET', '/healthz')])).status).toBe(200);
    listeners[0]!.close();
    await expect.poll(() => server!.listeners.listeners).toBe(3);
    expect((await listen()).status).toBe(101);
    // Ends of WebSockets count for nothing either.
    for (const one of listeners) one.close();
    await expect.poll(() => server!.listeners.listeners).toBe(1);
    for (let i = 0; i < 5; i++)
      expect((await exchange(server!.port, [request('GET', '/healthz')])).status, String(i)).toBe(200);
  });

  it('ends a listener that sends much', async () => {
    await open();
    const client = await listen();
    client.send('x'.repeat(100));
    tell(acceptedEvent({}));
    await client.until(() => client.events.length === 1);
    for (let i = 0; i < 2; i++) client.send('x'.repeat(125));
    expect(client.closed).toBe(null);
    client.sendRaw(Buffer.concat([Buffer.from([0x81, 0x80 | 126, 0x10, 0, 1, 2, 3, 4]), Buffer.alloc(4096)]));
    await client.until(() => client.closed !== null);
  });

  it('says goodbye when it stops', async () => {
    await open();
    const client = await listen();
    server!.close();
    server = undefined;
    await client.until(() => client.closed !== null);
    expect(client.closed).toEqual({ code: 1001, reason: 'the engine stops' });
    expect(mail.wanted).toBe(false);
  });

  it('lets a slow listener miss events, tells it how many, and keeps the others going', async () => {
    await open({ backlog: 1_500_000 });
    const [slow, fast] = [await listen(), await listen()];
    slow.pause();
    let told = 0;
    // Until the connection is full and events are missed.
    const padding = 'x'.repeat(1000);
    while (server!.listeners.dropped === 0) {
      for (let i = 0; i < 20; i++) tell(outcomeEvent('delivered', { id: `A${told++}`, reply: padding }));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await fast.until(() => fast.events.length === told);
    slow.resume();
    await slow.until(() => slow.events.some(({ kind }) => kind === 'dropped-events'));
    tell(outcomeEvent('delivered', { id: 'LAST' }));
    await slow.until(() => slow.events.at(-1)?.['id'] === 'LAST');
    const got = slow.events.filter(({ kind }) => kind === 'delivered').length - 1;
    const missed = slow.events.filter(({ kind }) => kind === 'dropped-events');
    expect(got + missed.reduce((sum, { count }) => sum + Number(count), 0)).toBe(told);
    expect(server!.listeners).toMatchObject({ listeners: 2, closed: 0 });
  });
});
