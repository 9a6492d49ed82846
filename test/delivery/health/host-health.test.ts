import { describe, expect, it } from 'vitest';
import { HostState } from '../../../src/delivery/host-state.js';
import { HostWorld, hostsOf, siteHost } from './host-world.js';

const SECOND = 1000;

describe('the breaker of a host', () => {
  it('opens after failures in a row where others do better, and closes by one probe', () => {
    const world = new HostWorld({}, {});
    world.send(20);
    const [bad] = world.hosts;
    const changes = Array.from({ length: 5 }, () => world.transact(bad!, 'deferred', 10));
    expect(changes).toEqual(['none', 'none', 'none', 'none', 'out']);
    expect(bad!.isAvailable(world.now, true)).toBe(false);
    expect(bad!.describe(world.now)).toMatchObject({
      state: 'ejected',
      reason: expect.stringContaining('5 messages were deferred'),
      until: world.now + SECOND,
    });
    world.now += SECOND;
    expect([bad!.describe(world.now).state, bad!.mayTake(world.now)]).toEqual(['half-open', true]);
    bad!.transactionBegan(world.now);
    // One probe, nothing beside it.
    expect(bad!.mayTake(world.now)).toBe(false);
    expect(bad!.transactionEnded('delivered', 50, world.now + 50)).toBe('back');
    expect([bad!.mayTake(world.now + 50), bad!.describe(world.now + 50).state]).toEqual([true, 'slow-start']);
  });

  it('stays open longer each time a probe fails, half a minute at most', () => {
    const world = new HostWorld({}, {});
    world.send(20);
    const [bad] = world.hosts;
    for (let n = 0; n < 5; n++) world.transact(bad!, 'lost', 10);
    const pauses: number[] = [];
    for (let n = 0; n < 9; n++) {
      pauses.push(Math.round((bad!.pausedUntil - world.now) / SECOND));
      world.now = bad!.pausedUntil;
      expect(world.transact(bad!, 'lost', 10)).toBe('out');
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30]);
  });

  it('is not moved by what began before it opened', () => {
    const world = new HostWorld({}, {});
    world.send(20);
    const [bad] = world.hosts;
    for (let n = 0; n < 7; n++) bad!.transactionBegan(world.now);
    for (let n = 0; n < 5; n++) bad!.transactionEnded('lost', 0, world.now);
    const until = bad!.pausedUntil;
    expect(bad!.transactionEnded('lost', 10, world.now + 10)).toBe('none');
    expect(bad!.transactionEnded('delivered', 10, world.now + 10)).toBe('none');
    expect([bad!.pausedUntil, bad!.describe(world.now + 10).state]).toEqual([until, 'ejected']);
  });

  it('a probe that told nothing lets the next one go', () => {
    const world = new HostWorld({}, {});
    world.send(20);
    const [bad] = world.hosts;
    for (let n = 0; n < 5; n++) world.transact(bad!, 'lost', 10);
    world.now = bad!.pausedUntil;
    expect(world.transact(bad!, 'untried', 1)).toBe('back');
    expect([bad!.mayTake(world.now), bad!.describe(world.now).state]).toEqual([true, 'half-open']);
  });

  it('opens for a share of failures too', () => {
    const world = new HostWorld({}, {});
    world.send(40);
    const [bad] = world.hosts;
    let n = 0;
    while (world.transact(bad!, n % 2 === 0 ? 'deferred' : 'delivered', 20) !== 'out') expect(++n).toBeLessThan(60);
    expect(bad!.mayTake(world.now)).toBe(false);
  });

  it('never puts out more than half of the hosts, and none where all fail alike', () => {
    const world = new HostWorld({}, {}, {}, {});
    const counts = world.send(
      400,
      () => 'deferred',
      () => 10,
    );
    expect(world.hosts.filter((host) => !host.mayTake(world.now)).length).toBeLessThanOrEqual(2);
    expect(counts.reduce((sum, count) => sum + count)).toBe(400);
  });

  it('of a host that is alone heeds 421 and lost connections, not what befell recipients', () => {
    const world = new HostWorld({});
    const [only] = world.hosts;
    for (let n = 0; n < 50; n++) expect(world.transact(only!, 'deferred')).toBe('none');
    world.transact(only!, 'delivered');
    const changes = Array.from({ length: 10 }, () => world.transact(only!, 'busy'));
    expect(changes).toEqual([...Array.from({ length: 9 }, () => 'none'), 'out']);
  });
});

