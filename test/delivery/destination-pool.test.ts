/**
 * Pools against scripted next hops over loopback. After every test nothing may be left over.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { SiteHosts } from '../../src/delivery/site.js';
import { opportunistic, type TlsPolicy } from '../../src/delivery/tls-policy.js';
import { type Reaction, type Script, SmtpPeer, until } from '../helpers/smtp-peer.js';
import { closedPort, DeliveryWorld, type DeliveryWorldOptions, hostAt, NOTHING_LEFT } from './delivery-world.js';

const peers: SmtpPeer[] = [];
let world: DeliveryWorld | null = null;

async function peer(script?: Script): Promise<SmtpPeer> {
  const started = await SmtpPeer.start(script);
  peers.push(started);
  return started;
}

function build(hosts: ConstructorParameters<typeof DeliveryWorld>[0], options?: DeliveryWorldOptions): DeliveryWorld {
  world = new DeliveryWorld(hosts, options);
  return world;
}

const once =
  (stage: string, reaction: Reaction, connection = 0): Script =>
  (at, n) =>
    at === stage && n === connection ? reaction : undefined;
const always =
  (stage: string, reaction: Reaction): Script =>
  (at) =>
    at === stage ? reaction : undefined;

afterEach(async () => {
  const left = await world?.end();
  world = null;
  for (const each of peers.splice(0)) await each.close();
  expect(left).toEqual(NOTHING_LEFT);
});

describe('a good next hop', () => {
  it('gets each message once, over no more connections than allowed', async () => {
    const up = await peer();
    const here = build([hostAt(up.port, { limit: 3 })], { limit: 3 });
    await here.sendMany(200);
    await here.decided(200);
    expect([up.messages.length, new Set(up.subjects).size]).toEqual([200, 200]);
    expect(up.mostOpen).toBeLessThanOrEqual(3);
    expect([here.count('delivered'), here.spool.size]).toEqual([200, 0]);
  });

  it('is reused for so many messages and left with QUIT', async () => {
    const up = await peer();
    const here = build([hostAt(up.port, { limit: 1 })], { limit: 1, messagesPerConnection: 4 });
    await here.sendMany(10);
    await here.decided(10);
    const perConnection = [0, 1, 2].map((n) => up.messages.filter((each) => each.connection === n).length);
    expect(perConnection).toEqual([4, 4, 2]);
    await until('two QUITs', () => up.commands.filter((line) => line === 'QUIT').length === 2);
  });

  it('is told no more than it wants: LIMITS of RFC 9422', async () => {
    const up = await peer(always('EHLO', '250-peer\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=3'));
    const here = build([hostAt(up.port, { limit: 1 })], { limit: 1 });
    await here.send(['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@dest.example`));
    await here.sendMany(3);
    await here.decided(8);
    expect(up.messages.map((each) => each.recipients.length).sort()).toEqual([1, 1, 1, 1, 2, 2]);
    expect(up.messages.filter((each) => each.connection === 0)).toHaveLength(3);
    expect(here.count('delivered')).toBe(8);
  });

  it('that is idle is closed after a while, and nothing is sent behind QUIT', async () => {
    // It does not answer QUIT, and would take more behind it, so that there is time for a message to come in between.
    const up = await peer((stage) => (stage === 'QUIT' ? '' : undefined));
    const here = build([hostAt(up.port)], { idleTime: 40 });
    for (let i = 1; i <= 3; i++) {
      await here.send();
      await here.decided(i);
      await until('it says goodbye', () => up.commands.filter((line) => line === 'QUIT').length === i);
    }
    expect([here.count('delivered'), up.accepted]).toEqual([3, 3]);
    await until('all are closed', () => up.open.size === 0);
    expect(here.delivery.connections).toBe(0);
  });

  it('is used while another connection to it is stuck', async () => {
    // The second connection is never greeted; what comes later goes over the first, which is idle.
    const up = await peer((stage, connection) => (stage === 'greeting' && connection > 0 ? 'silent' : undefined));
    const here = build([hostAt(up.port)], {
      connection: { hostname: 'me', connectTimeout: 5000, replyTimeout: 3000, dataTimeout: 5000, tlsTimeout: 300 },
    });
    await here.send();
    await here.decided(1);
    await Promise.all([here.send(), here.send()]);
    await here.decided(3, 1000);
    await here.send();
    await here.decided(4, 1000);
    expect(here.count('delivered')).toBe(4);
  });

  it('takes the rest in further transactions when it says 452 after some recipients', async () => {
    const up = await peer((stage, _connection, _count, line) => {
      if (stage !== 'RCPT') return undefined;
      const before = up.commands.slice(up.commands.findLastIndex((each) => each.startsWith('MAIL')) + 1);
      return before.length > 2 && line !== '' ? '452 4.5.3 too many' : undefined;
    });
    const here = build([hostAt(up.port)], { limit: 1 });
    await here.send(['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@dest.example`));
    await here.decided(5);
    expect(up.messages.flatMap((each) => each.recipients).sort()).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@dest.example`),
    );
    expect(here.count('delivered')).toBe(5);
  });

  it('decides recipient by recipient', async () => {
    const up = await peer((stage, _c, _n, line) => {
      if (stage !== 'RCPT') return undefined;
      return line.includes('bad') ? '550 5.1.1 no' : line.includes('late') ? '450 4.2.1 later' : undefined;
    });
    const here = build([hostAt(up.port)]);
    await here.send(['ok@dest.example', 'bad@dest.example', 'late@dest.example']);
    await here.decided(3);
    expect(here.outcomes.sort()).toEqual(['m1/0 delivered', 'm1/1 failed', 'm1/2 deferred']);
  });
});

describe('mail a host cannot take', () => {
  it('fails at once, thousands of it, without a deep stack, and the rest goes on', async () => {
    const up = await peer(always('EHLO', '250-peer\r\n250 PIPELINING'));
    // Time enough for a busy machine: thousands are sent in one go.
    const connection = {
      hostname: 'me',
      connectTimeout: 9000,
      replyTimeout: 9000,
      dataTimeout: 9000,
      tlsTimeout: 9000,
    };
    const here = build([hostAt(up.port, { limit: 2 })], { limit: 2, connection });
    const binary = {
      content: { size: 1, form: 'plain' as const, dotLines: 0, eightBit: true, binary: true, endsWithCrlf: true },
    };
    for (let i = 0; i < 3000; i++) await here.send(undefined, binary);
    await here.send();
    await here.decided(3001);
    expect([here.count('failed'), here.count('delivered')]).toEqual([3000, 1]);
  });
});

describe('a next hop that fails', () => {
  it.each<[string, Script]>([
    ['reset at accept', always('greeting', 'reset')],
    ['closed at accept', always('greeting', 'close')],
    ['421 for a greeting', always('greeting', '421 4.3.2 busy')],
    ['554 for a greeting', always('greeting', '554 no')],
    ['junk for a greeting', always('greeting', 'hello')],
    ['silent', always('greeting', 'silent')],
    ['closed at EHLO', always('EHLO', 'close')],
    ['silent at EHLO', always('EHLO', 'silent')],
    ['closed at MAIL', always('MAIL', 'close')],
    ['reset at RCPT', always('RCPT', 'reset')],
    ['silent at MAIL', always('MAIL', 'silent')],
    ['closed at DATA', always('DATA', 'close')],
    ['silent at DATA', always('DATA', 'silent')],
    ['421 at MAIL', always('MAIL', '421 4.3.2 bye')],
    ['421 at RCPT', always('RCPT', '421 4.3.2 bye')],
    ['451 at DATA', always('DATA', '451 4.3.0 later')],
    ['3xx after the dot', always('dot', '354 more')],
    ['closed at the dot', always('dot', 'close')],
    ['silent at the dot', always('dot', 'silent')],
    ['junk at the dot', always('dot', 'yes')],
  ])('%s: deferred, nothing kept', async (name, script) => {
    const up = await peer(script);
    const here = build([hostAt(up.port)]);
    await here.sendMany(5);
    await here.decided(5);
    expect([here.count('deferred'), up.messages.length, here.spool.size]).toEqual([5, 0, 5]);
    expect(here.uncertain > 0).toBe(/^(closed|silent|junk) at the dot/.test(name));
    expect(here.replies.every((reply) => reply.length > 7)).toBe(true);
  });

  it('refused port: deferred with the reason', async () => {
    const here = build([hostAt(await closedPort())]);
    await here.sendMany(3);
    await here.decided(3);
    expect(new Set(here.replies)).toEqual(new Set([expect.stringContaining('connection refused')]));
    expect(here.dials).toBeLessThanOrEqual(3);
  });

  it('many connections refused together are one failure, and it is soon tried again', async () => {
    const port = await closedPort();
    const here = build([hostAt(port, { limit: 50 })], { limit: 50 });
    await here.sendMany(50);
    await here.decided(50);
    const before = here.dials;
    await new Promise((resolve) => setTimeout(resolve, 80));
    await here.send();
    await here.decided(51);
    expect(here.dials).toBe(before + 1);
  });

  it('rests: mail that comes meanwhile is deferred without another dial', async () => {
    const here = build([hostAt(await closedPort())], { hostRest: 5000 });
    await here.send();
    await here.decided(1);
    await here.sendMany(20);
    await here.decided(21);
    expect(here.dials).toBe(1);
  });

  it('comes back: mail is retried and delivered', async () => {
    const up = await peer(once('greeting', '421 4.3.2 busy'));
    const here = build([hostAt(up.port)], { retryMin: 100 });
    await here.send();
    await until('delivered', () => up.messages.length === 1);
    await here.decided(2);
    expect(here.outcomes).toEqual(['m1/0 deferred', 'm1/0 delivered']);
  });
});

describe('a kept connection', () => {
  it('that got 421 behind a message: the others go over a new one, each once', async () => {
    const up = await peer((stage) => (stage === 'afterDot' ? '421 4.4.2 enough' : undefined));
    const here = build([hostAt(up.port, { limit: 1 })], { limit: 1 });
    await here.sendMany(6);
    await here.decided(6);
    expect([here.count('delivered'), up.subjects.length, new Set(up.subjects).size]).toEqual([6, 6, 6]);
  });

  it('that is closed while idle: each message once', async () => {
    const up = await peer();
    up.script = (stage) => {
      if (stage === 'afterDot') setTimeout(() => up.hangUp(), 10);
      return undefined;
    };
    const here = build([hostAt(up.port)]);
    for (let i = 1; i <= 25; i++) {
      await here.send();
      await new Promise((resolve) => setTimeout(resolve, i % 7));
    }
    await until('all taken', () => here.outcomes.length >= 25);
    expect(here.count('delivered') + here.count('deferred')).toBe(25);
    expect(new Set(up.subjects).size).toBe(up.subjects.length);
  });

  it('that is gone under every message at last counts as an attempt', async () => {
    // The first message of a connection is taken, the second finds it closed.
    const up = await peer((stage, _connection, count) => (stage === 'MAIL' && count > 0 ? 'close' : undefined));
    const here = build([hostAt(up.port, { limit: 1 })], { limit: 1 });
    await here.sendMany(20);
    await here.decided(20);
    expect(new Set(up.subjects).size).toBe(up.subjects.length);
    expect(up.messages.length).toBe(here.count('delivered'));
  });
});

describe('several hosts', () => {
  it('share by weight', async () => {
    const [one, three] = [await peer(), await peer()];
    const here = build([hostAt(one.port, { weight: 1, limit: 1 }), hostAt(three.port, { weight: 3, limit: 1 })], {
      limit: 2,
    });
    for (let i = 1; i <= 80; i++) {
      await here.send();
      await here.decided(i);
    }
    // A message does not wait for a connection being made while another is idle, so the first few may go elsewhere.
    expect(one.messages.length + three.messages.length).toBe(80);
    expect(Math.abs(one.messages.length - 20)).toBeLessThanOrEqual(2);
  });

  it.each(['balance', 'preference'] as const)('fail over in order of %s', async (order) => {
    const good = await peer();
    const here = build([hostAt(await closedPort()), hostAt(good.port)], { order });
    await here.sendMany(10);
    await here.decided(10);
    expect([here.count('delivered'), good.messages.length]).toEqual([10, 10]);
  });

  it('prefer the first that works', async () => {
    const [first, second] = [await peer(), await peer()];
    const here = build([hostAt(first.port), hostAt(second.port)], { order: 'preference' });
    await here.sendMany(10);
    await here.decided(10);
    expect([first.messages.length, second.accepted]).toEqual([10, 0]);
  });

  it('give the last reason when none works', async () => {
    const busy = await peer(always('greeting', '421 4.3.2 busy'));
    const here = build([hostAt(busy.port), hostAt(await closedPort())], { order: 'preference' });
    await here.send();
    await here.decided(1);
    expect(here.replies[0]).toContain('connection refused');
    expect(busy.accepted).toBe(1);
  });

  it('none at all: deferred, not stuck', async () => {
    const here = build([]);
    await here.sendMany(2);
    await here.decided(2);
    expect(here.count('deferred')).toBe(2);
  });
});

describe('resolving', () => {
  it.each([
    [true, 'deferred'],
    [false, 'failed'],
  ])('that fails (temporary %s) is the outcome: %s', async (temporary, status) => {
    const found: SiteHosts = { kind: 'failed', temporary, enhanced: '4.4.3', reason: 'no such domain' };
    const here = build([], { resolve: async () => found });
    await here.sendMany(3);
    await here.decided(3);
    expect([here.count(status), here.replies[0]]).toEqual([3, 'no such domain']);
  });

  it('that ends in a policy which forbids the hosts known so far uses them no more', async () => {
    const up = await peer();
    const known: SiteHosts = { kind: 'hosts', hosts: [hostAt(up.port)], order: 'balance', limit: 1, expires: 0 };
    let found: SiteHosts = known;
    const here = build([], { resolve: async () => found });
    await here.send();
    await here.decided(1);
    found = { kind: 'failed', temporary: true, forbidden: true, enhanced: '4.7.1', reason: 'not by this policy' };
    // Hosts are looked for again a second after the last time.
    for (let sent = 2; here.count('deferred') === 0; sent++) {
      await here.send();
      await here.decided(sent);
    }
    expect(here.replies.at(-1)).toBe('not by this policy');
    await until('the kept connection is closed', () => here.delivery.connections === 0);
    const delivered = here.count('delivered');
    const before = here.outcomes.length;
    await here.send();
    await here.decided(before + 1);
    expect([here.count('delivered'), here.replies.at(-1)]).toEqual([delivered, 'not by this policy']);
    found = known;
    await here.send();
    await until('it is delivered', () => here.count('delivered') === delivered + 1);
  });

  it('that asks for more than a kept connection has makes a new one', async () => {
    const up = await peer();
    const hosts = (tls: TlsPolicy): SiteHosts => {
      return { kind: 'hosts', hosts: [hostAt(up.port, { tls })], order: 'balance', limit: 1, expires: 0 };
    };
    let found = hosts(opportunistic(''));
    const here = build([], { resolve: async () => found });
    await here.send();
    await here.decided(1);
    found = hosts({ ...opportunistic(''), mode: 'required', verify: 'pki' });
    for (let sent = 2; here.dials < 2; sent++) {
      await here.send();
      await here.decided(sent);
    }
    expect(up.commands.filter((line) => line === 'QUIT')).toHaveLength(1);
  });

  it('is no busy loop when hosts expire at once or the name servers go away', async () => {
    const up = await peer((stage) => (stage === 'dot' ? 'silent' : undefined));
    let found: SiteHosts = {
      kind: 'hosts',
      hosts: [hostAt(up.port, { limit: 1 })],
      order: 'balance',
      limit: 1,
      expires: 0,
    };
    const here = build([], { resolve: async () => found });
    await here.sendMany(3);
    await until('one is under way', () => up.commands.includes('DATA'));
    found = { kind: 'failed', temporary: true, enhanced: '4.4.3', reason: 'servers out' };
    await here.send();
    await here.decided(4);
    expect(here.resolves).toBeLessThan(5);
  });
});

describe('drain', () => {
  it('lets what is under way finish, begins nothing, and does not wait for what is queued', async () => {
    const up = await peer();
    up.script = (stage) => {
      if (stage !== 'dot') return undefined;
      return 'silent';
    };
    const here = build([hostAt(up.port, { limit: 2 })], { limit: 2 });
    await here.sendMany(10);
    await until('two are under way', () => up.commands.filter((line) => line === 'DATA').length === 2);
    here.scheduler.stop();
    const drained = here.delivery.drain(20_000);
    await here.send();
    await drained;
    expect(here.outcomes).toHaveLength(2);
    expect([here.delivery.connections, here.waiting]).toEqual([0, 9]);
    // What waits stays in the spool for the next start.
    expect(here.spool.size).toBe(11);
    for (const queue of here.queues)
      for (let job = queue.take(); job !== undefined; job = queue.take()) here.scheduler.finish(job, []);
  });
});
