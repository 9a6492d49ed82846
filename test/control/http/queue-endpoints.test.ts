/** Work through the whole queue over HTTP: pages with recipients, contents in pieces, changes of many. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageDetail } from '../../../src/control/engine-control.js';
import { HttpServer } from '../../../src/control/http/http-server.js';
import type { Plane } from '../../../src/control/http/plane.js';
import { FakeBrain } from '../../helpers/fake-control.js';
import { exchange, request } from '../../helpers/http-client.js';
import { uwsProblem } from '../../helpers/uws-here.js';

const mail = (id: string): MessageDetail => ({
  ...{ id, sender: 'a@x.example', size: 9, receivedAt: 1, recipients: 1, attempts: 1, due: 2, state: 'deferred' },
  ...{ reason: 'late', clientAddress: '', helo: '' },
  recipientDetails: [{ address: 'b@x.example', status: 'pending', reply: 'late', host: '', lastAttempt: 1 }],
});

let server: HttpServer | undefined;
afterEach(() => {
  server?.close();
  server = undefined;
});
const failures: unknown[] = [];

async function open(brain: FakeBrain): Promise<number> {
  const known = {
    version: '1',
    control: () => brain,
    failed: (...told: unknown[]) => failures.push(told),
  };
  const plane = new Proxy(known, {
    get: (target, key) => Reflect.get(target, key) ?? (() => undefined),
  }) as unknown as Plane;
  server = await HttpServer.open(
    {
      ...{ host: '127.0.0.1', port: 0, tls: null, token: '', maxBody: 20_000, bodyTime: 1000, maxConnections: 20 },
      ...{ bodyMemory: 100_000, maxMailBody: 20_000 },
      ...{ maxListeners: 5, listenerTimeout: 60_000 },
    },
    plane,
  );
  return server.port;
}

describe.skipIf(uwsProblem !== '')(`the queue over HTTP ${uwsProblem}`, () => {
  it('pages until there is no more', async () => {
    const brain = new FakeBrain();
    brain.mail = ['F1', 'F2', 'F3'].map(mail);
    const port = await open(brain);
    const ids: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const answer = await exchange(port, [request('GET', `/v1/queue/details?limit=2&after=${after}`)]);
      const page = answer.json() as { items: MessageDetail[]; next: string | null };
      expect(page.items.every((one) => one.recipientDetails[0]!.address === 'b@x.example')).toBe(true);
      ids.push(...page.items.map(({ id }) => id));
      after = page.next;
    }
    expect(ids).toEqual(['F1', 'F2', 'F3']);
  });

  it('gives a content of any number of pieces as it is', async () => {
    const brain = new FakeBrain();
    brain.mail = [mail('F1')];
    brain.text = `Subject: s\r\n\r\n${'0123456789'.repeat(300)}\r\n`;
    const port = await open(brain);
    const answer = await fetch(`http://127.0.0.1:${port}/v1/queue/F1/content`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'message/rfc822']);
    expect(await answer.text()).toBe(brain.text);
    const head = await fetch(`http://127.0.0.1:${port}/v1/queue/F1/content`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await exchange(port, [request('GET', '/v1/queue/NONE/content')])).json()).toMatchObject({
      status: 404,
      detail: 'the queue has no message NONE',
    });
  });

  it('cuts the connection where a message leaves meanwhile, and is none the worse for it', async () => {
    const brain = new FakeBrain();
    brain.mail = [mail('F1')];
    brain.text = 'x'.repeat(500);
    const content = brain.content.bind(brain);
    brain.content = async (id, offset) => (offset < 100 ? content(id, offset) : undefined);
    const port = await open(brain);
    await expect(fetch(`http://127.0.0.1:${port}/v1/queue/F1/content`).then((one) => one.text())).rejects.toThrow();
    expect((await exchange(port, [request('GET', '/v1/queue/details')])).status).toBe(200);
    expect(failures).toEqual([]);
  });

  it('reads no further than a client takes it, and stops where it goes away', async () => {
    const brain = new FakeBrain();
    brain.mail = [mail('F1')];
    let asked = 0;
    const data = Buffer.alloc(256 * 1024, 'x').toString('base64');
    brain.content = async (_, offset) => {
      asked++;
      return { data, next: offset + 1 };
    };
    const port = await open(brain);
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(request('GET', '/v1/queue/F1/content'));
    let before = -1;
    // It settles: what the system buffers is bounded.
    while (asked !== before || asked === 0) {
      before = asked;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(asked).toBeLessThan(200);
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(asked).toBeLessThan(before + 3);
    expect((await exchange(port, [request('GET', '/v1/queue/details')])).status).toBe(200);
  });

  it('changes a list, and names what is wrong with one', async () => {
    const brain = new FakeBrain();
    brain.mail = ['F1', 'F2'].map(mail);
    const port = await open(brain);
    const change = (body: unknown) => exchange(port, [request('POST', '/v1/queue/change', JSON.stringify(body))]);
    expect((await change({ action: 'hold', ids: ['F1', 'F9'] })).json()).toEqual({ ids: ['F1'] });
    expect(brain.asked).toEqual([['change', 'hold', ['F1', 'F9']]]);
    for (const [body, detail] of [
      [{ action: 'frob', ids: ['F1'] }, 'allowed: retry, hold, release, delete'],
      [{ action: 'hold', ids: [] }, 'allowed: 1 to 500 ids'],
      [{ action: 'hold', ids: Array(501).fill('F1') }, 'allowed: 1 to 500 ids'],
      [{ action: 'hold', ids: [''] }, 'allowed: an id'],
    ] as const)
      expect((await change(body)).json()).toMatchObject({ status: 422, detail: expect.stringContaining(detail) });
  });
});
