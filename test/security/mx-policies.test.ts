/**
 * What DANE, MTA-STS and the setting make of a domain's mail hosts, over a real DNS server whose AD flag says what a
 * validating resolver's would.
 */
import type { TlsaData } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DnsMailHostResolver } from '../../src/delivery/mail-host-resolver.js';
import type { SecuredHosts } from '../../src/delivery/mx-security.js';
import { mailSite } from '../../src/delivery/site.js';
import { DnsClient } from '../../src/net/dns-client.js';
import { MxPolicies, type MxPoliciesOptions } from '../../src/security/mx-policies.js';
import type { StsAnswer } from '../../src/security/sts-policies.js';
import { type DnsServerHandle, startDnsServer } from '../helpers/dns-server.js';
import { ManualClock } from './manual-clock.js';

const DIGEST = Buffer.alloc(32, 7);
const EE: TlsaData = { usage: 3, selector: 1, matchingType: 1, certificate: DIGEST };
const SIGNED = { authenticated: true };
const address = { A: ['192.0.2.1'], ...SIGNED };

let dnsServer: DnsServerHandle;
let dns: DnsClient;
let told: string[];
const clock = new ManualClock();

beforeEach(async () => {
  told = [];
  dnsServer = await startDnsServer({
    'd.test': {
      MX: [
        [1, 'a.test'],
        [2, 'b.test'],
      ],
      ...SIGNED,
    },
    'a.test': address,
    'b.test': address,
  });
  dns = new DnsClient({ clock, servers: [dnsServer.address], timeout: 1000, rounds: 1 });
});
afterEach(async () => {
  dns.close();
  await dnsServer.close();
});

function policies(more: Partial<MxPoliciesOptions> = {}): MxPolicies {
  return new MxPolicies({
    dns,
    sts: null,
    dane: true,
    port: 25,
    mode: 'opportunistic',
    ca: 'pem',
    policyFailed: (domain, policy, failure) =>
      told.push(`${domain} ${policy.type} ${failure.kind} ${failure.host}${failure.forbids ? ' forbids' : ''}`),
    ...more,
  });
}

/** MTA-STS that says this. */
function sts(mode: 'enforce' | 'testing' | 'none', mx: string[]): MxPoliciesOptions['sts'] {
  const answer: StsAnswer = { policy: { mode, mx, maxAge: 1 }, problem: null, expires: clock.time + 5000 };
  return { policyOf: async () => answer };
}

const resolver = () => new DnsMailHostResolver({ dns, clock, ipv6: false });

async function secure(security: MxPolicies, domain = 'd.test'): Promise<SecuredHosts> {
  const found = await resolver().resolve(domain);
  if (found.kind === 'failed') throw new Error(found.reason);
  return security.secure(domain, found);
}

/** `host mode/verify source secure` of each host. */
function inShort({ hosts }: SecuredHosts): string[] {
  return hosts.map(({ host, tls, foundSecurely }) => {
    return `${host.name} ${tls.mode}/${tls.verify} ${tls.source}${foundSecurely ? ' secure' : ''}`;
  });
}

