/**
 * Where clients arrive: TLS in place and on session threads, from the first byte and behind STARTTLS, behind balancers;
 * what is counted, given back and said when something breaks. Real sockets, real TLS, real threads.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { DeadlineWheel } from '../../src/core/deadline-wheel.js';
import type { Submitter } from '../../src/intake/intake.js';
import { builtWorkerFile } from '../../src/intake/prepare-pool.js';
import { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';
import { ConnectionCount } from '../../src/net/connection-count.js';
import { loadDuplicator } from '../../src/net/descriptor.js';
import { Front, type FrontHost } from '../../src/net/front.js';
import { type MailClient, SessionThreads } from '../../src/net/session-threads.js';
import { CertificateStore } from '../../src/net/tls/certificate-store.js';
import type { TlsMaterial } from '../../src/net/tls/tls-material.js';
import type { AuthQuestion } from '../../src/smtp/authentication.js';
import { acceptedReply, makeReply, type Reply } from '../../src/smtp/replies.js';
import type { Transaction } from '../../src/smtp/server-host.js';
import { defaultServerSessionOptions } from '../../src/smtp/server-options.js';
import { until } from '../helpers/smtp-peer.js';

const silent = { info: () => {}, warn: () => {}, error: () => {} };
const PROXY_V1 = 'PROXY TCP4 192.0.2.9 192.0.2.1 4711 25\r\n';

let material: TlsMaterial;
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-front-'));
  const store = await CertificateStore.open(
    {
      cert: '',
      key: '',
      dir: '',
      clientCa: '',
      relayClients: [],
      minVersion: 'TLSv1.2',
      ciphers: 'DEFAULT',
      developmentDir: folder,
      hostname: 'me.example',
    },
    silent,
    systemClock,
  );
  material = store.material;
  store.close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Taken {
  readonly submitter: Submitter;
  readonly transaction: Transaction;
  readonly content: string;
}

/** A front with a listener of each kind; index: 0 smtp, 1 smtps, 2 smtp behind a balancer, 3 smtps behind one. */
class World {
  readonly segments = SegmentPool.create(1024 * 1024, 4096);
  readonly wheel = new DeadlineWheel(() => systemClock.now(), 20, 20);
  readonly count = new ConnectionCount({ total: 100, perClient: 0 });
  readonly taken: Taken[] = [];
  readonly questions: AuthQuestion[] = [];
  readonly failures: string[] = [];
  readonly lostThreads: string[] = [];
  answering = true;
  /** What is decided of recipients that may be relayed to. */
  decide: (client: MailClient, address: string) => Reply | null | Promise<Reply | null> = () => null;
  readonly threads: SessionThreads | null;
  readonly front: Front;

  constructor(threads: number, handshakeTimeout = 5000) {
    const session = {
      ...defaultServerSessionOptions,
      hostname: 'me.example',
      auth: 'optional' as const,
      mechanisms: ['PLAIN' as const],
    };
    const starttls = { ...session, tls: 'optional' as const };
    const implicit = { ...session, tls: 'implicit' as const };
    const config = {
      listeners: [starttls, implicit, starttls, implicit].map((one, index) => ({
        name: `listener-${index}`,
        trusted: { ...one, relayClient: true },
        untrusted: one,
      })),
      tls: material,
      handshakeTimeout,
      relayDomains: ['ours.example'],
      askRecipients: true,
    };
    const host: FrontHost = {
      admitMail: () => null,
      admitRecipient: (client, address, domain) => {
        if (!client.relays && domain !== 'ours.example') return acceptedReply('never: a stranger was to relay');
        return this.decide(client, address);
      },
      openBody: () => new BodyBuffer(this.segments),
      accept: (submitter, transaction) => this.accept(submitter, transaction),
      authenticate: async (question) => {
        this.questions.push(question);
        return question.kind === 'password' && question.password === 'right'
          ? { kind: 'accepted', account: { name: question.user, senders: null } }
          : { kind: 'refused', reply: 'badCredentials' };
      },
      tlsFailed: (address, reason) => this.failures.push(`${address} ${reason}`),
      proxyRefused: (address, reason) => this.failures.push(`${address} ${reason}`),
      transparentRefused: (address, reason) => this.failures.push(`${address} ${reason}`),
      threadLost: (reason) => this.lostThreads.push(reason),
      closed: (address, listener) => this.count.leave(address, listener),
      room: () => 2 ** 40,
    };
    const duplicator = loadDuplicator();
    if (typeof duplicator === 'string') throw new Error(duplicator);
    this.threads =
      threads === 0
        ? null
        : new SessionThreads({
            threads,
            workerFile: builtWorkerFile('workers/serve-sessions.js'),
            segments: this.segments,
            duplicator,
            config,
            host,
          });
    this.front = new Front({
      clock: systemClock,
      wheel: this.wheel,
      count: this.count,
      listeners: [0, 1, 2, 3].map((index) => ({
        at: { host: '127.0.0.1', port: 0 },
        sessions: index,
        implicitTls: index % 2 === 1,
        proxy: index === 2 ? 'v1' : index === 3 ? 'v1' : 'none',
      })),
      config,
      threads: this.threads,
      host,
      proxyTimeout: 500,
      mayRelay: (address) => address === '127.0.0.1',
      isBalancer: (address) => address === '127.0.0.1',
    });
  }

