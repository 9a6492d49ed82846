/**
 * DNS that answers by place and time (GeoDNS): an upstream's name is asked for again when its TTL is over, and mail
 * follows the answer, also while connections to the old address are kept.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { upstreamSite } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';
import { DnsClient } from '../../src/net/dns-client.js';
import { HostLookup } from '../../src/net/host-lookup.js';
import { startDnsServer } from '../helpers/dns-server.js';
import { until } from '../helpers/smtp-peer.js';
import { SmtpSink } from '../helpers/smtp-sink.js';
import { DeliveryWorld } from './delivery-world.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('an upstream whose DNS answer changes', () => {
  it('gets its mail at the new address once the TTL is over, and not before', async () => {
    const near = new SmtpSink({ address: '127.0.0.2' });
    await near.listen();
    const far = new SmtpSink({ address: '127.0.0.3', port: near.port });
    await far.listen();
    const server = await startDnsServer({ 'geo.test': { A: ['127.0.0.2'], ttl: 1 } });
    const dns = new DnsClient({ clock: systemClock, servers: [server.address], ttlFloor: 1 });
    const began = Date.now();
    const lookup = new HostLookup({ clock: systemClock, dns, hostsFile: '' });
    const upstream = { host: 'geo.test', port: near.port, pool: 2, weight: 1, tls: opportunistic('geo.test') };
    const expiries: number[] = [];
    const site = upstreamSite([upstream], async (host) => {
      const found = await lookup.lookup(host);
      if (found.kind === 'failed') throw new Error(found.reason);
      expiries.push(found.expires);
      return found;
    });
    const world = new DeliveryWorld([], { resolve: () => site.resolve() });
    ends.push(
      () => near.close(),
      () => far.close(),
      () => server.close(),
      () => dns.close(),
      () => world.delivery.drain(0),
    );
    await world.send();
    await until('the first is there', () => near.messages.length === 1);
    server.zone['geo.test'] = { A: ['127.0.0.3'], ttl: 1 };
    // Mail goes on all the time, over the connection that is kept.
    let sent = 1;
    while (far.messages.length === 0 && sent < 500) {
      await world.send();
      await world.decided(++sent);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(far.messages.length).toBeGreaterThan(0);
    // Asked again when the answer had run out, and for no message before.
    expect(expiries.length).toBeGreaterThanOrEqual(2);
    const asked = server.count('geo.test', 'A');
    expect(asked).toBeGreaterThanOrEqual(2);
    expect(asked).toBeLessThanOrEqual(2 + Math.floor((Date.now() - began) / 1000));
    expect(near.messages.length + far.messages.length).toBe(sent);
    const before = near.messages.length;
    await world.send();
    await world.decided(sent + 1);
    expect(near.messages.length).toBe(before);
  });
});