describe('DANE', () => {
  it('asks for a certificate that matches TLSA records, host by host', async () => {
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    const found = await secure(policies());
    expect(inShort(found)).toEqual(['a.test required/dane dane secure', 'b.test opportunistic/any default secure']);
    expect(found.hosts[0]!.tls).toMatchObject({
      serverName: 'a.test',
      names: ['a.test', 'd.test'],
      tlsa: [EE],
      reported: { type: 'tlsa', domain: 'a.test', text: [`3 1 1 ${'07'.repeat(32)}`] },
    });
    expect(found.refusal).toBeNull();
  });

  it('leaves out records that SMTP has no use for, and asks for TLS where none is left', async () => {
    const useless: TlsaData[] = [
      { ...EE, usage: 0 },
      { ...EE, usage: 1 },
      { ...EE, selector: 2 },
      { ...EE, matchingType: 3 },
      { ...EE, matchingType: 2 },
      { ...EE, certificate: Buffer.alloc(31) },
    ];
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: useless, ...SIGNED };
    const whole: TlsaData = { usage: 2, selector: 0, matchingType: 0, certificate: Buffer.from('der') };
    dnsServer.zone['_25._tcp.b.test'] = { TLSA: [...useless, whole], ...SIGNED };
    const found = await secure(policies());
    expect(inShort(found)).toEqual(['a.test required/any dane secure', 'b.test required/dane dane secure']);
    expect(found.hosts[1]!.tls.tlsa).toEqual([whole]);
  });

  it('does not use a host whose records cannot be had, and defers where no other is left', async () => {
    dnsServer.zone['_25._tcp.a.test'] = { servfail: true };
    expect(inShort(await secure(policies()))).toEqual(['b.test opportunistic/any default secure']);
    dnsServer.zone['_25._tcp.b.test'] = { servfail: true };
    clock.pass(3600);
    const site = mailSite('d.test', resolver(), policies(), 25, 1);
    expect(await site.resolve()).toMatchObject({
      kind: 'failed',
      temporary: true,
      forbidden: true,
      enhanced: '4.7.5',
      reason: expect.stringContaining('_25._tcp.a.test'),
    });
    expect(told).toContain('d.test tlsa dnssec-invalid a.test forbids');
  });

  it.each([
    ['the MX answer', () => delete dnsServer.zone['d.test']!.authenticated],
    [
      'the addresses',
      () => {
        dnsServer.zone['a.test'] = { A: ['192.0.2.1'] };
      },
    ],
    ['the TLSA answer', () => delete dnsServer.zone['_25._tcp.a.test']!.authenticated],
  ])('is not for what DNSSEC does not vouch for: %s', async (_, spoil) => {
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    spoil();
    expect(inShort(await secure(policies()))[0]).toMatch(/^a\.test opportunistic\/any default/);
  });

  it('can be off', async () => {
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    expect(inShort(await secure(policies({ dane: false })))[0]).toBe('a.test opportunistic/any default secure');
    expect(dnsServer.count('_25._tcp.a.test')).toBe(0);
  });

  it('follows the aliases of a host (RFC 7672 section 2.2.2)', async () => {
    dnsServer.zone['a.test'] = { CNAME: 'real.test', ...SIGNED };
    dnsServer.zone['real.test'] = address;
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    let [host] = (await secure(policies())).hosts;
    expect(host!.tls).toMatchObject({ verify: 'dane', serverName: 'a.test', names: ['a.test', 'd.test'] });
    dnsServer.zone['_25._tcp.real.test'] = { TLSA: [EE], ...SIGNED };
    clock.pass(3600);
    [host] = (await secure(policies())).hosts;
    expect(host!.tls).toMatchObject({
      verify: 'dane',
      serverName: 'real.test',
      names: ['real.test', 'a.test', 'd.test'],
    });
    // The alias is validated, what it leads to is not.
    dnsServer.zone['real.test'] = { A: ['192.0.2.1'] };
    clock.pass(3600);
    [host] = (await secure(policies())).hosts;
    expect(host!.tls).toMatchObject({ verify: 'dane', serverName: 'a.test' });
    dnsServer.zone['a.test'] = { CNAME: 'real.test', servfail: ['CNAME'] };
    clock.pass(3600);
    expect(inShort(await secure(policies()))).toEqual(['b.test opportunistic/any default secure']);
  });

  it('asks at the port that mail goes to', async () => {
    dnsServer.zone['_2525._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    expect(inShort(await secure(policies({ port: 2525 })))[0]).toBe('a.test required/dane dane secure');
  });
});

