/**
 * Pools with hosts that are looked at, over loopback. After every test nothing may be left over.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { type Script, SmtpPeer, until } from '../../helpers/smtp-peer.js';
import { closedPort, DeliveryWorld, hostAt, NOTHING_LEFT } from '../delivery-world.js';

const peers: SmtpPeer[] = [];
let world: DeliveryWorld | null = null;

async function peer(script?: Script): Promise<SmtpPeer> {
  const started = await SmtpPeer.start(script);
  peers.push(started);
  return started;
}

afterEach(async () => {
  const left = await world?.end();
  world = null;
  for (const each of peers.splice(0)) await each.close();
  expect(left).toEqual(NOTHING_LEFT);
});

describe('a host with a check time', () => {
  it('that has no mail is greeted and left with QUIT', async () => {
    const up = await peer();
    world = new DeliveryWorld([hostAt(up.port, { check: 60 })], { idleTime: 30 });
    await world.send();
    await world.decided(1);
    await until('two looks', () => up.commands.filter((line) => line === 'QUIT').length >= 3);
    expect(up.commands.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
    expect(up.commands.filter((line) => line.startsWith('EHLO')).length).toBeGreaterThanOrEqual(3);
  });

  it('that cannot be reached is known before mail comes, which goes elsewhere without a dial', async () => {
    const good = await peer();
    const gone = await closedPort();
    world = new DeliveryWorld([hostAt(good.port), hostAt(gone, { check: 60 })], { hostRest: 20_000 });
    await world.send();
    await world.decided(1);
    await until('it is found out', () => world!.failures.length > 0);
    const found = world.failures.length;
    await world.sendMany(20);
    await world.decided(21);
    expect([world.count('delivered'), good.messages.length]).toEqual([21, 21]);
    expect(world.failures.length).toBeGreaterThanOrEqual(found);
  });

  it('that is back is found by a look, and mail goes to it long before its rest is over', async () => {
    const up = await peer((stage, connection) =>
      stage === 'greeting' && connection < 2 ? '421 4.3.2 busy' : undefined,
    );
    world = new DeliveryWorld([hostAt(up.port, { check: 60 })], { hostRest: 20_000, retryMin: 100 });
    await world.send();
    await until('it is delivered', () => up.messages.length === 1, 10_000);
    await until('the outcome is known', () => world!.count('delivered') === 1);
    expect(up.messages[0]!.connection).toBeGreaterThanOrEqual(2);
  });

  it('that refuses our credentials is not asked again by a look while it rests', async () => {
    const up = await peer((stage) =>
      stage === 'EHLO' ? '250-peer\r\n250 AUTH PLAIN' : stage === 'AUTH' ? '535 5.7.8 no' : undefined,
    );
    const credentials = {
      sasl: {
        user: 'u',
        password: 'p',
        token: false,
        certificate: false,
        mechanism: '' as const,
        inClear: true,
        derived: null,
      },
    };
    world = new DeliveryWorld([hostAt(up.port, { check: 40, credentials })], { hostRest: 20_000 });
    await world.send();
    await world.decided(1);
    const asked = up.commands.filter((line) => line.startsWith('AUTH')).length;
    expect(asked).toBeGreaterThan(0);
    // Several check times.
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(up.commands.filter((line) => line.startsWith('AUTH'))).toHaveLength(asked);
  });
});

describe('a host that says 421 again and again', () => {
  it('is put out, and mail waits for the probe and not for its next attempt', async () => {
    let busy = true;
    const up = await peer((stage) => (stage === 'MAIL' && busy ? '421 4.3.2 too much' : undefined));
    world = new DeliveryWorld([hostAt(up.port, { limit: 1 })], { limit: 1 });
    await world.sendMany(10);
    await world.decided(10);
    expect(world.count('deferred')).toBe(10);
    expect(world.throttlings).toEqual([expect.stringContaining('10 messages were deferred')]);
    busy = false;
    await world.sendMany(5);
    await world.decided(15);
    expect([world.count('delivered'), up.messages.length]).toEqual([5, 5]);
  });

  it('beside a good one gets no more mail', async () => {
    const good = await peer();
    const bad = await peer((stage) => (stage === 'dot' ? '451 4.7.1 come back later' : undefined));
    world = new DeliveryWorld([hostAt(good.port, { limit: 2 }), hostAt(bad.port, { limit: 2 })], { limit: 4 });
    for (let i = 1; i <= 60; i++) {
      await world.send();
      await world.decided(i);
    }
    expect(world.count('deferred')).toBeLessThanOrEqual(8);
    expect(world.count('delivered')).toBe(60 - world.count('deferred'));
  });
});

describe('a host whose quota of the day is used up', () => {
  it('gets no more, and what waits is put off with that reason', async () => {
    const up = await peer();
    world = new DeliveryWorld([hostAt(up.port, { quota: 3, limit: 1 })], { limit: 1 });
    await world.sendMany(5);
    await until('three are delivered', () => up.messages.length === 3);
    await until('the others are put off', () => world!.waiting === 0);
    expect([world.count('delivered'), world.count('deferred'), world.spool.size]).toEqual([3, 2, 2]);
    expect(world.replies.filter((reply) => reply.includes('quota of 3 messages a day'))).toHaveLength(2);
    expect(up.messages).toHaveLength(3);
  });
});
