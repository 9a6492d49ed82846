/** The shaping over real sockets: deliveries keep to the limits of their site, and all mail goes in the end. */
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.js';
import type { ShapingRule } from '../../../src/delivery/shaping/rule.js';
import { Shaping } from '../../../src/delivery/shaping/shaping.js';
import { type Script, SmtpPeer } from '../../helpers/smtp-peer.js';
import { DeliveryWorld, hostAt, NOTHING_LEFT } from '../delivery-world.js';
import { rule } from './shaping-world.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function setUp(rules: readonly Partial<ShapingRule>[], script: Script = () => undefined) {
  const lessons: string[] = [];
  const acted: string[] = [];
  const peer = await SmtpPeer.start(script);
  const shaping = new Shaping({
    rules: rules.map(rule),
    shipped: [],
    reserve: 0.1,
    now: () => systemClock.now(),
    actions: { pauseSource: () => {}, suspendTenant: () => true },
    events: { learnt: (_site, _source, { what }) => lessons.push(what), acted: ({ action }) => acted.push(action) },
  });
  const run = new DeliveryWorld([hostAt(peer.port)], { controlOf: shaping.controlOf });
  ends.push(async () => expect(await run.end()).toEqual(NOTHING_LEFT));
  ends.push(() => peer.close());
  return { peer, run, lessons, acted, shaping };
}

describe('deliveries', () => {
  it('keep to messages in a time, and all go', async () => {
    const { run, shaping } = await setUp([{ site: '*', rates: [{ counted: 'messages', span: 'second', most: 10 }] }]);
    const booked: number[] = [];
    const control = shaping.controlOf('dest.example', run.hosts);
    const { admitJob } = control;
    control.admitJob = (job, source, now) => {
      const wait = admitJob.call(control, job, source, now);
      if (wait === null) booked.push(now);
      return wait;
    };
    await run.sendMany(35);
    await run.decided(35, 20_000);
    expect(run.count('delivered')).toBe(35);
    expect(booked).toHaveLength(35);
    for (const at of booked)
      expect(booked.filter((other) => other > at - 1000 && other <= at).length).toBeLessThanOrEqual(10);
  });

  it('keep to connections and to messages on one', async () => {
    let most = 0;
    const world: { run?: DeliveryWorld } = {};
    const { peer, run } = await setUp([{ site: '*', connections: 2, messagesPerConnection: 3 }], () => {
      most = Math.max(most, world.run!.openWires);
      return undefined;
    });
    world.run = run;
    await run.sendMany(30);
    await run.decided(30);
    expect(run.count('delivered')).toBe(30);
    expect(most).toBe(2);
    expect(peer.accepted).toBeGreaterThanOrEqual(10);
  });

  it('share limits among domains behind the same hosts', async () => {
    const { peer, run } = await setUp([{ site: '*', connections: 1 }]);
    for (let i = 0; i < 20; i++) await run.send([`r@domain${i % 4}.example`]);
    await run.decided(20);
    expect(run.count('delivered')).toBe(20);
    expect(peer.mostOpen).toBe(1);
  });

  it('keep to recipients in a transaction', async () => {
    const { peer, run } = await setUp([{ site: '*', rates: [{ counted: 'recipients', span: 'second', most: 4 }] }]);
    await run.send(Array.from({ length: 10 }, (_, i) => `r${i}@dest.example`));
    await run.decided(10, 20_000);
    expect(run.count('delivered')).toBe(10);
    expect(peer.messages.every(({ recipients }) => recipients.length <= 4)).toBe(true);
  });

  it('learn how many connections a host takes', async () => {
    // A host that takes three connections at once.
    const open: { peer?: SmtpPeer } = {};
    const { peer, run, lessons } = await setUp([], (stage) =>
      stage === 'greeting' && open.peer!.open.size > 3 ? '421 4.7.0 Too many connections from your address' : undefined,
    );
    open.peer = peer;
    await run.sendMany(40);
    await run.decided(40, 20_000);
    expect(run.count('delivered')).toBe(40);
    expect(lessons).toContain('connections');
  });

  it('are held back while a site is paused by what a host said', async () => {
    let said = 0;
    const { run, acted } = await setUp(
      [{ site: '*', connections: 1, replies: [{ match: /not now/i, code: 4, action: 'pause_site', ms: 1500 }] }],
      (stage) => (stage === 'MAIL' && said++ === 0 ? '450 4.7.1 Not now' : undefined),
    );
    await run.sendMany(5);
    const since = systemClock.now();
    await run.decided(5, 20_000);
    expect([run.count('delivered'), run.count('deferred'), acted]).toEqual([4, 1, ['pause_site']]);
    expect(systemClock.now() - since).toBeGreaterThan(1000);
  });

  it('heed a 421 on a kept connection, whose mail is tried again at once', async () => {
    const { run, acted } = await setUp(
      [{ site: '*', connections: 1, replies: [{ match: /not now/i, code: 421, action: 'pause_site', ms: 1200 }] }],
      (stage, connection, count) =>
        stage === 'MAIL' && connection === 0 && count === 1 ? '421 4.7.0 Not now' : undefined,
    );
    await run.sendMany(3);
    await run.decided(3, 20_000);
    expect([run.count('delivered'), run.count('deferred'), acted]).toEqual([3, 0, ['pause_site']]);
  });
});
