import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dialFrom, type EgressSource } from '../../src/delivery/egress.js';
import { type EgressMember, EgressPools } from '../../src/delivery/egress-pools.js';
import type { SiteHost } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';

const DAY = 86_400_000;
const START = 20_000;
const NOON = START * DAY + DAY / 2;

function member(name: string, given: Partial<EgressSource> & Partial<Pick<EgressMember, 'warmup' | 'pools'>> = {}) {
  const { warmup = null, pools = [{ name: 'p', weight: 1 }], ...source } = given;
  return {
    source: { name, helo: '', address4: '192.0.2.1', address6: '', proxy: null, ...source },
    warmup,
    pools,
  } satisfies EgressMember;
}

function host(address = '198.51.100.1'): SiteHost {
  return { name: 'mx', address, port: 25, weight: 1, limit: 1, tls: opportunistic('mx') };
}

function poolsOf(...members: EgressMember[]): EgressPools {
  const pools = new EgressPools(() => {});
  pools.configure(members);
  return pools;
}

/** Names of the sources picked. */
function picks(pools: EgressPools, count: number, site = 's', now = NOON, pool = 'p'): string[] {
  return Array.from({ length: count }, () => {
    const found = pools.get(pool)!.pick(host(), site, now);
    return 'name' in found ? found.name : found.reason;
  });
}

describe('a pool of sources', () => {
  it('takes them in turn by weight', () => {
    const weight = (name: string, share: number) => member(name, { pools: [{ name: 'p', weight: share }] });
    const pools = poolsOf(weight('a', 3), weight('b', 1));
    expect(picks(pools, 8)).toEqual(['a', 'a', 'b', 'a', 'a', 'a', 'b', 'a']);
    expect(pools.get('other')).toBeNull();
  });

  it('takes one that has an address of the target family', () => {
    const pools = poolsOf(member('v4'), member('v6', { address4: '', address6: '2001:db8::1' }));
    const pick = (address: string) => pools.get('p')!.pick(host(address), 's', NOON);
    expect([1, 2, 3].map(() => pick('2001:db8::99'))).toEqual(Array(3).fill(expect.objectContaining({ name: 'v6' })));
    expect(pick('192.0.2.99')).toMatchObject({ name: 'v4' });
    const four = poolsOf(member('v4'));
    expect(four.get('p')!.pick(host('2001:db8::99'), 's', NOON)).toEqual({
      kind: 'connections',
      reason: 'egress pool p: no source has an IPv6 address for 2001:db8::99',
      until: Number.POSITIVE_INFINITY,
    });
    const any = poolsOf(member('any', { address4: '' }));
    expect(any.get('p')!.pick(host('2001:db8::99'), 's', NOON)).toMatchObject({ name: 'any' });
  });

  it('gives Dial the address of the family', () => {
    const { source } = member('a', { address6: '2001:db8::1' });
    expect(dialFrom(source, '198.51.100.1')).toEqual({ address: '192.0.2.1', proxy: null, source: 'a' });
    expect(dialFrom(source, '2001:db8::99').address).toBe('2001:db8::1');
  });

  it('passes over a source that is paused at the site, in every pool that has it', () => {
    const both = [
      { name: 'p', weight: 1 },
      { name: 'q', weight: 1 },
    ];
    const pools = poolsOf(member('a', { pools: both }), member('b', { pools: both }));
    pools.get('p')!.pause('a', 'gmail', 1000, 'rule 4.7.28', NOON);
    expect(picks(pools, 3, 'gmail', NOON, 'q')).toEqual(['b', 'b', 'b']);
    expect(new Set(picks(pools, 4, 'other'))).toEqual(new Set(['a', 'b']));
    pools.get('q')!.pause('b', '', 500, 'it is blocked', NOON);
    // A shorter pause does not end a longer one.
    pools.get('q')!.pause('b', '', 100, 'another', NOON);
    expect(pools.get('p')!.pick(host(), 'gmail', NOON)).toEqual({
      kind: 'throttled',
      reason: 'egress pool p: no source has room; first again: egress source b: paused: it is blocked',
      until: NOON + 500,
    });
    expect(pools.get('p')!.admit(member('a').source, 'gmail', NOON)).toEqual({
      kind: 'throttled',
      reason: 'egress source a: paused to gmail: rule 4.7.28',
      until: NOON + 1000,
    });
    expect(picks(pools, 1, 'gmail', NOON + 500)).toEqual(['b']);
    expect(new Set(picks(pools, 4, 'gmail', NOON + 1000))).toEqual(new Set(['a', 'b']));
  });

  it('remembers a bounded number of pauses, the longest', () => {
    const pools = poolsOf(member('a'));
    const pool = pools.get('p')!;
    for (let n = 0; n < 10_500; n++) pool.pause('a', `site${n}`, 1000 + n, 'x', NOON);
    expect(pool.describe(NOON)).toMatchObject({ sources: [{ paused: 10_000 }] });
    expect(picks(pools, 1, 'site0')).toEqual(['a']);
    expect(picks(pools, 1, 'site10499')).not.toEqual(['a']);
    // Those that are over make room first.
    pool.pause('a', 'late', 60_000, 'x', NOON + 30_000);
    expect(pool.describe(NOON + 30_000)).toMatchObject({ sources: [{ paused: 1 }] });
    pool.pause('nobody', 'x', 1000, 'a source that is not there', NOON);
  });
});

