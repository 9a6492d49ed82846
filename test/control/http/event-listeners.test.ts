/** Ten thousand listeners of /v1/events with real sockets, a slow one among them; the server is a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { uwsProblem } from '../../helpers/uws-here.js';
import { upgradeRequest, WebSocketClient } from '../../helpers/websocket-client.js';
import type { Figures, Order } from './event-listeners-program.js';

const PROGRAM = join(process.cwd(), 'dist/test/control/http/event-listeners-program.js');
const WANTED = 10_000;
/** Besides sockets of listeners. */
const OTHER_FILES = 500;
/** Node takes as many open files as it may have. */
const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
const files = Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? WANTED + OTHER_FILES);
const LISTENERS = Math.min(WANTED, files - OTHER_FILES);
/** Connections that are opened at once: until they are WebSockets the bound on those of HTTP holds them. */
const AT_ONCE = 50;
/** Events at a time, and in all at most: 1 KiB each, more than sockets and the bound hold. */
const SOME = 500;
const MOST = 50_000;
const EVERY = 5_000;
const MIB = 1024 * 1024;

let child: ChildProcess | undefined;
const sockets: net.Socket[] = [];
const clients: WebSocketClient[] = [];

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const client of clients) client.close();
  child?.kill('SIGKILL');
});

/** A listener that counts what it gets of one kind of text. */
class Counting {
  seen = 0;
  upgraded = false;

  static open(port: number, path: string): Promise<Counting> {
    const counting = new Counting();
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write(upgradeRequest(path));
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed')));
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1');
        if (!counting.upgraded) {
          counting.upgraded = text.startsWith('HTTP/1.1 101');
          if (counting.upgraded) resolve(counting);
          else reject(new Error(text));
        }
        // Frames are far apart and small: the text is never cut in two.
        counting.seen += text.split('"kind":"delivered"').length - 1;
      });
    });
  }
}

async function ask(order: Order): Promise<Figures> {
  const answer = once(child!, 'message');
  child!.send(order);
  return ((await answer) as [Figures])[0];
}

describe.skipIf(uwsProblem !== '')(`/v1/events ${uwsProblem}`, () => {
  it(`holds ${LISTENERS} listeners with a slow one among them, in bounded memory`, { timeout: 120_000 }, async () => {
    child = fork(PROGRAM);
    const [{ port }] = (await once(child, 'message')) as [Figures];
    const many: Counting[] = [];
    for (let i = 0; i < LISTENERS - 2; i += AT_ONCE) {
      const some = Math.min(AT_ONCE, LISTENERS - 2 - i);
      many.push(...(await Promise.all(Array.from({ length: some }, () => Counting.open(port, '/v1/events?tag=all')))));
    }
    const slow = await WebSocketClient.open(port, '/v1/events');
    const fast = await WebSocketClient.open(port, '/v1/events');
    clients.push(slow, fast);
    expect((await ask({ events: 0, every: 1 })).listeners).toBe(LISTENERS);
    if (LISTENERS === WANTED) expect((await WebSocketClient.open(port, '/v1/events')).status).toBe(503);

    slow.pause();
    let figures: Figures;
    do {
      // As fast as a listener takes them, so that only the slow one misses any.
      figures = await ask({ events: SOME, every: EVERY });
      await fast.until(() => fast.events.length === figures.told, 60_000);
    } while (figures.dropped === 0 && figures.told < MOST);
    await expect
      .poll(() => many.every(({ seen }) => seen === Math.ceil(figures.told / EVERY)), { timeout: 60_000 })
      .toBe(true);
    const { dropped, rss, listeners, told } = await ask({ events: 0, every: 1 });
    expect(listeners).toBe(LISTENERS);
    expect(dropped).toBeGreaterThan(0);
    expect(rss).toBeLessThan(600 * MIB);

    slow.resume();
    await slow.until(() => slow.events.some(({ kind }) => kind === 'dropped-events'));
    const missed = slow.events.find(({ kind }) => kind === 'dropped-events')!['count'];
    expect(missed).toBe(dropped);
    expect(slow.events.filter(({ kind }) => kind === 'delivered').length + dropped).toBe(told);
  });
});
