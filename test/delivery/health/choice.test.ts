import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pick, pickBalanced, pickNearest, pickPreferred } from '../../../src/delivery/health/choice.js';
import { HostWorld, hostsOf } from './host-world.js';

describe('balanced hosts', () => {
  it('that are equal take turns by weight', () => {
    const [one] = new HostWorld({ weight: 1 }, { weight: 3 }).send(400);
    // The first message to each only measures it.
    expect(Math.abs(one! - 100)).toBeLessThanOrEqual(2);
  });

  it('get less the longer they take, and are looked at again now and then', () => {
    const world = new HostWorld({}, {});
    const counts = world.send(2000, undefined, (i) => (i === 1 ? 1000 : 100));
    expect(counts[1]).toBeGreaterThan(2);
    expect(counts[1]! / counts[0]!).toBeLessThan(0.01);
    // It became the faster one: found out by a look, and used.
    const after = world.send(3000, undefined, (i) => (i === 1 ? 20 : 100));
    expect(after[1]).toBeGreaterThan(after[0]!);
  });

  it('are chosen by load too', () => {
    const [busy, free] = hostsOf({}, {});
    busy!.slots.connections = 5;
    const hosts = [busy!, free!];
    for (let n = 0; n < 10; n++) expect(pickBalanced(hosts, 0, true)).toBe(free);
  });

  it('of about equal expectation: the cheaper, until it is busy', () => {
    const [dear, cheap] = hostsOf({ cost: 5 }, { cost: 1 });
    const hosts = [dear!, cheap!];
    for (let n = 0; n < 10; n++) expect(pickBalanced(hosts, 0, true)).toBe(cheap);
    cheap!.slots.connections = 3;
    for (let n = 0; n < 10; n++) expect(pickBalanced(hosts, 0, true)).toBe(dear);
  });

  it('whose messages hang are passed over before a reply tells', () => {
    const world = new HostWorld({}, {});
    world.send(20);
    const [stuck, good] = world.hosts;
    stuck!.transactionBegan(world.now);
    world.now += 5000;
    for (let n = 0; n < 10; n++) expect(world.pick()).toBe(good);
  });

  it('among many: the better of two at random', () => {
    const hosts = hostsOf(...Array.from({ length: 40 }, () => ({})));
    hosts[3]!.slots.connections = 4;
    const draws = [3.5 / 40, 7.5 / 40];
    expect(pickBalanced(hosts, 0, true, () => draws.shift()!)).toBe(hosts[7]);
    // Both are out of use: another one is found all the same.
    hosts[3]!.pausedUntil = 10;
    expect(pickBalanced(hosts, 0, true, () => 3.5 / 40)).toBeDefined();
  });

  it('none available: none', () => {
    const hosts = hostsOf({ limit: 1 }, { limit: 1 });
    for (const host of hosts) host.slots.connections = 1;
    expect(pickBalanced(hosts, 0, true)).toBeUndefined();
    expect(pickBalanced(hostsOf({}), 0, false)).toBeUndefined();
  });

  it('property: only an available host is chosen, and one is while there is one', () => {
    const host = fc.record({
      weight: fc.integer({ min: 1, max: 10 }),
      limit: fc.integer({ min: 1, max: 5 }),
      cost: fc.integer({ min: 0, max: 3 }),
      connections: fc.integer({ min: 0, max: 5 }),
      idle: fc.boolean(),
      paused: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(host, { minLength: 1, maxLength: 30 }),
        fc.boolean(),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (specs, mayDial, random) => {
          const hosts = hostsOf(...specs);
          for (const [i, { connections, idle, paused }] of specs.entries()) {
            hosts[i]!.slots.connections = connections;
            if (idle && connections > 0) hosts[i]!.idle.push(1);
            if (paused) hosts[i]!.pausedUntil = 2000;
          }
          for (const order of ['balance', 'nearest', 'preference'] as const) {
            const chosen =
              order === 'balance'
                ? pickBalanced(hosts, 1000, mayDial, () => random)
                : pick(hosts, order, 1000, mayDial);
            const available = hosts.filter((each) => each.isAvailable(1000, mayDial));
            if (available.length === 0) expect(chosen).toBeUndefined();
            else expect(available).toContain(chosen);
          }
        },
      ),
    );
  });
});

describe('the nearest', () => {
  it('by guess first, then as measured, and the next nearest where it is out', () => {
    const [far, near] = hostsOf({ distance: 80 }, { distance: 10 });
    const hosts = [far!, near!];
    expect(pickNearest(hosts, 0, true)).toBe(near);
    // The guess was wrong.
    for (let n = 0; n < 3; n++) near!.succeeded(200, 0);
    expect(pickNearest(hosts, 0, true)).toBe(far);
    far!.failed('refused', 0, 5000, 0);
    expect(pickNearest(hosts, 0, true)).toBe(near);
    near!.failed('refused', 0, 5000, 0);
    expect(pickNearest(hosts, 0, true)).toBeUndefined();
    expect(pickNearest(hosts, 5000, true)).toBe(far);
  });

  it('is balanced where several are as near, and goes by a median that one slow connection does not move', () => {
    const [one, two, far] = hostsOf({ distance: 10 }, { distance: 11 }, { distance: 90 });
    const hosts = [one!, two!, far!];
    pickNearest(hosts, 0, true);
    for (const ms of [10, 10, 900, 11]) one!.succeeded(ms, 0);
    const counts = hosts.map(() => 0);
    for (let n = 0; n < 100; n++) {
      const chosen = pickNearest(hosts, 0, true)!;
      chosen.transactionBegan(0);
      chosen.transactionEnded('delivered', 50, 0);
      counts[hosts.indexOf(chosen)]!++;
    }
    expect(counts).toEqual([50, 50, 0]);
  });

  it('a host of which nothing is known is tried to be measured', () => {
    const [known, unknown] = hostsOf({ distance: 10 }, {});
    expect(pickNearest([known!, unknown!], 0, true)).toBe(unknown);
    for (let n = 0; n < 3; n++) unknown!.succeeded(50, 0);
    expect(pickNearest([known!, unknown!], 0, true)).toBe(known);
  });

  it('a guess is checked in the end', () => {
    const [near, far] = hostsOf({ distance: 10 }, { distance: 90 });
    const hosts = [near!, far!];
    for (let n = 0; n < 3; n++) {
      pickNearest(hosts, 0, true);
      near!.succeeded(10, 0);
    }
    const chosen = Array.from({ length: 300 }, () => pickNearest(hosts, 0, true));
    expect(chosen.filter((host) => host === far).length).toBeGreaterThan(0);
  });
});

describe('preferred hosts', () => {
  it('are taken in their order', () => {
    const hosts = hostsOf({}, {});
    expect(pickPreferred(hosts, 0, true)).toBe(hosts[0]);
    hosts[0]!.failed('refused', 0, 5000, 0);
    expect(pickPreferred(hosts, 0, true)).toBe(hosts[1]);
  });
});
