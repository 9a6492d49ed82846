import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { DnsClient } from '../../src/net/dns-client.js';
import { HostLookup, type HostLookupOptions, readSearchList } from '../../src/net/host-lookup.js';
import { type DnsServerHandle, startDnsServer, type Zone } from '../helpers/dns-server.js';

let folder: string;
let server: DnsServerHandle;
let dns: DnsClient;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-hosts-'));
  server = await startDnsServer({});
  dns = new DnsClient({ clock: systemClock, servers: [server.address], timeout: 100, rounds: 1 });
});
afterEach(async () => {
  dns.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

function lookupWith(zone: Zone, hosts: string, options: Partial<HostLookupOptions> = {}): HostLookup {
  Object.assign(server.zone, zone);
  const hostsFile = join(folder, 'hosts');
  writeFileSync(hostsFile, hosts);
  return new HostLookup({ clock: systemClock, dns, hostsFile, ...options });
}

describe('HostLookup', () => {
  it('gives addresses back as they are', async () => {
    const lookup = lookupWith({}, '');
    expect(await lookup.lookup('192.0.2.1')).toMatchObject({ addresses: ['192.0.2.1'] });
    expect(await lookup.lookup('[::1]')).toMatchObject({ addresses: ['::1'] });
    expect(server.asked).toEqual([]);
  });

  it('takes names of the hosts file before DNS, whatever their case', async () => {
    const lookup = lookupWith(
      { 'relay.test': { A: ['192.0.2.9'] } },
      '# comment\n127.0.0.5\tRelay.test relay # more\n::5 relay\nnonsense relay\n',
    );
    expect(await lookup.lookup('relay.TEST')).toMatchObject({ addresses: ['127.0.0.5'] });
    expect(await lookup.lookup('relay')).toMatchObject({ addresses: ['127.0.0.5', '::5'] });
    expect(server.asked).toEqual([]);
  });

  it('knows localhost even where no file and no DNS does', async () => {
    const lookup = lookupWith({}, '', { hostsFile: '' });
    expect(await lookup.lookup('localhost')).toMatchObject({ addresses: ['127.0.0.1', '::1'] });
    expect(await lookup.lookup('x.localhost.')).toMatchObject({ addresses: ['127.0.0.1', '::1'] });
    expect(server.asked).toEqual([]);
  });

  it('asks DNS for both families, in the order wanted', async () => {
    const zone = { 'mx.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] } };
    expect(await lookupWith(zone, '').lookup('mx.test')).toMatchObject({ addresses: ['192.0.2.1', '2001:db8::1'] });
    expect(await lookupWith(zone, '', { ipv6First: true }).lookup('mx.test')).toMatchObject({
      addresses: ['2001:db8::1', '192.0.2.1'],
    });
  });

  it('tries the search list for short names', async () => {
    const lookup = lookupWith({ 'relay.svc.test': { A: ['192.0.2.7'] }, 'a.b': { A: ['192.0.2.8'] } }, '', {
      search: ['other.test', 'svc.test'],
    });
    expect(await lookup.lookup('relay')).toMatchObject({ addresses: ['192.0.2.7'] });
    expect(await lookup.lookup('a.b')).toMatchObject({ addresses: ['192.0.2.8'] });
    expect(server.count('a.b.other.test')).toBe(0);
    expect(await lookup.lookup('relay.')).toMatchObject({ kind: 'failed', temporary: false });
  });

  it('says whether a failure may pass', async () => {
    const lookup = lookupWith({ 'broken.test': { servfail: true } }, '');
    expect(await lookup.lookup('none.test')).toMatchObject({ kind: 'failed', temporary: false });
    expect(await lookup.lookup('broken.test')).toMatchObject({ kind: 'failed', temporary: true });
  });
});

describe('readSearchList', () => {
  it('reads search and ndots', () => {
    const path = join(folder, 'resolv.conf');
    writeFileSync(path, 'nameserver 192.0.2.1\nsearch Svc.Test. other.test\noptions timeout:1 ndots:5 # x\n');
    expect(readSearchList(path)).toEqual({ search: ['svc.test', 'other.test'], ndots: 5 });
    expect(readSearchList(join(folder, 'absent'))).toEqual({ search: [], ndots: 1 });
  });
});
