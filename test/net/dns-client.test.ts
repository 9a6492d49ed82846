import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.js';
import { DnsClient, type DnsClientOptions } from '../../src/net/dns-client.js';
import { parseDnsServer } from '../../src/net/dns-transport.js';
import { type DnsServerHandle, NEGATIVE_TTL, startDnsServer, type Zone } from '../helpers/dns-server.js';

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

async function setUp(zone: Zone, options: Partial<DnsClientOptions> = {}) {
  const server = await startDnsServer(zone);
  opened.push(server);
  const clock = new ManualClock();
  const client = new DnsClient({ clock, servers: [server.address], timeout: 100, rounds: 2, ...options });
  opened.push(client);
  return { server, client, clock };
}

/** A port on which nobody listens. */
async function deadServer(): Promise<string> {
  const server = await startDnsServer({});
  await server.close();
  return server.address;
}

async function startSilent(): Promise<DnsServerHandle> {
  const server = await startDnsServer({});
  server.silent = true;
  opened.push(server);
  return server;
}

describe('DnsClient answers', () => {
  it('reads A, AAAA, MX, TXT and TLSA', async () => {
    const certificate = Buffer.from('0123456789abcdef0123456789abcdef');
    const { client } = await setUp({
      'a.test': {
        A: ['192.0.2.1', '192.0.2.2'],
        AAAA: ['2001:db8::1'],
        MX: [
          [10, 'MX.a.test'],
          [0, '.'],
        ],
        TXT: ['v=STSv1; id=1'],
        TLSA: [{ usage: 3, selector: 1, matchingType: 1, certificate }],
        ttl: 120,
        authenticated: true,
      },
    });
    expect(await client.query('A.test.', 'A')).toMatchObject({
      kind: 'records',
      records: ['192.0.2.1', '192.0.2.2'],
      ttl: 120,
      expires: 1_120_000,
      authenticated: true,
    });
    expect(await client.query('a.test', 'AAAA')).toMatchObject({ records: ['2001:db8::1'] });
    expect(await client.query('a.test', 'MX')).toMatchObject({
      records: [
        { preference: 10, exchange: 'mx.a.test' },
        { preference: 0, exchange: '.' },
      ],
    });
    expect(await client.query('a.test', 'TXT')).toMatchObject({ records: ['v=STSv1; id=1'] });
    expect(await client.query('a.test', 'TLSA')).toMatchObject({
      records: [{ usage: 3, selector: 1, matchingType: 1, certificate }],
    });
  });

  it('follows aliases inside an answer, with the least TTL of the chain', async () => {
    const { client } = await setUp({
      'a.test': { CNAME: 'b.test', ttl: 30 },
      'b.test': { CNAME: 'c.test', ttl: 20 },
      'c.test': { A: ['192.0.2.3'], ttl: 900 },
    });
    expect(await client.query('a.test', 'A')).toMatchObject({ records: ['192.0.2.3'], ttl: 20 });
    expect(await client.query('a.test', 'AAAA')).toMatchObject({ reason: 'nodata' });
  });

  it('ends on an alias loop', async () => {
    const { client } = await setUp({ 'a.test': { CNAME: 'b.test' }, 'b.test': { CNAME: 'a.test' } });
    expect(await client.query('a.test', 'A')).toMatchObject({ kind: 'failed', reason: 'nodata' });
  });

  it('goes to TCP when the answer was truncated', async () => {
    const { client, server } = await setUp({ 'a.test': { A: ['192.0.2.1'], truncate: true } });
    expect(await client.query('a.test', 'A')).toMatchObject({ records: ['192.0.2.1'] });
    expect(server.asked.map((question) => question.transport)).toEqual(['udp', 'tcp']);
  });

  it('asks with EDNS0, and without where it is not known', async () => {
    const { client, server } = await setUp({ 'a.test': { A: ['192.0.2.1'], noEdns: true } });
    expect(await client.query('a.test', 'A')).toMatchObject({ records: ['192.0.2.1'] });
    expect(server.asked.map((question) => question.edns)).toEqual([true, false]);
  });

  it('ignores responses to another id, and goes to TCP when there are many', async () => {
    const { client, server } = await setUp({
      'few.test': { A: ['192.0.2.1'], spoof: 3 },
      'many.test': { A: ['192.0.2.2'], spoof: 50 },
    });
    expect(await client.query('few.test', 'A')).toMatchObject({ records: ['192.0.2.1'] });
    expect(server.count('few.test')).toBe(1);
    expect(await client.query('many.test', 'A')).toMatchObject({ records: ['192.0.2.2'] });
    expect(server.asked.at(-1)).toMatchObject({ name: 'many.test', transport: 'tcp' });
  });
});

