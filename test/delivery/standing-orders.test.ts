import { describe, expect, it } from 'vitest';
import { StandingOrders, selects } from '../../src/delivery/standing-orders.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import type { Selector } from '../../src/queue/suspensions.js';
import { envelope } from '../helpers/mail.js';

const NOBODY: Selector = { domain: '', tenant: '', pool: '', campaign: '' };
const TERMS = { reason: 'complaints', forMs: 0, by: 'operator' } as const;

function world() {
  let time = 1_000_000;
  let changes = 0;
  const clock = { now: () => time, wall: () => time };
  const orders = new StandingOrders({ clock, changed: () => changes++ });
  return {
    orders,
    pass: (ms: number) => {
      time += ms;
    },
    changes: () => changes,
    clock,
  };
}

const mail = envelope(1, ['ann@Example.ORG', 'bob@sub.example.org', 'eve@other.example'], {
  handling: { ...PLAIN_HANDLING, tenant: 'acme', tags: ['spring'] },
});

describe('a selector', () => {
  it.each([
    [{ domain: 'example.org' }, [true, false, false]],
    [{ domain: '.example.org' }, [false, true, false]],
    [{ tenant: 'acme' }, [true, true, true]],
    [{ tenant: 'other' }, [false, false, false]],
    [{ campaign: 'spring', domain: 'other.example' }, [false, false, true]],
    [{ campaign: 'autumn' }, [false, false, false]],
    [{ pool: 'slow' }, [true, true, true]],
    [{ pool: 'fast' }, [false, false, false]],
    [{}, [true, true, true]],
  ])('%j speaks of the recipients it fits', (given, expected) => {
    const selector = { ...NOBODY, ...given };
    expect(
      [0, 1, 2].map((index) =>
        selects(selector, mail.handling, mail.recipients[index]!.address, 'mx/example.org@slow'),
      ),
    ).toEqual(expected);
  });

  it('knows upstream groups as pools', () => {
    expect(selects({ ...NOBODY, pool: 'ses' }, mail.handling, 'ann@example.org', 'upstream/ses@slow')).toBe(true);
    expect(selects({ ...NOBODY, pool: 'ses' }, mail.handling, 'ann@example.org', 'mx/ses')).toBe(false);
  });
});

describe('standing orders', () => {
  it('suspend until they are taken back', () => {
    const { orders, changes } = world();
    expect(orders.match(mail, 0, 'mx/example.org')).toBeUndefined();
    const one = orders.suspend({ ...NOBODY, domain: 'example.org' }, TERMS);
    expect(orders.match(mail, 0, 'mx/example.org')).toEqual(one);
    expect(orders.match(mail, 2, 'mx/other.example')).toBeUndefined();
    expect(orders.takeBack('nothing')).toEqual([]);
    expect(orders.takeBack({ ...NOBODY, domain: 'example.org' })).toEqual([one]);
    expect(orders.match(mail, 0, 'mx/example.org')).toBeUndefined();
    expect(changes()).toBe(2);
  });

  it('end at their time', () => {
    const { orders, pass } = world();
    orders.suspend({ ...NOBODY, tenant: 'acme' }, { ...TERMS, forMs: 1000 });
    pass(999);
    expect(orders.match(mail, 1, 'mx/sub.example.org')?.reason).toBe('complaints');
    pass(1);
    expect(orders.match(mail, 1, 'mx/sub.example.org')).toBeUndefined();
    expect(orders.suspensions()).toEqual([]);
  });

  it('given again for the same mail change, and keep their id', () => {
    const { orders } = world();
    const first = orders.suspend({ ...NOBODY, tenant: 'acme' }, TERMS);
    const second = orders.suspend({ ...NOBODY, tenant: 'acme' }, { ...TERMS, reason: 'worse' });
    expect(second.id).toBe(first.id);
    expect(orders.suspensions()).toEqual([second]);
  });

  it('send mail another way', () => {
    const { orders } = world();
    const way = orders.reroute({ ...NOBODY, domain: 'example.org' }, 'upstream/ses', TERMS);
    expect(orders.rerouteOf(mail, mail.recipients[0]!, 'mx/example.org')).toEqual(way);
    expect(orders.rerouteOf(mail, mail.recipients[1]!, 'mx/sub.example.org')).toBeUndefined();
    expect(orders.takeBack('all')).toEqual([way]);
    expect(orders.rerouteOf(mail, mail.recipients[0]!, 'mx/example.org')).toBeUndefined();
  });

  it('are bounded', () => {
    const { orders } = world();
    for (let i = 0; i < 1000; i++) orders.suspend({ ...NOBODY, tenant: `t${i}` }, TERMS);
    expect(() => orders.suspend({ ...NOBODY, tenant: 'one more' }, TERMS)).toThrow(/1000/);
    // A change of one that is there is no further one.
    expect(orders.suspend({ ...NOBODY, tenant: 't5' }, TERMS).selector.tenant).toBe('t5');
  });

  it('outlast a restart, without those that are over or damaged', () => {
    const { orders, pass, clock } = world();
    const lasting = orders.suspend({ ...NOBODY, domain: 'example.org' }, TERMS);
    orders.suspend({ ...NOBODY, tenant: 'acme' }, { ...TERMS, forMs: 10 });
    const way = orders.reroute({ ...NOBODY, campaign: 'spring' }, 'mx', TERMS);
    const kept = JSON.parse(JSON.stringify(orders.snapshot())) as { suspensions: unknown[]; reroutes: unknown[] };
    kept.suspensions.push({ id: 5 }, null, 'junk');
    kept.reroutes.push({ ...way, to: 7 });
    pass(10);
    const next = new StandingOrders({ clock, changed: () => {} });
    next.restore(kept);
    expect(next.suspensions()).toEqual([lasting]);
    expect(next.reroutes()).toEqual([way]);
    for (const junk of [null, 'x', [], { suspensions: 3 }]) next.restore(junk);
    expect(next.suspensions()).toEqual([lasting]);
  });
});