  answer(): void {
    for (const { submitter, transaction } of this.taken) {
      transaction.body.release();
      submitter.finish(acceptedReply('ID'));
    }
  }

  async end(): Promise<void> {
    await this.front.close();
    expect({
      connections: this.front.size,
      counted: this.count.total,
      deadlines: this.wheel.size,
      segments: this.segments.count - this.segments.available,
    }).toEqual({ connections: 0, counted: 0, deadlines: 0, segments: 0 });
    this.wheel.stop();
  }

  private accept(submitter: Submitter, transaction: Transaction): void {
    const body = transaction.body as BodyBuffer;
    const bytes = Buffer.alloc(body.length);
    body.copyOut(0, body.length, bytes, 0);
    this.taken.push({ submitter, transaction, content: bytes.toString('latin1') });
    if (!this.answering) return;
    setImmediate(() => {
      body.release();
      submitter.finish(acceptedReply('ID'));
    });
  }
}

/** A client that can begin TLS where it likes. */
class Client {
  heard = '';
  closed = false;
  socket: net.Socket;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1' });
    this.attend(this.socket);
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  say(text: string): void {
    this.socket.write(text, 'latin1');
  }

  async hears(text: string): Promise<void> {
    await until(`it hears ${text}`, () => this.heard.includes(text) || this.closed, 8000);
    expect(this.heard).toContain(text);
    this.heard = this.heard.slice(this.heard.indexOf(text) + text.length);
  }

