/**
 * Limits of clients, listeners and tenants: never exceeded in any window, booked only together, and told with when to
 * come back.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EdgeClient, type EdgeLimit, EdgeLimits, TenantLimits } from '../../src/intake/edge-limits.js';
import { clientKey, LimitsInForce, listenerKey } from '../../src/intake/limits-in-force.js';
import { replies } from '../../src/smtp/replies.js';

const ONE = { recipients: 1, bytes: 100 };
const limit = (counted: EdgeLimit['counted'], most: number): EdgeLimit => ({ counted, span: 'minute', most });
const client = (address: string, changes: Partial<EdgeClient> = {}): EdgeClient => ({
  address,
  relays: false,
  listener: 'smtp',
  ...changes,
});

function edge(limits: readonly EdgeLimit[], ofListener: readonly EdgeLimit[] = []): EdgeLimits {
  const listeners = new Map(ofListener.length === 0 ? [] : [['smtp', ofListener]]);
  return new EdgeLimits({ client: limits, isExempt: ({ relays }) => relays, listeners });
}

/** Takes a message if it may come. */
function take(limits: EdgeLimits, from: EdgeClient, now: number, size = ONE) {
  const refusal = limits.refusal(from, size, now);
  if (refusal === null) limits.book(from, size, now);
  return refusal;
}

describe('limits at the edge', () => {
  it('name who is over which limit, and when to come back; each client has its own', () => {
    const limits = edge([limit('messages', 2)]);
    expect([0, 0].map(() => take(limits, client('192.0.2.1'), 1000))).toEqual([null, null]);
    const refusal = take(limits, client('192.0.2.1'), 31_000)!;
    expect(refusal).toMatchObject({ key: clientKey('192.0.2.1'), until: 62_000 });
    expect(refusal.reply).toMatchObject({
      code: 451,
      enhanced: '4.7.1',
      text: 'Limit of this client is reached: 2 messages per minute, try again in 31 s',
    });
    expect(take(limits, client('192.0.2.2'), 31_000)).toBeNull();
    expect(take(limits, client('192.0.2.1'), 62_000)).toBeNull();
  });

  it('hold the listener to its own, whoever comes, and mail of our own to none of a client', () => {
    const limits = edge([limit('messages', 1)], [limit('recipients', 10)]);
    expect(take(limits, client('192.0.2.1', { relays: true }), 0, { recipients: 8, bytes: 1 })).toBeNull();
    const refusal = take(limits, client('192.0.2.2'), 0, { recipients: 3, bytes: 1 })!;
    expect(refusal.key).toBe(listenerKey('smtp'));
    expect(refusal.reply.text).toContain('Limit of this listener is reached: 10 recipients per minute');
    // Nothing was booked to the client by a message that its listener refused.
    expect(take(limits, client('192.0.2.2'), 0)).toBeNull();
    expect(take(limits, client('192.0.2.2', { listener: 'other' }), 0)!.key).toBe(clientKey('192.0.2.2'));
    expect(take(limits, client('', { listener: '' }), 0)).toBeNull();
    expect(limits.size).toBe(1);
  });

  it('refuse for good what is over a limit by itself', () => {
    const refusal = take(edge([limit('bytes', 99)]), client('192.0.2.1'), 0)!;
    expect(refusal.until).toBe(Number.POSITIVE_INFINITY);
    expect(refusal.reply).toMatchObject({ code: 550, enhanced: '5.5.3' });
  });

  it('are never exceeded in any window, and what is promised is kept', () => {
    const arrivals = fc.array(
      fc.record({ gap: fc.nat(20_000), recipients: fc.integer({ min: 1, max: 5 }), bytes: fc.nat(50) }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(arrivals, (coming) => {
        const limits = edge([limit('messages', 5), limit('recipients', 9), limit('bytes', 120)]);
        const taken: { at: number; recipients: number; bytes: number }[] = [];
        let now = 0;
        for (const { gap, ...size } of coming) {
          now += gap;
          const refusal = take(limits, client('192.0.2.1'), now, size);
          // Who comes back when it was told to is taken.
          if (refusal !== null) {
            now = refusal.until;
            expect(take(limits, client('192.0.2.1'), now, size)).toBeNull();
          }
          taken.push({ at: now, ...size });
        }
        for (const { at } of taken) {
          const window = taken.filter((one) => one.at >= at && one.at < at + 60_000);
          const sum = (key: 'recipients' | 'bytes') => window.reduce((all, one) => all + one[key], 0);
          expect(window.length <= 5 && sum('recipients') <= 9 && sum('bytes') <= 120).toBe(true);
        }
      }),
    );
  });

  it('are kept for a bounded number of clients', () => {
    const limits = edge([limit('messages', 1)]);
    for (let i = 0; i < 120_000; i++) take(limits, client(`2001:db8::${i.toString(16)}`), i);
    expect(limits.size).toBeLessThanOrEqual(50_000);
  });
});

describe('limits of tenants', () => {
  it('are booked by tenant, for those that have some', () => {
    const limits = new TenantLimits([
      { name: 'acme', limits: [{ counted: 'messages', span: 'hour', most: 1 }] },
      { name: 'bee', limits: [] },
    ]);
    expect([limits.none, new TenantLimits([]).none]).toEqual([false, true]);
    expect(limits.admit('acme', ONE, 0)).toBeNull();
    expect(limits.admit('acme', ONE, 1)?.text).toContain('Limit of this tenant is reached: 1 messages per hour');
    for (const tenant of ['bee', '', 'other']) expect(limits.admit(tenant, ONE, 1)).toBeNull();
    expect(limits.admit('acme', ONE, 3_700_000)).toBeNull();
  });
});

describe('limits in force', () => {
  it('refuse MAIL of an account, a client or a listener until then', () => {
    const limits = new LimitsInForce();
    const by = (account: string, address = '192.0.2.1', listener = 'smtp') => ({ account, address, listener });
    expect(limits.refusal(by('ann'), 0)).toBeNull();
    limits.set('ann', replies.outOfMemory, 10);
    limits.set(clientKey('192.0.2.2'), replies.spoolFull, 10);
    limits.set(listenerKey('in'), replies.notPrepared, 20);
    expect(limits.refusal(by('ann'), 9)).toBe(replies.outOfMemory);
    expect(limits.refusal(by('', '192.0.2.2'), 9)).toBe(replies.spoolFull);
    expect(limits.refusal(by('ann', '192.0.2.2', 'in'), 10)).toBe(replies.notPrepared);
    expect(limits.refusal(by('ann', '192.0.2.2', 'in'), 20)).toBeNull();
  });
});
