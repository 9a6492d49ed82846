/** Failed logins: counted, bounded. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AuditEvent } from '../../src/audit/audit-entry.js';
import { FailedLogins } from '../../src/audit/failed-logins.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('failed logins', () => {
  it('of one client within a minute are one entry', () => {
    const told: AuditEvent[] = [];
    const logins = new FailedLogins((event) => told.push(event));
    for (let n = 0; n < 50; n++)
      logins.failed({ over: 'smtp', client: '192.0.2.1', user: `user${n}`, reason: 'wrong password' });
    logins.failed({ over: 'http', client: '192.0.2.1', user: '', reason: 'no-token' });
    expect(told).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual([
      {
        actor: 'smtp 192.0.2.1',
        action: 'login.failed',
        details: { failures: 50, reason: 'wrong password', users: ['user0', 'user1', 'user2', 'user3', 'user4'] },
      },
      { actor: 'http 192.0.2.1', action: 'login.failed', details: { failures: 1, reason: 'no-token' } },
    ]);
    logins.failed({ over: 'smtp', client: '192.0.2.1', user: '', reason: 'unknown user' });
    vi.advanceTimersByTime(60_000);
    expect(told).toHaveLength(3);
  });

  it('of many clients are bounded', () => {
    const told: AuditEvent[] = [];
    const logins = new FailedLogins((event) => told.push(event));
    for (let n = 0; n < 5000; n++)
      logins.failed({ over: 'smtp', client: `2001:db8::${n}`, user: 'x'.repeat(5000), reason: 'unknown user' });
    logins.flush();
    expect(told).toHaveLength(101);
    expect(told.at(-1)!.details).toMatchObject({ failures: 4900 });
    expect(JSON.stringify(told).length).toBeLessThan(40_000);
  });
});