describe('MTA-STS', () => {
  beforeEach(() => {
    for (const node of Object.values(dnsServer.zone)) delete node.authenticated;
  });

  it('enforces: hosts it names with a certificate for their name, and no others', async () => {
    const found = await secure(policies({ sts: sts('enforce', ['b.test']) }));
    expect(inShort(found)).toEqual(['b.test required/pki mta-sts secure']);
    expect(found.hosts[0]!.tls).toMatchObject({
      names: ['b.test'],
      ca: 'pem',
      reported: { type: 'sts', domain: 'd.test', mx: ['b.test'], text: expect.arrayContaining(['mode: enforce']) },
    });
    expect(found.expires).toBe(clock.time + 5000);
    expect(told).toEqual(['d.test sts validation-failure a.test forbids']);
  });

  it('defers where it names none', async () => {
    const site = mailSite('d.test', resolver(), policies({ sts: sts('enforce', ['c.test']) }), 25, 1);
    expect(await site.resolve()).toMatchObject({
      kind: 'failed',
      temporary: true,
      forbidden: true,
      enhanced: '4.7.1',
      reason: 'the MTA-STS policy of d.test does not name its mail host a.test',
    });
  });

  it('tests: everything is as without it, and is told', async () => {
    expect(inShort(await secure(policies({ sts: sts('testing', ['b.test']) })))).toEqual([
      'a.test opportunistic/any mta-sts',
      'b.test opportunistic/any mta-sts secure',
    ]);
    expect(told).toEqual(['d.test sts validation-failure a.test']);
  });

  it('in mode none is none', async () => {
    expect(inShort(await secure(policies({ sts: sts('none', []) })))[0]).toBe('a.test opportunistic/any default');
    expect(told).toEqual([]);
  });

  it('that cannot be had is told, and is none', async () => {
    const problem = { kind: 'sts-webpki-invalid', reason: 'expired' } as const;
    const broken = { policyOf: async () => ({ policy: null, problem, expires: clock.time + 1000 }) };
    expect(inShort(await secure(policies({ sts: broken })))[0]).toBe('a.test opportunistic/any default');
    expect(told).toEqual(['d.test sts sts-webpki-invalid ']);
  });

  it('comes after DANE: a host with TLSA records is judged by those', async () => {
    for (const name of ['d.test', 'a.test', 'b.test']) dnsServer.zone[name]!.authenticated = true;
    dnsServer.zone['_25._tcp.a.test'] = { TLSA: [EE], ...SIGNED };
    expect(inShort(await secure(policies({ sts: sts('enforce', ['other.test']) })))).toEqual([
      'a.test required/dane dane secure',
    ]);
    // With all hosts under DANE nobody asks for a policy.
    dnsServer.zone['_25._tcp.b.test'] = { TLSA: [EE], ...SIGNED };
    clock.pass(3600);
    const unasked = { policyOf: () => Promise.reject(new Error('asked')) };
    expect(inShort(await secure(policies({ sts: unasked })))).toHaveLength(2);
  });
});

describe('the setting', () => {
  it.each([
    ['opportunistic', 'opportunistic/any default'],
    ['required', 'required/any setting'],
    ['none', 'none/any setting'],
  ] as const)('%s', async (mode, expected) => {
    dnsServer.zone['_25._tcp.b.test'] = { TLSA: [EE], ...SIGNED };
    expect(inShort(await secure(policies({ mode })))).toEqual([
      `a.test ${expected} secure`,
      'b.test required/dane dane secure',
    ]);
    expect(inShort(await secure(policies({ mode, dane: false, sts: sts('enforce', ['*.test']) })))[0]).toBe(
      'a.test required/pki mta-sts secure',
    );
  });

  it('holds for address literals, which have no name and no policy', async () => {
    const unasked = { policyOf: () => Promise.reject(new Error('asked')) };
    const found = await secure(policies({ sts: unasked }), '[192.0.2.7]');
    expect(inShort(found)).toEqual(['[192.0.2.7] opportunistic/any default']);
    expect(found.hosts[0]!.tls.serverName).toBe('');
  });
});
