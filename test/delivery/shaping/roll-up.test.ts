/** Realistic sets of MX hosts and the sites they are rolled up to. */
import { describe, expect, it } from 'vitest';
import { type DestinationKind, parseDestination } from '../../../src/delivery/destination.js';
import { providerOf, siteNameOf } from '../../../src/delivery/shaping/roll-up.js';
import { host } from './shaping-world.js';

const siteOf = (names: readonly string[], kind: DestinationKind = 'mx', name = 'example.org') =>
  siteNameOf({ kind, name, egress: '', tlsOptional: false }, names.map(host));

describe('sites of mail hosts', () => {
  it.each([
    ['gmail.com', ['gmail-smtp-in.l.google.com', 'alt1.gmail-smtp-in.l.google.com'], 'google.com'],
    ['Workspace', ['ASPMX.L.GOOGLE.COM.', 'ALT1.ASPMX.L.GOOGLE.COM.', 'ASPMX2.GOOGLEMAIL.COM.'], 'google.com'],
    ['Workspace, one host', ['smtp.google.com'], 'google.com'],
    ['hotmail.com', ['hotmail-com.olc.protection.outlook.com'], 'outlook.com'],
    ['Exchange Online', ['contoso-com.mail.protection.outlook.com'], 'office365.com'],
    ['Exchange Online with DANE', ['contoso-com.a-v1.mx.microsoft'], 'office365.com'],
    ['yahoo.com', ['mta5.am0.yahoodns.net', 'mta6.am0.yahoodns.net', 'mta7.am0.yahoodns.net'], 'yahoodns.net'],
    ['aol.com', ['mx-aol.mail.gm0.yahoodns.net'], 'yahoodns.net'],
    ['icloud.com', ['mx01.mail.icloud.com', 'mx02.mail.icloud.com'], 'icloud.com'],
    ['Mimecast', ['eu-smtp-inbound-1.mimecast.com', 'eu-smtp-inbound-2.mimecast.com'], 'mimecast.com'],
    ['Proofpoint', ['mxa-00123401.gslb.pphosted.com', 'mxb-00123401.gslb.pphosted.com'], 'pphosted.com'],
    ['Proofpoint Essentials', ['mx1-us1.ppe-hosted.com', 'mx2-us1.ppe-hosted.com'], 'pphosted.com'],
    ['Barracuda', ['d12345a.ess.barracudanetworks.com', 'd12345b.ess.barracudanetworks.com'], 'barracudanetworks.com'],
    ['gmx.net', ['mx00.gmx.net', 'mx01.gmx.net'], 'gmx.net'],
    ['web.de', ['mx-ha02.web.de', 'mx-ha03.web.de'], 'gmx.net'],
    ['t-online.de', ['mx00.t-online.de', 'mx01.t-online.de', 'mx02.t-online.de'], 't-online.de'],
    ['orange.fr', ['smtp-in.orange.fr'], 'orange.fr'],
    ['laposte.net', ['smtpz4.laposte.net'], 'laposte.net'],
    ['comcast.net', ['mx1h1.comcast.net', 'mx2h1.comcast.net'], 'comcast.net'],
    ['att.net', ['ff-ip4-mx-vip1.prodigy.net', 'ff-ip4-mx-vip2.prodigy.net'], 'att.net'],
    ['Zoho', ['mx.zoho.eu', 'mx2.zoho.eu'], 'zoho.com'],
    ['Yandex', ['mx.yandex.net'], 'yandex.net'],
    ['mail.ru', ['mxs.mail.ru'], 'mail.ru'],
    ['qq.com', ['mx1.qq.com', 'mx2.qq.com', 'mx3.qq.com'], 'qq.com'],
    ['163.com', ['163mx01.mxmail.netease.com', '163mx02.mxmail.netease.com'], '163.com'],
    ['company at NetEase', ['qiye163mx01.mxmail.netease.com'], '163.com'],
    ['Cloudflare routing', ['route1.mx.cloudflare.net', 'route2.mx.cloudflare.net'], 'cloudflare.net'],
    ['Google first, another as backup', ['aspmx.l.google.com', 'backup.example.net'], 'google.com'],
    ['own first, a filter as backup', ['mx.example.org', 'mx1.hc1.iphmx.com'], '(mx.example.org|mx1.hc1.iphmx.com)'],
    ['own, one', ['mail.example.org'], 'mail.example.org'],
    ['own, in any order', ['mx2.example.org', 'mx1.example.org'], '(mx1|mx2).example.org'],
    ['own, one with several addresses', ['mx1.example.org', 'mx1.example.org'], 'mx1.example.org'],
    ['the end of another', ['mx.example.org', 'example.org'], '(|mx).example.org'],
    ['nothing in common', ['a.one.example', 'b.two.test'], '(a.one.example|b.two.test)'],
    ['only alike at the end', ['mx.notgoogle.com'], 'mx.notgoogle.com'],
  ])('%s', (_what, names, site) => {
    expect(siteOf(names)).toBe(site);
  });

  it('share a name where the hosts are the same, whatever the order', () => {
    expect(siteOf(['b.host.test', 'a.host.test'])).toBe(siteOf(['a.host.test', 'B.host.test.']));
  });

  it('have a bounded name, different for different hosts', () => {
    const many = (last: string) => [...Array.from({ length: 40 }, (_, i) => `mx${i}.long-name.example.org`), last];
    const one = siteOf(many('x.example.org'));
    expect(one.length).toBeLessThanOrEqual(200);
    expect(siteOf(many('y.example.org'))).not.toBe(one);
  });

  it('are the group of upstreams, the host, or the domain while no host is known', () => {
    expect(siteOf(['smtp.google.com'], 'upstream', 'ses')).toBe('upstream ses');
    expect(siteOf(['relay.test'], 'host', 'relay.test:25')).toBe('host relay.test:25');
    expect(siteOf([])).toBe('example.org');
  });

  it('of addresses instead of names are themselves', () => {
    expect(siteOf(['192.0.2.7'])).toBe('192.0.2.7');
    expect(providerOf('192.0.2.7')).toBeUndefined();
  });

  it('take the key of a destination as the queue has it', () => {
    expect(siteNameOf(parseDestination('mx/example.org@pool!'), [host('mx.example.org')])).toBe('mx.example.org');
  });
});
