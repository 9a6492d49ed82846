/**
 * REQUIRETLS to a next hop that speaks TLS (RFC 8689 section 4.2.1).
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { SiteHost } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';
import { SmtpPeer } from '../helpers/smtp-peer.js';
import { TestAuthority } from '../helpers/test-authority.js';
import { DeliveryWorld, hostAt } from './delivery-world.js';

const authority = new TestAuthority();
const certificate = authority.issue({ names: ['mx.test'] });
let up: SmtpPeer | null = null;
let world: DeliveryWorld | null = null;

afterEach(async () => {
  await world?.end();
  await up?.close();
});

async function send(offers: boolean, more: Partial<SiteHost> = {}): Promise<string> {
  // Only what is offered under TLS counts, and there it is.
  const script = (stage: string) =>
    stage === 'EHLO' && offers ? '250-peer.example\r\n250-STARTTLS\r\n250 REQUIRETLS' : undefined;
  up = await SmtpPeer.start(script, 0, '127.0.0.1', { tls: certificate });
  const tls = { ...opportunistic('mx.test'), ca: authority.own.cert };
  world = new DeliveryWorld([hostAt(up.port, { tls, foundSecurely: true, ...more })]);
  await world.send(['r@dest.example'], { requireTls: true });
  await world.decided(1);
  return world.outcomes[0]!.replace(/^.* /, '');
}

describe('REQUIRETLS', () => {
  it('is passed on to a host that offers it, was found securely and shows its certificate', async () => {
    expect(await send(true)).toBe('delivered');
    expect(up!.commands.find((line) => line.startsWith('MAIL'))).toMatch(/ REQUIRETLS\b/);
    expect(up!.messages[0]!.secure).toBe(true);
  });

  it.each<[string, boolean, Partial<SiteHost>, string]>([
    ['does not offer it', false, {}, 'failed'],
    ['nobody vouches for', true, { foundSecurely: false }, 'failed'],
    ['shows a certificate that does not pass', true, { tls: opportunistic('other.test') }, 'deferred'],
    ['may not have TLS', true, { tls: { ...opportunistic('mx.test'), mode: 'none' } }, 'deferred'],
  ])('is not sent to a host that %s', async (_, offers, more, status) => {
    expect(await send(offers, more)).toBe(status);
    expect(up!.messages).toEqual([]);
  });
});
