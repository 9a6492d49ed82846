/** Who may be connected: in all, per client and per listener, at once and anew. */
import { describe, expect, it } from 'vitest';
import { ConnectionCount, type ConnectionLimits } from '../../src/net/connection-count.js';

const count = (limits: Partial<ConnectionLimits>) => new ConnectionCount({ total: 100, perClient: 0, ...limits });
const codes = (of: ConnectionCount, ...entries: [string, string, number][]) =>
  entries.map((entry) => of.enter(...entry)?.text ?? 'taken');

describe('connections', () => {
  it('are limited per client and in all', () => {
    const some = count({ total: 3, perClient: 2 });
    expect(codes(some, ['a', '', 0], ['a', '', 0], ['a', '', 0], ['b', '', 0], ['c', '', 0])).toEqual([
      'taken',
      'taken',
      'Too many connections, try again later',
      'taken',
      'Too many connections, try again later',
    ]);
    some.leave('a', '');
    expect(codes(some, ['a', '', 0])).toEqual(['taken']);
  });

  it('that are new are limited per client in any second, but for those that are exempt and balancers', () => {
    const some = count({ newPerClient: 2, isExempt: (address) => address === 'ours' });
    const refused = 'Too many new connections from your address, try again in a second';
    expect(codes(some, ['a', 'smtp', 0], ['a', 'smtp', 500], ['a', 'smtp', 999], ['b', 'smtp', 999])).toEqual([
      'taken',
      'taken',
      refused,
      'taken',
    ]);
    expect(codes(some, ['a', 'smtp', 1020], ['a', 'smtp', 1030])).toEqual(['taken', refused]);
    for (const [address, listener] of [
      ['ours', 'smtp'],
      ['balancer', ''],
    ] as const)
      expect(codes(some, [address, listener, 0], [address, listener, 0], [address, listener, 0])).toEqual([
        'taken',
        'taken',
        'taken',
      ]);
    // What was refused is not counted in.
    expect(some.total).toBe(10);
  });

  it('are limited per listener, at once and anew', () => {
    const some = count({
      listeners: new Map([
        ['few', { connections: 2, connectionsPerSecond: 0 }],
        ['slow', { connections: 0, connectionsPerSecond: 1 }],
      ]),
    });
    expect(codes(some, ['a', 'few', 0], ['b', 'few', 0], ['c', 'few', 0])).toEqual([
      'taken',
      'taken',
      'Too many connections on this port, try again later',
    ]);
    some.leave('a', 'few');
    expect(codes(some, ['c', 'few', 0], ['a', 'slow', 0], ['b', 'slow', 0], ['b', 'slow', 1020])).toEqual([
      'taken',
      'taken',
      'Too many new connections on this port, try again in a second',
      'taken',
    ]);
  });
});