describe('DnsClient failures', () => {
  it.each([
    ['none.test', 'nxdomain', false],
    ['empty.test', 'nodata', false],
    ['servfail.test', 'servfail', true],
    ['refused.test', 'refused', true],
    ['garbage.test', 'malformed', true],
    ['drop.test', 'timeout', true],
    ['.', 'bad-name', false],
    ['a..b', 'bad-name', false],
    [`${'x'.repeat(64)}.test`, 'bad-name', false],
    ['b\u00fccher.test', 'bad-name', false],
  ])('%s: %s', async (name, reason, temporary) => {
    const { client } = await setUp({
      'empty.test': { AAAA: ['::1'] },
      'servfail.test': { servfail: true },
      'refused.test': { refused: true },
      'garbage.test': { garbage: true },
      'drop.test': { drop: true },
    });
    expect(await client.query(name, 'A')).toMatchObject({ kind: 'failed', reason, temporary });
  });

  it('tells an unreachable server at once', async () => {
    const { client } = await setUp({}, { servers: [await deadServer()], timeout: 5000 });
    expect(await client.query('a.test', 'A')).toMatchObject({ reason: 'unreachable', temporary: true });
  });

  it('asks the next server after silence, refusal and failure, and begins with the good one next time', async () => {
    const good = await startDnsServer({ 'a.test': { A: ['192.0.2.1'] }, 'b.test': { A: ['192.0.2.2'] } });
    const silent = await startSilent();
    const refusing = await startDnsServer({ 'a.test': { refused: true } });
    opened.push(good, refusing);
    const { client } = await setUp(
      {},
      { servers: [await deadServer(), silent.address, refusing.address, good.address] },
    );
    expect(await client.query('a.test', 'A')).toMatchObject({ records: ['192.0.2.1'] });
    expect(await client.query('b.test', 'A')).toMatchObject({ records: ['192.0.2.2'] });
    expect(refusing.count('b.test')).toBe(0);
  });

  it('asks again when a datagram was lost', async () => {
    const { client, server } = await setUp({ 'a.test': { A: ['192.0.2.1'], drop: true } });
    const answer = client.query('a.test', 'A');
    await expect.poll(() => server.asked.length).toBe(1);
    delete server.zone['a.test']!.drop;
    expect(await answer).toMatchObject({ records: ['192.0.2.1'] });
  });

  it('asks less in an outage, and is back with the first answer', async () => {
    const { client, server, clock } = await setUp({}, { rounds: 3, timeout: 50, failureTtl: 1 });
    server.zone['a.test'] = { drop: true };
    server.zone['b.test'] = { drop: true };
    server.zone['c.test'] = { drop: true };
    expect(await client.query('a.test', 'A')).toMatchObject({ reason: 'timeout' });
    expect(server.count('a.test')).toBe(3);
    await Promise.all([client.query('b.test', 'A'), client.query('c.test', 'A')]);
    // One of them is the question that takes all rounds.
    expect([server.count('b.test'), server.count('c.test')].sort()).toEqual([1, 3]);
    server.zone['d.test'] = { A: ['192.0.2.1'] };
    expect(await client.query('d.test', 'A')).toMatchObject({ records: ['192.0.2.1'] });
    clock.time += 2000;
    await client.query('a.test', 'A');
    expect(server.count('a.test')).toBe(6);
  });

  it('settles everything when closed', async () => {
    const silent = await startSilent();
    const { client } = await setUp({}, { servers: [silent.address], timeout: 60_000, maxOutstanding: 2 });
    const answers = ['a.test', 'b.test', 'c.test'].map((name) => client.query(name, 'A'));
    client.close();
    for (const answer of answers) expect(await answer).toMatchObject({ reason: 'closed', temporary: true });
    expect(await client.query('d.test', 'A')).toMatchObject({ reason: 'closed' });
  });

  it('refuses a server that is not an address', () => {
    expect(() => new DnsClient({ clock: new ManualClock(), servers: ['dns.example'] })).toThrow(/dns\.example/);
  });
});

