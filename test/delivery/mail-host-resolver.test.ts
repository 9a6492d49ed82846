import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.js';
import { DnsMailHostResolver, type DnsMailHostResolverOptions } from '../../src/delivery/mail-host-resolver.js';
import type { MailHost, MailHosts } from '../../src/delivery/mx-resolver.js';
import { DnsClient } from '../../src/net/dns-client.js';
import { startDnsServer, type Zone } from '../helpers/dns-server.js';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

class ManualClock implements Clock {
  time = 1_000_000;
  now(): number {
    return this.time;
  }
  wall(): number {
    return this.time;
  }
}

async function setUp(zone: Zone, options: Partial<DnsMailHostResolverOptions> = {}) {
  const server = await startDnsServer(zone);
  const clock = new ManualClock();
  const dns = new DnsClient({ clock, servers: [server.address], timeout: 100, rounds: 1 });
  opened.push(server, dns);
  return { server, clock, resolver: new DnsMailHostResolver({ dns, clock, ...options }) };
}

function names(result: MailHosts): string[] {
  return result.kind === 'hosts' ? result.hosts.map((host) => host.name) : [`${result.enhanced} ${result.temporary}`];
}

const hostA = { A: ['192.0.2.1'] };
const hostB = { A: ['192.0.2.2'] };
const hostC = { A: ['192.0.2.3'] };

