/**
 * Delivery from pools of egress sources over real sockets: one that cannot be used is left alone, and the host is not
 * blamed for it.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { EgressProxy } from '../../src/delivery/egress.js';
import { EgressPools } from '../../src/delivery/egress-pools.js';
import { SmtpPeer, until } from '../helpers/smtp-peer.js';
import { closedPort, DeliveryWorld, hostAt } from './delivery-world.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function worldFrom(...sources: { name: string; address4: string; proxy?: EgressProxy }[]) {
  const peer = await SmtpPeer.start();
  const pools = new EgressPools(() => {});
  pools.configure(
    sources.map((given) => ({
      source: { helo: '', address6: '', proxy: null, ...given },
      warmup: null,
      pools: [{ name: 'p', weight: 1 }],
    })),
  );
  const egress = pools.get('p')!;
  const hosts = [hostAt(peer.port)];
  const world: DeliveryWorld = new DeliveryWorld([], {
    resolve: async () => ({ kind: 'hosts', hosts, order: 'balance', limit: 4, expires: Infinity, egress }),
  });
  ends.push(
    () => peer.close(),
    () => world.delivery.drain(0),
  );
  return { world, egress };
}

describe('delivery from a pool of sources', () => {
  it('goes on from the others where one has an address that this host has not', async () => {
    const { world, egress } = await worldFrom(
      { name: 'gone', address4: '192.0.2.77' },
      { name: 'here', address4: '127.0.0.2' },
    );
    await world.sendMany(6);
    await world.decided(6);
    expect(world.count('delivered')).toBe(6);
    expect(world.failures).toEqual([]);
    expect(world.sourceFailures[0]).toMatch(/^gone: this host has no such address: correct \[\[egress\]\]/);
    expect(egress.describe(Date.now())).toMatchObject({ sources: [{ paused: 1 }, { paused: 0 }] });
  });

  it('waits where the only source is behind a proxy that is down, with the reason, and blames no host', async () => {
    const proxy = { kind: 'socks5', host: '127.0.0.1', port: await closedPort(), user: '', password: '' } as const;
    const { world } = await worldFrom({ name: 'far', address4: '', proxy });
    await world.sendMany(2);
    await until('the source failed', () => world.sourceFailures.length > 0);
    expect(world.sourceFailures[0]).toContain(`far: egress proxy socks5://127.0.0.1:${proxy.port}: connection refused`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([world.failures, world.outcomes]).toEqual([[], []]);
    // It is left alone, not dialled in a loop.
    expect(world.dials).toBeLessThanOrEqual(4);
  });
});
