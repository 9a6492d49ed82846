import { describe, expect, it } from 'vitest';
import { HostState } from '../../../src/delivery/host-state.js';
import { whileUnavailable } from '../../../src/delivery/unavailable.js';
import { siteHost } from './host-world.js';

describe('mail while no host can be used', () => {
  it('is put off, without an attempt, where their quota is what all are out for', () => {
    const hosts = [new HostState(siteHost('a', { quota: 1 })), new HostState(siteHost('b', { quota: 1 }))];
    for (const host of hosts) {
      host.transactionBegan(0);
      host.transactionEnded('delivered', 0, 0);
    }
    const fate = whileUnavailable(hosts, false, 1000);
    expect(fate).toMatchObject({
      kind: 'defer',
      outcome: { kind: 'deferred', reply: expect.stringContaining('quota of 1') },
    });
    expect(fate.kind === 'defer' && fate.outcome.putOff).toBe(hosts[0]!.pausedUntil);
  });

  it('counts as tried where one could not be reached', () => {
    const hosts = [new HostState(siteHost('a', { quota: 1 })), new HostState(siteHost('b'))];
    hosts[0]!.transactionBegan(0);
    hosts[0]!.transactionEnded('delivered', 0, 0);
    hosts[1]!.failed('connection refused', 0, 5000, 0);
    const fate = whileUnavailable(hosts, false, 1000);
    expect(fate).toMatchObject({ kind: 'defer', outcome: { reply: 'connection refused' } });
    expect(fate.kind === 'defer' && fate.outcome.putOff).toBeUndefined();
  });
});
