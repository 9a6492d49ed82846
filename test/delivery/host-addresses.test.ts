import { describe, expect, it } from 'vitest';
import { HostState } from '../../src/delivery/host-state.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';

const site = {
  name: 'up.example',
  address: '::1',
  alternatives: ['127.0.0.1'],
  port: 25,
  weight: 1,
  limit: 5,
  tls: opportunistic(''),
};

describe('a host with several addresses', () => {
  it('is dialled at the next address at once, and rests only when all have failed', () => {
    const host = new HostState(site);
    expect(host.target.address).toBe('::1');
    host.failed('refused', 1000, 5000, 900);
    expect(host.target.address).toBe('127.0.0.1');
    expect(host.isAvailable(1000, true)).toBe(true);
    host.failed('refused', 1100, 5000, 1050);
    expect(host.isAvailable(1100, true)).toBe(false);
    expect(host.target.address).toBe('::1');
  });

  it('stays at the address that works', () => {
    const host = new HostState(site);
    host.failed('refused', 1000, 5000, 900);
    host.succeeded(1, 1);
    expect(host.target.address).toBe('127.0.0.1');
  });
});
