/**
 * The suppression list: who is on it, for how long, and who may overrule whom.
 */
import { describe, expect, it } from 'vitest';
import { canonicalAddress } from '../../src/outcomes/canonical-address.js';
import type { SuppressionEntry } from '../../src/outcomes/suppression-entry.js';
import { SuppressionList, type SuppressionTimes } from '../../src/outcomes/suppression-list.js';
import { MemoryKeyTable } from '../helpers/memory-spool.js';

const DAY = 86_400_000;
const TIMES: SuppressionTimes = {
  'bad-mailbox': 90 * DAY,
  'bad-domain': 7 * DAY,
  'inactive-mailbox': 30 * DAY,
  complaint: 0,
};

function world(times: Partial<SuppressionTimes> = {}, most = 1000) {
  const clock = { wall: () => clock.time, now: () => clock.time, time: 1_700_000_000_000 };
  const table = new MemoryKeyTable();
  const added: SuppressionEntry[] = [];
  const told = { full: 0, flushes: 0 };
  const list = new SuppressionList({
    table,
    clock,
    times: { ...TIMES, ...times },
    most,
    flush: async () => {
      told.flushes++;
    },
    added: (entry) => added.push(entry),
    full: () => told.full++,
  });
  return { clock, table, list, added, told };
}

describe('SuppressionList', () => {
  it('takes dead addresses of bounces, each for its time, and nothing else', () => {
    const { list, clock, added } = world();
    list.bounced('acme', 'Ann@Example.COM', 'bad-mailbox', '550 5.1.1 no such user');
    list.bounced('acme', 'full@example.com', 'mailbox-full', '552 5.2.2 full');
    list.bounced('acme', 'spam@example.com', 'spam-block', '550 5.7.1 blocked');
    expect(added).toEqual([
      {
        tenant: 'acme',
        address: 'ann@example.com',
        reason: 'bad-mailbox',
        reply: '550 5.1.1 no such user',
        source: 'bounce',
        since: clock.time,
        until: clock.time + 90 * DAY,
      },
    ]);
    expect(list.suppressed('acme', 'ANN@example.com')).toEqual(added[0]);
    expect(list.suppressed('other', 'ann@example.com')).toBeNull();
    expect(list.suppressed('', 'ann@example.com')).toBeNull();
    clock.time += 90 * DAY;
    expect(list.suppressed('acme', 'ann@example.com')).toBeNull();
  });

  it('learns nothing that it is told not to', () => {
    const { list } = world({ 'bad-mailbox': null, complaint: null });
    list.bounced('', 'ann@example.com', 'bad-mailbox', '550');
    list.complained('', 'ann@example.com', 'abuse');
    expect(list.size).toBe(0);
  });

  it("lets an operator's entry of no tenant hold for all, and no other", async () => {
    const { list } = world();
    expect(await list.add('', 'Ann@example.com', 'asked us by phone', 0)).toBe(1);
    list.bounced('', 'bob@example.com', 'bad-mailbox', '550');
    expect(list.suppressed('acme', 'ann@example.com')).toMatchObject({ source: 'operator', until: 0 });
    expect(list.suppressed('acme', 'bob@example.com')).toBeNull();
    expect(list.suppressed('', 'bob@example.com')).toMatchObject({ source: 'bounce' });
  });

  it('never weakens an entry: a bounce does not end a complaint, neither the word of the operator', async () => {
    const { list, clock, added } = world();
    await list.add('acme', 'ann@example.com', 'legal', 0);
    list.bounced('acme', 'ann@example.com', 'bad-mailbox', '550');
    list.complained('acme', 'ann@example.com', 'abuse');
    expect(list.suppressed('acme', 'ann@example.com')).toMatchObject({ reason: 'legal', source: 'operator' });
    list.complained('acme', 'bob@example.com', 'abuse');
    list.bounced('acme', 'bob@example.com', 'bad-mailbox', '550');
    expect(list.suppressed('acme', 'bob@example.com')).toMatchObject({ reason: 'abuse', until: 0 });
    list.bounced('acme', 'cid@example.com', 'bad-domain', '550');
    list.bounced('acme', 'cid@example.com', 'bad-domain', '550');
    list.bounced('acme', 'cid@example.com', 'bad-mailbox', '550');
    expect(list.suppressed('acme', 'cid@example.com')?.until).toBe(clock.time + 90 * DAY);
    expect(added.map(({ address, reason }) => `${address} ${reason}`)).toEqual([
      'bob@example.com abuse',
      'cid@example.com bad-domain',
      'cid@example.com bad-mailbox',
    ]);
  });

  it('is bounded, and tells that once', async () => {
    const { list, told } = world({}, 2);
    for (const name of ['a', 'b', 'c', 'd']) list.bounced('', `${name}@example.com`, 'bad-mailbox', '550');
    expect([list.size, told.full]).toEqual([2, 1]);
    await list.add('', 'e@example.com', 'operator', 0);
    expect(list.size).toBe(3);
  });

  it('lists by pages, removes, and refuses what is no address', async () => {
    const { list, told } = world();
    await list.addAll(
      ['c', 'a', 'b'].map((name) => ({ tenant: 't', address: `${name}@example.com`, reason: 'operator', forMs: 1000 })),
    );
    await list.add('u', 'a@example.com', 'operator', 0);
    expect(told.flushes).toBe(2);
    const page = await list.list('t', '', 2);
    expect(page.map(({ address }) => address)).toEqual(['a@example.com', 'b@example.com']);
    expect((await list.list('t', page.at(-1)!.address, 2)).map(({ address }) => address)).toEqual(['c@example.com']);
    expect(JSON.parse(JSON.stringify(page))).toEqual(page);
    expect(await list.remove('t', 'A@Example.com')).toBe(1);
    expect(await list.remove('t', 'a@example.com')).toBe(0);
    for (const wrong of ['', 'ann', '@example.com', 'ann@', 'a b', `${'a'.repeat(400)}@example.com`, 'a\n@example.com'])
      await expect(list.add('', wrong, 'x', 0)).rejects.toThrow(/is not an address of a mailbox/);
  });

  it('clears away what has ended, in turns', async () => {
    const { list, clock } = world();
    await list.addAll(
      Array.from({ length: 2500 }, (_, i) => ({
        tenant: '',
        address: `a${i}@example.com`,
        reason: 'operator',
        forMs: i % 2 === 0 ? 1000 : 0,
      })),
    );
    clock.time += 2000;
    expect((await list.list('', '', 10)).every(({ until }) => until === 0)).toBe(true);
    let gone = 0;
    for (let i = 0; i < 6; i++) gone += list.sweep();
    expect([gone, list.size]).toEqual([1250, 1250]);
  });

  it('takes a row that it cannot read for none', () => {
    const { list, table } = world();
    for (const row of ['', '{', 'null', '{"reason":1}', '{"reason":"x","reply":"","source":"me","since":1,"until":0}'])
      table.put(['', `a${row.length}@example.com`], Buffer.from(row));
    for (const row of [0, 1, 4, 12]) expect(list.suppressed('', `a${row}@example.com`)).toBeNull();
    expect(list.sweep()).toBe(5);
  });
});

describe('canonicalAddress', () => {
  it('makes one form of a mailbox', () => {
    expect(canonicalAddress('Ann@EXÄMPLE.org')).toBe('ann@xn--exmple-cua.org');
    expect(canonicalAddress('A\u0308@example.org')).toBe('ä@example.org');
    expect(canonicalAddress('Postmaster')).toBe('postmaster');
  });
});