  async secure(options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
    const raw = this.socket;
    raw.removeAllListeners('data');
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false, ...options });
    this.attend(socket);
    this.socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  async startTls(): Promise<void> {
    await this.hears('220 ');
    this.say('EHLO c.example\r\n');
    await this.hears('STARTTLS');
    this.say('STARTTLS\r\n');
    await this.hears('220 ');
    await this.secure();
  }

  async submit(text: string, to = 'b@ours.example'): Promise<void> {
    this.say('EHLO c.example\r\n');
    await this.hears('250 ');
    this.say(`MAIL FROM:<a@c.example>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
    await this.hears('354 ');
    this.say(`Subject: x\r\n\r\n${text}\r\n.\r\n`);
  }

  private attend(socket: net.Socket): void {
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.socket === socket) this.closed = true;
    });
    socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString('latin1');
    });
  }
}

let world: World | null = null;
const clients: Client[] = [];

async function start(threads: number, handshakeTimeout?: number): Promise<World> {
  world = new World(threads, handshakeTimeout);
  await world.front.listen();
  return world;
}

function connect(to: World, listener: number): Client {
  const client = new Client(to.front.ports[listener]!);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await world?.end();
  world = null;
});

for (const [where, threads] of [
  ['on the main thread', 0],
  ['on session threads', 2],
] as const) {
  describe(`TLS ${where}`, () => {
    it('serves implicit TLS and STARTTLS, message by message', async () => {
      const to = await start(threads);
      for (const listener of [0, 1]) {
        const client = connect(to, listener);
        if (listener === 0) await client.startTls();
        else {
          await client.secure();
          await client.hears('220 me.example');
        }
        for (let n = 0; n < 3; n++) {
          await client.submit(`message ${listener}${n} ${'x'.repeat(20_000)}`, 'b@else.example');
          await client.hears('250 2.0.0 Ok: queued as ID');
        }
        expect(client.heard).not.toContain('STARTTLS');
        client.say('QUIT\r\n');
        await client.hears('221 ');
      }
      expect(to.taken.map(({ content }) => content.slice(14, 24))).toEqual(
        ['00', '01', '02', '10', '11', '12'].map((n) => `message ${n}`),
      );
      for (const { submitter, transaction, content } of to.taken) {
        expect(content.length).toBe(20_000 + 27);
        expect(submitter).toMatchObject({ address: '127.0.0.1', relays: true });
        expect(submitter.port).toBeGreaterThan(0);
        expect(transaction).toMatchObject({ protocol: 'ESMTPS', account: '' });
        expect(transaction.tls).toMatch(/^TLSv1\.3 TLS_AES_/);
      }
      await until('all are gone', () => to.front.size === 0);
    });

    it('asks about credentials and lets the account relay', async () => {
      const to = await start(threads);
      const client = connect(to, 3);
      client.say(PROXY_V1);
      await client.secure();
      await client.hears('220 ');
      client.say('EHLO c\r\n');
      await client.hears('AUTH PLAIN');
      client.say(`AUTH PLAIN ${Buffer.from('\0ann\0wrong').toString('base64')}\r\n`);
      await client.hears('535 ');
      client.say(`AUTH PLAIN ${Buffer.from('\0ann\0right').toString('base64')}\r\n`);
      await client.hears('235 ');
      await client.submit('mine', 'b@else.example');
      await client.hears('250 2.0.0 Ok');
      const [{ submitter, transaction }] = to.taken as [Taken];
      expect(submitter).toMatchObject({ address: '192.0.2.9', port: 4711, relays: true });
      expect(transaction).toMatchObject({ protocol: 'ESMTPSA', account: 'ann' });
    });

    it('decides recipients at once, later, or not at all, in the order of the commands', async () => {
      const to = await start(threads);
      const asked: MailClient[] = [];
      to.decide = (client, address) => {
        const { address: from, relays, account, listener, sender } = client;
        asked.push({ address: from, relays, account, listener, sender });
        const no = makeReply(550, '5.1.1', `No ${address}`);
        if (address.startsWith('slow')) return new Promise((resolve) => setTimeout(resolve, 30, null));
        if (address.startsWith('unknown')) return new Promise((resolve) => setTimeout(resolve, 10, no));
        if (address.startsWith('fails')) return Promise.reject(new Error('no answer'));
        return address.startsWith('never') ? no : null;
      };
      const client = connect(to, 1);
      await client.secure();
      await client.hears('220 ');
      const names = ['slow', 'fast', 'unknown', 'fails', 'never', 'slow2'];
      const commands = names.map((name) => `RCPT TO:<${name}@else.example>\r\n`).join('');
      client.say(`EHLO c\r\nMAIL FROM:<a@c.example>\r\n${commands}DATA\r\n`);
      await client.hears('250 2.1.0 Sender ok\r\n');
      for (const reply of [
        '250 2.1.5',
        '250 2.1.5',
        '550 5.1.1 No unknown@',
        '451 4.4.3',
        '550 5.1.1 No never@',
        '250 2.1.5',
      ])
        await client.hears(reply);
      await client.hears('354 ');
      client.say('x\r\n.\r\n');
      await client.hears('250 2.0.0 Ok');
      expect(to.taken[0]!.transaction.recipients.map(({ address }) => address.split('@')[0])).toEqual([
        'slow',
        'fast',
        'slow2',
      ]);
      expect(new Set(asked.map((one) => JSON.stringify(one)))).toEqual(
        new Set([
          JSON.stringify({
            address: '127.0.0.1',
            relays: true,
            account: '',
            listener: 'listener-1',
            sender: 'a@c.example',
          }),
        ]),
      );
      expect(to.taken[0]!.submitter.listener).toBe('listener-1');
    });

    it('lets go of a client that has left while a recipient is decided', async () => {
      const to = await start(threads);
      let decide: (refusal: Reply | null) => void = () => {};
      let asked = false;
      to.decide = () => {
        asked = true;
        return new Promise((resolve) => {
          decide = resolve;
        });
      };
      const client = connect(to, 1);
      await client.secure();
      await client.hears('220 ');
      client.say('EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@else.example>\r\n');
      await until('it is asked', () => asked);
      client.socket.end();
      decide(null);
      await until('it is gone', () => to.front.size === 0);
    });

    it('sees nothing of what came in the clear behind STARTTLS', async () => {
      const to = await start(threads);
      const client = connect(to, 0);
      await client.hears('220 ');
      client.say('EHLO c\r\n');
      await client.hears('250 ');
      client.say('STARTTLS\r\nMAIL FROM:<evil@c.example>\r\nRCPT TO:<b@ours.example>\r\n');
      await client.hears('220 ');
      await client.secure();
      client.say('NOOP\r\n');
      await client.hears('250 2.0.0 Ok\r\n');
      expect(client.heard).toBe('');
      client.say('RCPT TO:<b@ours.example>\r\n');
      await client.hears('503 ');
    });

    it('takes the handshake that came with the PROXY header, and counts the client it names', async () => {
      const to = await start(threads);
      const client = connect(to, 3);
      // The header and the first bytes of TLS in one write.
      const raw = client.socket;
      raw.cork();
      client.say(PROXY_V1);
      const secured = client.secure();
      raw.uncork();
      await secured;
      await client.hears('220 ');
      await client.submit('behind a balancer');
      await client.hears('250 2.0.0 Ok');
      expect(to.taken[0]!.submitter).toMatchObject({ address: '192.0.2.9', port: 4711, relays: false });
      expect(to.count.total).toBe(1);
      const plain = connect(to, 2);
      plain.say(`${PROXY_V1}EHLO c\r\n`);
      await plain.hears('220 ');
      await plain.hears('250 ');
      await plain.submit('in the clear');
      await plain.hears('250 2.0.0 Ok');
      expect(to.taken[1]!.submitter.address).toBe('192.0.2.9');
    });

    it('ends what is no TLS, what stops in the handshake, and what says no PROXY header', async () => {
      const to = await start(threads, 400);
      const [plain, half, silentOne, unproxied, stripped] = [1, 1, 1, 2, 0].map((listener) =>
        connect(to, listener),
      ) as [Client, Client, Client, Client, Client];
      plain.say('EHLO c\r\n');
      half.socket.write(Buffer.from('16030100f8010000f40303', 'hex'));
      unproxied.say('EHLO c\r\n');
      await stripped.hears('220 ');
      stripped.say('EHLO c\r\nSTARTTLS\r\n');
      await stripped.hears('STARTTLS');
      await until('all are gone', () => to.front.size === 0 && to.count.total === 0, 8000);
      expect([plain, half, silentOne, unproxied].every(({ heard }) => !heard.includes('220'))).toBe(true);
      expect(to.failures.length).toBeGreaterThanOrEqual(4);
    });

    it('ends sessions when the engine goes down: at once when idle, after the message otherwise', async () => {
      const to = await start(threads);
      to.answering = false;
      const [idle, busy] = [connect(to, 1), connect(to, 1)];
      for (const client of [idle, busy]) {
        await client.secure();
        await client.hears('220 ');
      }
      await busy.submit('last');
      await until('it is there', () => to.taken.length === 1);
      to.front.shutdown();
      await idle.hears('421 4.3.2');
      to.answer();
      await busy.hears('250 2.0.0 Ok');
      await busy.hears('421 4.3.2');
      await until('both are gone', () => to.front.size === 0);
    });

    it('resumes a session, whichever thread has it', async () => {
      const to = await start(threads);
      const first = connect(to, 1);
      const session = new Promise<Buffer>((resolve) => {
        void first.secure().then((socket) => socket.once('session', resolve));
      });
      await first.hears('220 ');
      const ticket = await session;
      for (let n = 0; n < 4; n++) {
        const again = connect(to, 1);
        const socket = await again.secure({ session: ticket, maxVersion: 'TLSv1.3' });
        expect(socket.isSessionReused()).toBe(true);
        await again.hears('220 ');
      }
    });
  });
}

describe('a session thread', () => {
  it('that is lost takes its clients along and nothing else', async () => {
    const to = await start(2);
    to.answering = false;
    const all = Array.from({ length: 6 }, () => connect(to, 1));
    for (const client of all) {
      await client.secure();
      await client.hears('220 ');
    }
    // One message in the hands of the engine, one half way in.
    await all[0]!.submit('whole');
    await until('it is there', () => to.taken.length === 1);
    for (const client of all.slice(1)) {
      client.say('EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\n');
      await client.hears('354 ');
      client.say('half of a message\r\n');
    }
    await until('all hold memory', () => to.segments.count - to.segments.available === 6);
    const descriptors = readdirSync('/proc/self/fd').length;
    await to.threads!.kill(0);
    await until('its clients are gone', () => all.filter(({ closed }) => closed).length === 3 && to.front.size === 3);
    expect(to.count.total).toBe(3);
    expect(to.lostThreads.length).toBe(1);
    // The message that was handed over is still whole; what the thread had half is free.
    const held = to.segments.count - to.segments.available;
    expect(held === 3 || held === 4).toBe(true);
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(descriptors);
    to.answer();
    const others = all.filter(({ closed }) => !closed);
    to.answering = true;
    for (const client of others) if (client !== all[0]) client.say('.\r\n');
    for (const client of others) await client.hears('250 2.0.0 Ok');
    // A new thread serves in its place; meanwhile the other one does.
    for (let n = 0; n < 4; n++) {
      const client = connect(to, n % 2);
      if (n % 2 === 0) await client.startTls();
      else {
        await client.secure();
        await client.hears('220 ');
      }
      await client.submit('after');
      await client.hears('250 2.0.0 Ok');
    }
  });

  it('leaves TLS to the main thread while none is there', async () => {
    const to = await start(1);
    await to.threads!.kill(0);
    const client = connect(to, 1);
    await client.secure();
    await client.hears('220 ');
    await client.submit('served all the same');
    await client.hears('250 2.0.0 Ok');
  });
});