describe('DnsMailHostResolver hosts', () => {
  it('orders by preference', async () => {
    const { resolver } = await setUp({
      'd.test': {
        MX: [
          [20, 'b.test'],
          [10, 'a.test'],
          [30, 'c.test'],
        ],
      },
      'a.test': hostA,
      'b.test': hostB,
      'c.test': hostC,
    });
    expect(await resolver.resolve('D.test.')).toEqual({
      kind: 'hosts',
      hosts: [
        { name: 'a.test', addresses: ['192.0.2.1'], authenticated: false, canonical: 'a.test' },
        { name: 'b.test', addresses: ['192.0.2.2'], authenticated: false, canonical: 'b.test' },
        { name: 'c.test', addresses: ['192.0.2.3'], authenticated: false, canonical: 'c.test' },
      ],
      authenticated: false,
      // AAAA is missing: the negative TTL of 60 s is the least.
      expires: 1_060_000,
    });
  });

  it('passes on what DNSSEC vouches for, and where aliases lead', async () => {
    const { resolver } = await setUp({
      'd.test': {
        MX: [
          [1, 'a.test'],
          [2, 'b.test'],
        ],
        authenticated: true,
      },
      'a.test': { ...hostA, authenticated: true },
      'b.test': { CNAME: 'c.test' },
      'c.test': hostC,
      'implicit.test': { ...hostA, authenticated: true },
    });
    const pick = ({ name, authenticated, canonical }: MailHost) => [name, authenticated, canonical];
    const found = await resolver.resolve('d.test');
    expect(found.kind === 'hosts' && [found.authenticated, ...found.hosts.map(pick)]).toEqual([
      true,
      ['a.test', true, 'a.test'],
      ['b.test', false, 'c.test'],
    ]);
    // That there is no MX record has to be vouched for as well.
    const implicit = await resolver.resolve('implicit.test');
    expect(implicit.kind === 'hosts' && implicit.authenticated).toBe(true);
  });

  it('draws a new order of equals with every call, from memory', async () => {
    const { resolver, server } = await setUp({
      'd.test': {
        MX: [
          [10, 'a.test'],
          [10, 'b.test'],
          [5, 'c.test'],
        ],
      },
      'a.test': hostA,
      'b.test': hostB,
      'c.test': { A: ['192.0.2.3', '192.0.2.4'] },
    });
    const orders = new Set<string>();
    const firstAddresses = new Set<string>();
    // A fair shuffle gives one order 100 times in a row once in 2^99 runs.
    for (let i = 0; i < 100; i++) {
      const result = await resolver.resolve('d.test');
      orders.add(names(result).join());
      if (result.kind === 'hosts') firstAddresses.add(result.hosts[0]!.addresses[0]!);
    }
    expect([...orders].sort()).toEqual(['c.test,a.test,b.test', 'c.test,b.test,a.test']);
    expect(firstAddresses.size).toBe(2);
    expect(server.count('d.test')).toBe(1);
  });

  it('takes the domain itself where there is no MX, also through an alias', async () => {
    const { resolver } = await setUp({ 'd.test': hostA, 'alias.test': { CNAME: 'd.test' } });
    expect(await resolver.resolve('d.test')).toMatchObject({
      hosts: [{ name: 'd.test', addresses: ['192.0.2.1'] }],
    });
    expect(await resolver.resolve('alias.test')).toMatchObject({
      hosts: [{ name: 'alias.test', addresses: ['192.0.2.1'] }],
    });
  });

  it('tolerates an MX that is an alias, skips those without address', async () => {
    const { resolver } = await setUp({
      'd.test': {
        MX: [
          [1, 'gone.test'],
          [2, 'alias.test'],
          [3, 'mail.empty.test'],
          [4, '192.0.2.9'],
          [5, 'zero.test'],
        ],
      },
      'alias.test': { CNAME: 'a.test' },
      'a.test': hostA,
      'mail.empty.test': { TXT: ['x'] },
      'zero.test': { A: ['0.0.0.0', '255.255.255.255', '224.0.0.1'], AAAA: ['::', 'ff02::1', '::ffff:127.0.0.1'] },
    });
    expect(names(await resolver.resolve('d.test'))).toEqual(['alias.test']);
  });

  it('alternates the families', async () => {
    const zone: Zone = {
      'd.test': { A: ['192.0.2.1', '192.0.2.1'], AAAA: ['2001:db8::1', '2001:db8::1', '2001:db8::1'] },
    };
    const six = '2001:db8::1';
    const four = '192.0.2.1';
    const both = await setUp(zone);
    expect(await both.resolver.resolve('d.test')).toMatchObject({
      hosts: [{ addresses: [six, four, six, four, six] }],
    });
    const fourFirst = await setUp(zone, { ipv6First: false, maxAddressesPerHost: 4 });
    expect(await fourFirst.resolver.resolve('d.test')).toMatchObject({
      hosts: [{ addresses: [four, six, four, six] }],
    });
    const fourOnly = await setUp(zone, { ipv6: false });
    expect(await fourOnly.resolver.resolve('d.test')).toMatchObject({ hosts: [{ addresses: [four, four] }] });
  });

  it('bounds the hosts, keeping the best', async () => {
    const zone: Zone = { 'd.test': { MX: [] } };
    for (let i = 0; i < 12; i++) {
      zone['d.test']!.MX!.unshift([i, `m${i}.test`]);
      zone[`m${i}.test`] = hostA;
    }
    const { resolver } = await setUp(zone, { maxHosts: 3 });
    expect(names(await resolver.resolve('d.test'))).toEqual(['m0.test', 'm1.test', 'm2.test']);
  });

  it('asks again when the least TTL is over', async () => {
    const { resolver, server, clock } = await setUp(
      { 'd.test': { MX: [[1, 'a.test']], ttl: 100 }, 'a.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'], ttl: 50 } },
      {},
    );
    expect(await resolver.resolve('d.test')).toMatchObject({ expires: 1_050_000 });
    server.zone['a.test'] = { A: ['192.0.2.7'], ttl: 50 };
    clock.time += 49_999;
    expect(await resolver.resolve('d.test')).toMatchObject({ expires: 1_050_000 });
    clock.time += 1;
    expect(await resolver.resolve('d.test')).toMatchObject({ hosts: [{ addresses: ['192.0.2.7'] }] });
    expect(server.count('d.test')).toBe(1);
  });
});