describe('sources that are configured anew', () => {
  const q = [{ name: 'q', weight: 1 }];

  it('keep what is known of them under their name; pools change under those who hold them', () => {
    const pools = poolsOf(member('a', { warmup: { startDay: START, allowances: [3] } }), member('b', { pools: q }));
    const pool = pools.get('p')!;
    const { source } = member('a');
    expect([pool.admit(source, 's', NOON), pool.admit(source, 's', NOON)]).toEqual([null, null]);
    pool.pause('a', 'gmail', 1000, 'x', NOON);
    pools.configure([
      member('a', { address4: '192.0.2.9', warmup: { startDay: START, allowances: [4] } }),
      member('c', { pools: q }),
    ]);
    expect(pool.pick(host(), 's', NOON)).toMatchObject({ name: 'a', address4: '192.0.2.9' });
    expect(pool.pick(host(), 'gmail', NOON)).toMatchObject({ kind: 'throttled' });
    expect(pool.describe(NOON)).toMatchObject({ sources: [{ sentToday: 2, allowedToday: 4 }] });
    expect(picks(pools, 2, 's', NOON, 'q')).toEqual(['c', 'c']);
  });

  it('that are no more carry nothing, and neither do pools without sources, until they are back', () => {
    const pools = poolsOf(member('a'), member('b', { pools: q }));
    const old = pools.get('p')!;
    pools.configure([member('b', { pools: q })]);
    expect(pools.get('p')).toBeNull();
    expect(pools.describe(NOON)).toMatchObject([{ name: 'q' }]);
    const until = NOON + 60_000;
    expect(old.pick(host(), 's', NOON)).toEqual({
      kind: 'connections',
      reason: 'egress pool p has no sources any more',
      until,
    });
    expect(old.admit(member('a').source, 's', NOON)).toEqual({
      kind: 'connections',
      reason: 'there is no egress source a any more',
      until,
    });
    pools.configure([member('a')]);
    expect(old.pick(host(), 's', NOON)).toMatchObject({ name: 'a' });
    expect(pools.get('p')).toBe(old);
  });
});

