/**
 * Server connections and listeners over real sockets, with a host that answers when the test says so. After every test
 * no segment, connection, deadline or socket may be left.
 */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { DeadlineWheel } from '../../src/core/deadline-wheel.js';
import type { Submitter } from '../../src/intake/intake.js';
import { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';
import { ConnectionCount } from '../../src/net/connection-count.js';
import { Front } from '../../src/net/front.js';
import { Listener } from '../../src/net/listener.js';
import { acceptedReply, replies } from '../../src/smtp/replies.js';
import type { Transaction } from '../../src/smtp/server-host.js';
import { defaultServerSessionOptions, type ServerSessionOptions } from '../../src/smtp/server-options.js';
import { until } from '../helpers/smtp-peer.js';

interface WorldOptions extends Partial<ServerSessionOptions> {
  readonly total?: number;
  readonly perClient?: number;
}

/** A server with everything counted; messages are kept until the test answers them. */
class World {
  readonly segments = SegmentPool.create(4 * 1024 * 1024, 16 * 1024);
  readonly wheel = new DeadlineWheel(() => systemClock.now(), 20, 20);
  readonly pending: { connection: Submitter; transaction: Transaction; content: string }[] = [];
  /** Contents of all messages taken. */
  readonly taken: string[] = [];
  /** Answer at once instead of keeping. */
  answerAtOnce = false;
  readonly count: ConnectionCount;
  front!: Front;

  constructor(readonly options: WorldOptions) {
    this.count = new ConnectionCount({ total: options.total ?? 10_000, perClient: options.perClient ?? 0 });
  }

  async listen(): Promise<this> {
    const { total: _total, perClient: _perClient, ...rest } = this.options;
    const session: ServerSessionOptions = {
      ...defaultServerSessionOptions,
      hostname: 'me.example',
      relayClient: true,
      ...rest,
    };
    this.front = new Front({
      clock: systemClock,
      wheel: this.wheel,
      count: this.count,
      listeners: [{ at: { host: '127.0.0.1', port: 0 }, sessions: 0, implicitTls: false, proxy: 'none' }],
      config: {
        listeners: [{ name: 'smtp', trusted: session, untrusted: session }],
        tls: null,
        handshakeTimeout: 1000,
        relayDomains: [],
        askRecipients: false,
      },
      threads: null,
      proxyTimeout: 1000,
      mayRelay: () => true,
      isBalancer: () => false,
      host: {
        admitMail: () => null,
        admitRecipient: () => null,
        openBody: () => new BodyBuffer(this.segments),
        accept: (submitter, transaction) => this.accept(submitter, transaction),
        authenticate: async () => ({ kind: 'refused', reply: 'badCredentials' }),
        tlsFailed: () => {},
        proxyRefused: () => {},
        transparentRefused: () => {},
        threadLost: () => {},
        closed: () => {},
        room: () => 1e9,
      },
    });
    await this.front.listen();
    return this;
  }

  private accept(connection: Submitter, transaction: Transaction): void {
    const body = transaction.body as BodyBuffer;
    const bytes = Buffer.alloc(body.length);
    body.copyOut(0, body.length, bytes, 0);
    const content = bytes.toString('latin1');
    this.taken.push(content);
    this.pending.push({ connection, transaction, content });
    if (this.answerAtOnce) setImmediate(() => this.answer());
  }

  /** Answers the oldest message. */
  answer(): void {
    const one = this.pending.shift();
    one?.transaction.body.release();
    one?.connection.finish(acceptedReply('ID'));
  }

  async end(): Promise<Record<string, number>> {
    await this.front.close();
    for (const { transaction } of this.pending.splice(0)) transaction.body.release();
    const left = {
      connections: this.front.size,
      counted: this.count.total,
      deadlines: this.wheel.size,
      segments: this.segments.count - this.segments.available,
    };
    this.wheel.stop();
    return left;
  }
}

/** A client that keeps what it hears. */
class Client {
  heard = '';
  ended = false;
  readonly socket: net.Socket;

  constructor(port: number, options: { allowHalfOpen?: boolean; from?: string } = {}) {
    const { allowHalfOpen = false, from } = options;
    this.socket = net.connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    this.socket.on('data', (bytes) => {
      this.heard += bytes.toString('latin1');
    });
    this.socket.on('end', () => {
      this.ended = true;
    });
    this.socket.on('close', () => {
      this.ended = true;
    });
    this.socket.on('error', () => {});
  }

  say(text: string): void {
    this.socket.write(text, 'latin1');
  }

  hears(text: string, times = 1): Promise<void> {
    return until(
      `${times} x ${JSON.stringify(text)} in ${JSON.stringify(this.heard.slice(-400))}`,
      () => this.heard.split(text).length > times,
    );
  }

  /** Codes of the replies, in order. */
  get codes(): string {
    return [...this.heard.matchAll(/^(\d{3}) /gm)].map((match) => match[1]).join(' ');
  }
}

let world: World;
let clients: Client[] = [];

async function start(options: WorldOptions = {}): Promise<World> {
  world = await new World(options).listen();
  return world;
}

function connect(options?: ConstructorParameters<typeof Client>[1]): Client {
  const client = new Client(world.front.ports[0]!, options);
  clients.push(client);
  return client;
}

afterEach(async () => {
  const left = await world.end();
  for (const client of clients) client.socket.destroy();
  clients = [];
  expect(left).toEqual({ connections: 0, counted: 0, deadlines: 0, segments: 0 });
});

const MAIL = 'MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n';
const message = (subject: string) => `${MAIL}Subject: ${subject}\r\n\r\nbody\r\n.\r\n`;

describe('ServerConnection', () => {
  it('answers everything that was pipelined before a half-close, messages included', async () => {
    await start();
    const client = connect({ allowHalfOpen: true });
    client.socket.end(`EHLO c.example\r\n${message('one')}${message('two')}NOOP\r\n`);
    await until('the first is there', () => world.pending.length === 1);
    world.answer();
    await until('the second is there', () => world.taken.length === 2);
    world.answer();
    await until('it is closed', () => client.ended);
    expect(client.codes).toBe('220 250 250 250 354 250 250 250 354 250 250');
    await until('it is gone', () => world.front.size === 0);
  });

  it('keeps what comes while a message is with its host, in order, and reads no more than one read ahead', async () => {
    await start();
    const client = connect();
    client.say(`EHLO c.example\r\n${message('one')}`);
    await until('it is there', () => world.pending.length === 1);
    // More than any buffer of ours: the rest has to wait in the socket.
    const noise = 'NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n'.repeat(900);
    client.say(noise);
    client.say(message('two'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([world.taken.length, client.codes]).toEqual([1, '220 250 250 250 354']);
    world.answer();
    await until('the second is there', () => world.taken.length === 2);
    world.answer();
    client.say('QUIT\r\n');
    await client.hears('221 ');
    expect(client.codes.split(' ').filter((code) => code === '250')).toHaveLength(1 + 2 + 1 + 900 + 2 + 1);
    expect(world.taken.map((content) => content.slice(0, 12))).toEqual(['Subject: one', 'Subject: two']);
  });

  it('gives the segments back when the client vanishes in DATA, in BDAT, or while the message is with its host', async () => {
    await start();
    const [inData, inBdat, waiting] = [connect(), connect(), connect()];
    inData.say(`EHLO c\r\n${MAIL}Subject: x\r\n\r\n${`${'y'.repeat(70)}\r\n`.repeat(5000)}`);
    inBdat.say(
      `EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 100000 LAST\r\n${'z'.repeat(50_000)}`,
    );
    waiting.say(`EHLO c\r\n${message('kept')}`);
    await until('all hold segments', () => world.segments.count - world.segments.available >= 22 + 4 + 1);
    inData.socket.resetAndDestroy();
    inBdat.socket.destroy();
    // A reset: a client that only ends its side is kept until its message is answered.
    waiting.socket.resetAndDestroy();
    await until('all are gone', () => world.front.size === 0);
    // The one that is with the host is the host's to release; the answer to nobody does nothing.
    expect(world.segments.count - world.segments.available).toBe(1);
    world.answer();
    expect(world.segments.available).toBe(world.segments.count);
  });

  it('times out silent clients with 421 and closes, whatever they do then', async () => {
    await start({ connectTimeout: 100, commandTimeout: 150, idleTimeout: 200, dataTimeout: 150 });
    const never = connect();
    const inMail = connect();
    const inData = connect();
    const idle = connect();
    for (const client of [inMail, inData, idle]) client.say('EHLO c\r\n');
    inMail.say('MAIL FROM:<a@x.example>\r\n');
    inData.say(`${MAIL}Subject: x\r\n`);
    for (const client of [never, inMail, inData, idle]) {
      await client.hears('421 ');
      await until('closed', () => client.ended);
    }
    await until('all are gone', () => world.front.size === 0);
  });

  it('is not held up for ever by a client that does not read what it asked for', async () => {
    await start({ maxIdleCommands: 0, idleTimeout: 300, commandTimeout: 300 });
    const client = connect();
    client.socket.pause();
    client.say('EHLO c\r\n');
    await until('it is connected', () => world.front.size === 1);
    const before = process.memoryUsage().external;
    let most = 0;
    // Each command asks for fifteen times its size, far more than the socket buffers of both sides can take.
    const flood = Buffer.from('HELP\r\n'.repeat(20_000));
    for (let i = 0; i < 200; i++) client.socket.write(flood);
    await until(
      'the client is given up',
      () => {
        most = Math.max(most, process.memoryUsage().external - before);
        return world.front.size === 0;
      },
      15_000,
    );
    expect(most).toBeLessThan(64 * 1024 * 1024);
  }, 20_000);

  it('says 421 when the engine goes down: at once when idle, after the message otherwise', async () => {
    await start();
    const [idle, busy] = [connect(), connect()];
    idle.say('EHLO c\r\n');
    busy.say(`EHLO c\r\n${message('last')}`);
    await idle.hears('250 ');
    await until('it is there', () => world.pending.length === 1);
    world.front.shutdown();
    await idle.hears('421 4.3.2');
    world.answer();
    await busy.hears('421 4.3.2');
    expect(busy.codes).toBe('220 250 250 250 354 250 421');
    await until('both are gone', () => world.front.size === 0);
  });

  it('sends the last reply although more is still coming in', async () => {
    await start();
    const client = connect();
    client.say(`EHLO c\r\nQUIT\r\n${'NOOP\r\n'.repeat(20_000)}`);
    await client.hears('221 ');
    await until('it is gone', () => world.front.size === 0);
    expect(client.codes).toBe('220 250 221');
  });

  it('keeps every byte whatever the pieces it comes in', async () => {
    await start();
    world.answerAtOnce = true;
    const content = `Subject: x\r\n\r\n${'..line with a dot\r\n..\r\nplain\r\n'.repeat(50)}`;
    const all = `EHLO c\r\n${MAIL}${content}.\r\n`;
    for (const size of [1, 2, 3, 7, 100]) {
      const client = connect();
      client.socket.setNoDelay(true);
      const sent = world.taken.length;
      for (let at = 0; at < all.length; at += size) {
        client.say(all.slice(at, at + size));
        if ((at / size) % 40 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until('it is taken', () => world.taken.length > sent);
      expect(world.taken.at(-1)).toBe(content);
      client.socket.destroy();
    }
  });
});

describe('Listener', () => {
  it('refuses with 421 what is beyond the limit in all, and lets in again', async () => {
    await start({ total: 3 });
    const three = [connect(), connect(), connect()];
    for (const client of three) await client.hears('220 ');
    const fourth = connect();
    await fourth.hears('421 ');
    await until('the fourth is closed', () => fourth.ended);
    three[0]!.socket.destroy();
    await until('one has left', () => world.front.size === 2);
    await connect().hears('220 ');
  });

  it('refuses with 421 what is beyond the limit of one client, and nobody else', async () => {
    await start({ perClient: 2 });
    for (const client of [connect(), connect()]) await client.hears('220 ');
    await connect().hears('421 ');
    await connect({ from: '127.0.0.2' }).hears('220 ');
  });

  it('does not keep the connection of a refused client that never closes', async () => {
    await start({ total: 1 });
    await connect().hears('220 ');
    const stubborn = connect({ allowHalfOpen: true });
    await stubborn.hears('421 ');
    let reset = false;
    stubborn.socket.on('close', () => {
      reset = true;
    });
    // Writing goes on until the other side is really gone.
    const chatter = setInterval(() => stubborn.say('NOOP\r\n'), 50);
    await until('it is cut off', () => reset, 8000);
    clearInterval(chatter);
  }, 15_000);

  it('survives 2,000 connections that come and go', async () => {
    await start();
    world.answerAtOnce = true;
    let greeted = 0;
    let closed = 0;
    const total = 2000;
    await new Promise<void>((resolve) => {
      let begun = 0;
      const next = (): void => {
        if (begun >= total) return;
        const n = begun++;
        const socket = net.connect({ port: world.front.ports[0]!, host: '127.0.0.1' });
        socket.on('error', () => {});
        socket.on('data', () => {
          greeted++;
          // Some quit, some hang up, some reset, some leave in the middle of a message.
          if (n % 4 === 0) socket.end('QUIT\r\n');
          else if (n % 4 === 1) socket.destroy();
          else if (n % 4 === 2) socket.resetAndDestroy();
          else socket.end(`EHLO c\r\n${MAIL}half a mess`);
          socket.removeAllListeners('data');
          socket.resume();
        });
        socket.on('close', () => {
          if (++closed === total) resolve();
          else next();
        });
      };
      for (let i = 0; i < 100; i++) next();
    });
    expect(greeted).toBe(total);
    await until('all are gone', () => world.front.size === 0);
    expect(world.taken).toEqual([]);
  }, 30_000);

  it('says what to do when it cannot listen', async () => {
    await start();
    const again = Listener.open({ host: '127.0.0.1', port: world.front.ports[0]! }, () => {});
    await expect(again).rejects.toMatchObject({
      code: 'cannot-listen',
      message: expect.stringContaining('SLUICE_LISTEN'),
    });
    expect(replies.tooManyConnections.code).toBe(421);
  });
});