describe('DnsMailHostResolver failures', () => {
  it.each([
    ['none.test', '5.1.2 false'],
    ['null.test', '5.1.10 false'],
    ['empty.test', '5.1.2 false'],
    ['dangling.test', '5.4.4 false'],
    ['servfail.test', '4.4.3 true'],
    ['silent.test', '4.4.3 true'],
    ['mxfail.test', '4.4.3 true'],
    ['addressfail.test', '4.4.3 true'],
    ['b\u00fccher.test', '5.1.2 false'],
    ['', '5.1.2 false'],
  ])('%s: %s', async (domain, expected) => {
    const { resolver } = await setUp({
      'null.test': { MX: [[0, '.']], A: ['192.0.2.1'] },
      'empty.test': { TXT: ['x'] },
      'dangling.test': { MX: [[1, 'none.test']] },
      'servfail.test': { servfail: true },
      'silent.test': { drop: true },
      // The address must not stand in for an MX that could not be asked for.
      'mxfail.test': { servfail: ['MX'], A: ['192.0.2.1'] },
      'addressfail.test': { MX: [[1, 'servfail.test']] },
    });
    expect(names(await resolver.resolve(domain))).toEqual([expected]);
  });

  it('uses the hosts it can find when the look-up of another fails for now, and looks again soon', async () => {
    const { resolver } = await setUp({
      'd.test': {
        MX: [
          [1, 'broken.test'],
          [2, 'a.test'],
        ],
      },
      'broken.test': { servfail: true },
      'a.test': hostA,
    });
    expect(await resolver.resolve('d.test')).toMatchObject({ hosts: [{ name: 'a.test' }], expires: 1_005_000 });
  });

  it('ignores a null MX beside real ones', async () => {
    const { resolver } = await setUp({
      'd.test': {
        MX: [
          [0, '.'],
          [1, 'a.test'],
        ],
      },
      'a.test': hostA,
    });
    expect(names(await resolver.resolve('d.test'))).toEqual(['a.test']);
  });

  it('does not reject when DNS does', async () => {
    const query = (): Promise<never> => Promise.reject(new Error('boom'));
    const resolver = new DnsMailHostResolver({ dns: { query }, clock: new ManualClock() });
    expect(await resolver.resolve('d.test')).toMatchObject({ kind: 'failed', temporary: true, enhanced: '4.4.3' });
  });
});

describe('DnsMailHostResolver and ourselves', () => {
  const zone: Zone = {
    'd.test': {
      MX: [
        [10, 'a.test'],
        [20, 'b.test'],
        [20, 'us.test'],
        [30, 'c.test'],
      ],
    },
    'ours.test': {
      MX: [
        [10, 'us.test'],
        [20, 'a.test'],
      ],
    },
    'us.test': { A: ['192.0.2.99'] },
    'a.test': hostA,
    'b.test': hostB,
    'c.test': hostC,
  };

  it('drops our name and everything not better', async () => {
    const { resolver } = await setUp(zone, { ownNames: ['US.test.'] });
    expect(names(await resolver.resolve('d.test'))).toEqual(['a.test']);
    expect(names(await resolver.resolve('ours.test'))).toEqual(['5.4.6 false']);
    expect(names(await resolver.resolve('us.test'))).toEqual(['5.4.6 false']);
  });

  it('drops our addresses in the same way', async () => {
    const { resolver } = await setUp(zone, { isOurselves: (address) => address === '192.0.2.99' });
    expect(names(await resolver.resolve('d.test'))).toEqual(['a.test']);
    expect(names(await resolver.resolve('ours.test'))).toEqual(['5.4.6 false']);
    expect(names(await resolver.resolve('[192.0.2.99]'))).toEqual(['5.4.6 false']);
  });
});

describe('DnsMailHostResolver address literals', () => {
  it.each([
    ['[192.0.2.1]', '192.0.2.1'],
    ['[IPv6:2001:DB8:0::1]', '2001:db8::1'],
    ['[ipv6:::1]', '::1'],
    ['[127.0.0.1]', '127.0.0.1'],
  ])('%s', async (literal, address) => {
    const { resolver, server } = await setUp({});
    expect(await resolver.resolve(literal)).toMatchObject({ kind: 'hosts', hosts: [{ addresses: [address] }] });
    expect(server.asked).toEqual([]);
  });

  it.each([
    '[192.0.2.256]',
    '[192.0.2]',
    '[010.0.0.1]',
    '[2001:db8::1]',
    '[IPv6:1.2.3.4]',
    '[IPv6:::g]',
    '[x400:abc]',
    '[]',
    '[0.0.0.0]',
    '[IPv6:::]',
  ])('%s is refused', async (literal) => {
    const { resolver } = await setUp({});
    expect(names(await resolver.resolve(literal))).toEqual(['5.1.2 false']);
  });
});
