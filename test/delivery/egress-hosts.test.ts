import { describe, expect, it } from 'vitest';
import { throughEgress } from '../../src/delivery/egress-hosts.js';
import { EgressPools } from '../../src/delivery/egress-pools.js';
import type { SiteHost, SiteHosts } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';

function pool(address4: string, address6: string) {
  const source = { name: 'a', helo: '', address4, address6, proxy: null };
  const pools = new EgressPools(() => {});
  pools.configure([{ source, warmup: null, pools: [{ name: 'p', weight: 1 }] }]);
  return pools.get('p')!;
}

function found(...addresses: string[][]): SiteHosts {
  const hosts = addresses.map(([address = '', ...alternatives], n): SiteHost => {
    const host = { name: `mx${n}`, address, port: 25, weight: 1, limit: 1, tls: opportunistic('') };
    return alternatives.length === 0 ? host : { ...host, alternatives };
  });
  return { kind: 'hosts', hosts, order: 'preference', limit: 1, expires: 7 };
}

describe('the hosts that a pool of sources reaches', () => {
  it('are those with an address of a family that it has', () => {
    const four = pool('192.0.2.1', '');
    expect(throughEgress(found(['2001:db8::1', '198.51.100.1'], ['2001:db8::2'], ['198.51.100.3']), four)).toEqual({
      ...found(['198.51.100.1'], ['198.51.100.3']),
      hosts: [
        expect.objectContaining({ name: 'mx0', address: '198.51.100.1', alternatives: [] }),
        expect.objectContaining({ name: 'mx2', address: '198.51.100.3' }),
      ],
      egress: four,
    });
    const both = pool('192.0.2.1', '2001:db8::9');
    const all = found(['2001:db8::1', '198.51.100.1'], ['2001:db8::2']);
    expect(throughEgress(all, both)).toEqual({ ...all, egress: both });
    const system = pool('', '');
    expect(throughEgress(all, system)).toEqual({ ...all, egress: system });
  });

  it('may be none, which puts the mail off with the reason', () => {
    expect(throughEgress(found(['2001:db8::1'], ['2001:db8::2']), pool('192.0.2.1', ''))).toEqual({
      kind: 'failed',
      temporary: true,
      enhanced: '4.4.4',
      reason: 'no source of egress pool p has an address of the family of 2001:db8::1, 2001:db8::2',
    });
  });

  it('leaves what is no hosts as it is', () => {
    const failed: SiteHosts = { kind: 'failed', temporary: true, enhanced: '4.4.3', reason: 'x' };
    expect(throughEgress(failed, pool('192.0.2.1', ''))).toBe(failed);
  });
});