describe('DnsClient bounds and cache', () => {
  it('asks once for many callers', async () => {
    const { client, server } = await setUp({ 'a.test': { A: ['192.0.2.1'], delay: 20 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.query('a.test', 'A')));
    expect(answers.every((answer) => answer.kind === 'records')).toBe(true);
    expect(server.count('a.test')).toBe(1);
  });

  it('keeps an answer for its TTL, between floor and ceiling', async () => {
    const { client, server, clock } = await setUp(
      {
        'a.test': { A: ['192.0.2.1'], ttl: 100 },
        'zero.test': { A: ['192.0.2.1'], ttl: 0 },
        'long.test': { A: ['192.0.2.1'], ttl: 1e6 },
      },
      { ttlFloor: 10, ttlCeiling: 1000 },
    );
    for (const name of ['a.test', 'zero.test', 'long.test']) await client.query(name, 'A');
    clock.time += 9_000;
    expect(await client.query('a.test', 'A')).toMatchObject({ ttl: 91, expires: 1_100_000 });
    await client.query('zero.test', 'A');
    expect(server.asked.length).toBe(3);
    clock.time += 2_000;
    await client.query('zero.test', 'A');
    expect(server.count('zero.test')).toBe(2);
    clock.time += 90_000;
    await client.query('a.test', 'A');
    expect(server.count('a.test')).toBe(2);
    expect(await client.query('long.test', 'A')).toMatchObject({ expires: 2_000_000 });
    expect(server.count('long.test')).toBe(1);
  });

  it('keeps negative answers by the SOA, failures briefly', async () => {
    const { client, server, clock } = await setUp({ 'fail.test': { servfail: true } }, { failureTtl: 3 });
    expect(await client.query('none.test', 'A')).toMatchObject({ expires: 1_000_000 + NEGATIVE_TTL * 1000 });
    await client.query('fail.test', 'A');
    const asked = server.count('fail.test');
    await client.query('fail.test', 'A');
    await client.query('none.test', 'A');
    expect(server.count('none.test')).toBe(1);
    expect(server.count('fail.test')).toBe(asked);
    clock.time += 3_001;
    server.zone['fail.test'] = { A: ['192.0.2.9'] };
    expect(await client.query('fail.test', 'A')).toMatchObject({ records: ['192.0.2.9'] });
  });

  it('drops the least recently used entry', async () => {
    const zone: Zone = {};
    for (const letter of 'abcd') zone[`${letter}.test`] = { A: ['192.0.2.1'] };
    const { client, server } = await setUp(zone, { cacheSize: 3 });
    for (const letter of 'abcad') await client.query(`${letter}.test`, 'A');
    expect(client.cached).toBe(3);
    await client.query('a.test', 'A');
    expect(server.count('a.test')).toBe(1);
    await client.query('b.test', 'A');
    expect(server.count('b.test')).toBe(2);
  });

  it('bounds the questions under way, and fails what is beyond those that may wait', async () => {
    const zone: Zone = {};
    for (let i = 0; i < 8; i++) zone[`n${i}.test`] = { A: ['192.0.2.1'], drop: true };
    const { client, server } = await setUp(zone, { timeout: 60_000, maxOutstanding: 2, maxWaiting: 4 });
    const answers = Object.keys(zone).map((name) => client.query(name, 'A'));
    expect(await answers[6]).toMatchObject({ reason: 'overloaded', temporary: true });
    expect(await answers[7]).toMatchObject({ reason: 'overloaded' });
    await expect.poll(() => server.asked.length).toBe(2);
    client.close();
    expect((await Promise.all(answers.slice(0, 6))).every((answer) => answer.kind === 'failed')).toBe(true);
    expect(server.asked.length).toBe(2);
  });

  it('serves all that wait, in turn', async () => {
    const zone: Zone = {};
    for (let i = 0; i < 30; i++) zone[`n${i}.test`] = { A: [`192.0.2.${i}`] };
    const { client } = await setUp(zone, { maxOutstanding: 3 });
    const answers = await Promise.all(Object.keys(zone).map((name) => client.query(name, 'A')));
    expect(answers.map((answer) => (answer.kind === 'records' ? answer.records[0] : ''))).toEqual(
      Array.from({ length: 30 }, (_, i) => `192.0.2.${i}`),
    );
  });
});

describe('parseDnsServer', () => {
  it.each([
    ['192.0.2.1', { address: '192.0.2.1', port: 53 }],
    ['192.0.2.1:5353', { address: '192.0.2.1', port: 5353 }],
    ['::1', { address: '::1', port: 53 }],
    ['[::1]:54', { address: '::1', port: 54 }],
    ['dns.test', undefined],
    ['192.0.2.1:0', undefined],
    ['192.0.2.1:70000', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(parseDnsServer(text)).toEqual(expected);
  });
});

describe('DnsClient and DNSSEC', () => {
  const zone: Zone = {
    'signed.test': { A: ['192.0.2.1'], authenticated: true },
    'alias.test': { CNAME: 'signed.test' },
    'unsigned.test': { A: ['192.0.2.1'] },
  };

  it('says whether an answer, or that there is none, was validated, and where aliases led', async () => {
    const { client } = await setUp(zone);
    expect(client.seesDnssec).toBe(true);
    expect(await client.query('signed.test', 'A')).toMatchObject({ authenticated: true, canonical: 'signed.test' });
    expect(await client.query('alias.test', 'A')).toMatchObject({ authenticated: true, canonical: 'signed.test' });
    expect(await client.query('alias.test', 'CNAME')).toMatchObject({ records: ['signed.test'], authenticated: false });
    expect(await client.query('signed.test', 'MX')).toMatchObject({ reason: 'nodata', authenticated: true });
    expect(await client.query('unsigned.test', 'A')).toMatchObject({ kind: 'records', authenticated: false });
    expect(await client.query('unsigned.test', 'MX')).toMatchObject({ reason: 'nodata', authenticated: false });
    expect(await client.query('none.test', 'MX')).toMatchObject({ reason: 'nxdomain', authenticated: false });
  });

  it('takes nobody’s word from beyond loopback unless it is named, for all servers or none', async () => {
    const server = await startDnsServer(zone);
    opened.push(server);
    const clientOf = (servers: string[], trusted: string[]) => {
      const client = new DnsClient({ clock: new ManualClock(), servers, trusted });
      opened.push(client);
      return client;
    };
    const mixed = clientOf([server.address, '192.0.2.53'], []);
    expect(mixed.seesDnssec).toBe(false);
    expect(await mixed.query('signed.test', 'A')).toMatchObject({ kind: 'records', authenticated: false });
    expect(await mixed.query('signed.test', 'MX')).toMatchObject({ reason: 'nodata', authenticated: false });
    const named = clientOf([server.address, '192.0.2.53'], ['192.0.2.53']);
    expect(await named.query('signed.test', 'A')).toMatchObject({ authenticated: true });
  });
});