describe('slow start', () => {
  it('a host that comes back gets connections bit by bit', () => {
    const [host, other] = hostsOf({ limit: 20 }, {});
    expect(host!.connectionLimit(0)).toBe(20);
    host!.failed('refused', 0, 5000, 0);
    expect(host!.isAvailable(4999, true)).toBe(false);
    expect(host!.connectionLimit(5000)).toBe(1);
    host!.succeeded(10, 5000);
    const limits = () => [5000, 20_000, 35_000].map((now) => host!.connectionLimit(now));
    expect(limits()).toEqual([2, 10, 20]);
    // Nobody else can take the mail meanwhile.
    other!.failed('refused', 5000, 5000, 5000);
    expect(limits()).toEqual([20, 20, 20]);
  });

  it('is none for a host that is alone, or that never went away', () => {
    const alone = new HostState(siteHost('h', { limit: 20 }));
    alone.failed('refused', 0, 5000, 0);
    alone.succeeded(10, 5000);
    expect(alone.connectionLimit(5000)).toBe(20);
    const [host] = hostsOf({ limit: 20 }, {});
    host!.transactionBegan(0);
    host!.failed('reset', 0, 5000, 0);
    host!.succeeded(10, 5000);
    expect(host!.connectionLimit(5000)).toBe(20);
  });

  it('while it is not known to answer one connection is made beside those that work', () => {
    const host = new HostState<number>(siteHost('h', { limit: 20 }));
    host.slots.connections = 2;
    host.idle.push(1);
    host.transactionBegan(0);
    host.failed('too many connections', 0, 0, 0);
    expect(host.connectionLimit(0)).toBe(3);
  });

  it('one that joins a site in use too', () => {
    const joined = new HostState<number>(siteHost('h', { limit: 20 }), 1000);
    const [old] = hostsOf({ limit: 20 });
    for (const host of [joined, old!]) host.compareWith([joined, old!]);
    expect([joined, old!].map((host) => host.connectionLimit(1000))).toEqual([2, 20]);
  });
});

describe('a host that begins to defer at a rate', () => {
  it('is planned below it once that is learnt, and the rest goes to the others', () => {
    const world = new HostWorld({ weight: 3 }, {});
    let minute = -1;
    let taken = 0;
    const results: ('delivered' | 'deferred')[] = [];
    // 10 messages a second; the first host takes 300 in a minute of its clock.
    const send = (i: number): 'delivered' | 'deferred' => {
      if (i !== 0) return 'delivered';
      if (Math.floor(world.now / 60_000) !== minute) taken = 0;
      minute = Math.floor(world.now / 60_000);
      const result = taken++ < 300 ? 'delivered' : 'deferred';
      results.push(result);
      return result;
    };
    world.send(600 * 6, send);
    expect(world.hosts[0]!.describe(world.now).defersAbove).not.toBeNull();
    results.length = 0;
    const counts = world.send(600 * 10, send);
    // What it takes is used, at the price of the few by which the limit is found again.
    expect(counts[0]).toBeGreaterThan(1500);
    expect(results.filter((result) => result === 'deferred').length / counts[0]!).toBeLessThan(0.02);
  });
});

describe('a quota', () => {
  it('ends a host for the day, and it says so', () => {
    const world = new HostWorld({ quota: 10 }, {});
    const start = world.now;
    const counts = world.send(100);
    expect(counts).toEqual([10, 90]);
    const facts = world.hosts[0]!.describe(world.now);
    expect(facts).toMatchObject({ state: 'paused', quotaLeft: 0, reason: expect.stringContaining('quota of 10') });
    expect(facts.until).toBeGreaterThan(start + 86_400_000);
    world.now = facts.until;
    expect(world.hosts[0]!.describe(world.now)).toMatchObject({ quotaLeft: 10, reason: '' });
    expect(world.send(20)[0]).toBeGreaterThan(0);
  });

  it('what was not sent does not count', () => {
    const world = new HostWorld({ quota: 2 }, {});
    const [host] = world.hosts;
    world.transact(host!, 'untried', 1);
    expect(host!.quotaLeft(world.now)).toBe(2);
  });
});

describe('throttling by words of the provider', () => {
  it('pauses also when the breaker opened by the same reply', () => {
    const world = new HostWorld({}, {});
    const [host] = world.hosts;
    world.send(20);
    for (let n = 0; n < 5; n++) world.transact(host!, 'busy', 10);
    expect(host!.throttled('quota', '554 daily quota', world.now)).toBe(true);
    expect(host!.pausedUntil).toBe(world.now + 600_000);
    expect(host!.throttled('rate', '451 slower', world.now)).toBe(false);
  });
});

describe('facts for listings', () => {
  it('are JSON-safe from the first moment', () => {
    const facts = new HostWorld({}, {}).hosts[0]!.describe(0);
    expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
    expect(facts).toMatchObject({
      state: 'closed',
      expectedMs: null,
      defersAbove: null,
      quotaLeft: null,
      distanceMs: null,
    });
  });

  it('tell a host that cannot be reached', () => {
    const host = new HostState(siteHost('h'));
    host.failed('connection refused', 1000, 5000, 900);
    expect(host.describe(1000)).toMatchObject({ state: 'down', reason: 'connection refused', until: 6000 });
    expect(host.describe(6000).state).toBe('half-open');
  });
});