describe('warm-up', () => {
  const warming = (allowances: number[]) => member('a', { warmup: { startDay: START, allowances } });

  it('allows nothing before its first day, then so many a day, then any number', () => {
    const pools = poolsOf(warming([2, 3]));
    const pool = pools.get('p')!;
    const { source } = warming([]);
    const admitted = (now: number) => {
      let count = 0;
      while (count < 100 && pool.admit(source, 's', now) === null) count++;
      return count;
    };
    expect(pool.pick(host(), 's', NOON - DAY)).toEqual({
      kind: 'quota',
      reason: 'egress source a: its warm-up begins on 2024-10-04',
      until: START * DAY,
    });
    expect(admitted(NOON - DAY)).toBe(0);
    expect(pool.pick(host(), 's', NOON)).toMatchObject({ name: 'a' });
    expect(admitted(NOON)).toBe(2);
    expect(admitted((START + 1) * DAY - 1)).toBe(0);
    expect(pool.admit(source, 's', NOON)).toEqual({
      kind: 'quota',
      reason: 'egress source a: the 2 messages of day 1 of its warm-up are sent',
      until: (START + 1) * DAY,
    });
    expect(pool.describe(NOON)).toMatchObject({ name: 'p', sources: [{ sentToday: 2, allowedToday: 2, weight: 1 }] });
    expect(admitted((START + 1) * DAY)).toBe(3);
    expect(admitted((START + 2) * DAY)).toBe(100);
    expect(pool.describe((START + 2) * DAY)).toMatchObject({ sources: [{ sentToday: 100, allowedToday: null }] });
  });

  it('goes on with what was sent on the same day, and takes no nonsense', () => {
    const before = poolsOf(warming([5]), member('free'));
    for (let n = 0; n < 3; n++) before.get('p')!.admit(warming([]).source, 's', NOON);
    before.get('p')!.admit(member('free').source, 's', NOON);
    const kept: unknown = JSON.parse(JSON.stringify(before.snapshot()));
    expect(kept).toEqual({ a: { day: START, sent: 3 } });
    const room = (restored: unknown, now = NOON) => {
      const after = poolsOf(warming([5, 6]));
      after.restore(restored, now);
      let count = 0;
      while (after.get('p')!.admit(warming([]).source, 's', now) === null) count++;
      return count;
    };
    expect(room(kept)).toBe(2);
    expect(room(kept, NOON + DAY)).toBe(6);
    for (const nonsense of [null, 3, 'x', [], { a: 1 }, { a: null }, { a: { day: START, sent: -9 } }, { b: kept }])
      expect(room(nonsense)).toBe(5);
    expect(room({ a: { day: START + 1, sent: 5 } })).toBe(5);
  });

  it('never lets out more than the day allows, whatever the order of pick, admit and restarts', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('admit' as const), source: fc.nat(1) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('pick' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('later' as const), ms: fc.integer({ min: 0, max: DAY }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.integer({ min: -5, max: DAY }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
    );
    const schedule = fc.array(fc.nat(6), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(schedule, schedule, fc.array(step, { maxLength: 120 }), (first, second, steps) => {
        const members = [first, second].map((allowances, n) =>
          member(`s${n}`, { warmup: { startDay: START + n, allowances } }),
        );
        let pools = poolsOf(...members);
        let now = START * DAY - 1000;
        const sent = new Map<string, number>();
        for (const what of steps) {
          const pool = pools.get('p')!;
          if (what.do === 'later') now += what.ms;
          else if (what.do === 'pause') pool.pause('s0', 's', what.ms, 'x', now);
          else if (what.do === 'pick') {
            const found = pool.pick(host(), 's', now);
            if ('until' in found) expect(found.until).toBeGreaterThan(now);
          } else if (what.do === 'restart') {
            const kept = pools.snapshot();
            pools = poolsOf(...members);
            pools.restore(JSON.parse(JSON.stringify(kept)), now);
          } else if (pool.admit(members[what.source]!.source, 's', now) === null) {
            const key = `${what.source} ${Math.floor(now / DAY)}`;
            sent.set(key, (sent.get(key) ?? 0) + 1);
          }
        }
        for (const [key, count] of sent) {
          const [source, day] = key.split(' ').map(Number) as [number, number];
          const age = day - START - source;
          expect(age).toBeGreaterThanOrEqual(0);
          expect(count).toBeLessThanOrEqual(members[source]!.warmup!.allowances[age] ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('tells of each count that has to outlive a restart, and of no other', () => {
    let told = 0;
    const pools = new EgressPools(() => told++);
    pools.configure([warming([9]), member('free')]);
    pools.get('p')!.admit(warming([]).source, 's', NOON);
    pools.get('p')!.admit(member('free').source, 's', NOON);
    expect(told).toBe(1);
  });
});
