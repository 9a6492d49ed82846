/**
 * TLS to next hops over real sockets: every policy against peers that are good, bad, lying or silent.
 */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { SiteHost } from '../../src/delivery/site.js';
import { opportunistic, type TlsaRecord, type TlsPolicy } from '../../src/delivery/tls-policy.js';
import { type PeerSecurity, type Script, SmtpPeer, until } from '../helpers/smtp-peer.js';
import { selfSigned, TestAuthority } from '../helpers/test-authority.js';
import { DeliveryWorld, hostAt, NOTHING_LEFT } from './delivery-world.js';

const authority = new TestAuthority();
const intermediate = new TestAuthority('Intermediate', authority);
const stranger = new TestAuthority('Stranger');
const good = authority.issue({ names: ['mx.example'] });
const chained = intermediate.issue({ names: ['mx.example'] });
const fullChain = { cert: chained.cert + intermediate.own.cert, key: chained.key };
const expired = authority.issue({ names: ['mx.example'], from: -20, to: -10 });
const future = authority.issue({ names: ['mx.example'], from: 10, to: 20 });
const alone = selfSigned({ names: ['mx.example'] });

const required: TlsPolicy = {
  ...opportunistic('mx.example'),
  mode: 'required',
  verify: 'pki',
  ca: authority.own.cert,
  source: 'setting',
};
const tlsa = (usage: number, selector: number, matchingType: number, data: Buffer): TlsaRecord => ({
  usage,
  selector,
  matchingType,
  certificate:
    matchingType === 0
      ? data
      : createHash(matchingType === 1 ? 'sha256' : 'sha512')
          .update(data)
          .digest(),
});
const dane = (...records: TlsaRecord[]): TlsPolicy => ({ ...required, verify: 'dane', ca: '', tlsa: records });
const pinned = (...pins: string[]): TlsPolicy => ({ ...required, verify: 'pin', ca: '', pins });

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function peer(security: PeerSecurity, script?: Script): Promise<SmtpPeer> {
  const started = await SmtpPeer.start(script, 0, '127.0.0.1', security);
  ends.push(() => started.close());
  return started;
}

function world(peer: SmtpPeer, tls: TlsPolicy, more: Partial<SiteHost> = {}, options = {}): DeliveryWorld {
  const made = new DeliveryWorld([hostAt(peer.port, { name: 'mx.example', tls, ...more })], options);
  ends.unshift(async () => expect(await made.end()).toEqual(NOTHING_LEFT));
  return made;
}

/** One message to a peer with this certificate under this policy. */
async function attempt(tls: TlsPolicy, security: PeerSecurity, script?: Script) {
  const at = await peer(security, script);
  const run = world(at, tls);
  await run.send();
  await run.decided(1);
  return {
    at,
    run,
    outcome: run.outcomes[0]!.split(' ')[1],
    tls: run.tls,
    reply: run.replies[0]!,
    code: run.codes[0]!,
  };
}

describe('where TLS is required', () => {
  const accepted: [string, TlsPolicy, PeerSecurity][] = [
    ['a good certificate', required, { tls: good }],
    ['a chain over an intermediate', required, { tls: fullChain }],
    ['a good certificate with TLS from the first byte', { ...required, implicit: true }, { tls: good, implicit: true }],
    ['TLS 1.2', required, { tls: { ...good, maxVersion: 'TLSv1.2' } }],
    ['a wildcard', { ...required, names: ['a.wild.example'] }, { tls: authority.issue({ names: ['*.wild.example'] }) }],
    ['one of several names', { ...required, names: ['other.example', 'mx.example'] }, { tls: good }],
    ['a name by pattern', { ...required, names: ['*.example'] }, { tls: good }],
    [
      'an address',
      { ...required, serverName: '127.0.0.1', names: ['127.0.0.1'] },
      { tls: authority.issue({ addresses: ['127.0.0.1'] }) },
    ],
    ['the pinned certificate', pinned('0'.repeat(64), alone.fingerprint), { tls: alone }],
    ['the pinned key', pinned(alone.keyFingerprint), { tls: alone }],
    ['DANE-EE by certificate', dane(tlsa(3, 0, 0, alone.der)), { tls: alone }],
    ['DANE-EE by SHA-256 of the certificate', dane(tlsa(3, 0, 1, alone.der)), { tls: alone }],
    ['DANE-EE by key', dane(tlsa(3, 1, 0, alone.spki)), { tls: alone }],
    ['DANE-EE by SHA-512 of the key', dane(tlsa(3, 1, 2, alone.spki)), { tls: alone }],
    ['DANE-EE whatever names and dates', dane(tlsa(3, 1, 1, expired.spki)), { tls: expired }],
    ['DANE-TA by an intermediate in the chain', dane(tlsa(2, 0, 1, intermediate.own.der)), { tls: fullChain }],
    [
      'DANE-TA by a root in the chain',
      dane(tlsa(2, 1, 2, authority.own.spki)),
      { tls: { ...good, cert: good.cert + authority.own.cert } },
    ],
    ['DANE-TA by a root that is only in the record', dane(tlsa(2, 0, 0, authority.own.der)), { tls: good }],
    ['DANE-TA by a key that is only in the record', dane(tlsa(2, 1, 0, authority.own.spki)), { tls: fullChain }],
    [
      'DANE by one of several records',
      dane(tlsa(1, 1, 1, alone.spki), tlsa(3, 1, 1, good.spki), tlsa(3, 1, 1, alone.spki)),
      { tls: alone },
    ],
  ];
  it.each(accepted)('%s passes', async (_name, policy, security) => {
    const { outcome, tls, at, reply } = await attempt(policy, security);
    expect([outcome, tls], reply).toEqual(['delivered', ['secured verified']]);
    expect(at.messages.map(({ secure }) => secure)).toEqual([true]);
    expect(at.commands.filter((line) => line.startsWith('EHLO'))).toHaveLength(policy.implicit ? 1 : 2);
  });

  const refused: [string, TlsPolicy, PeerSecurity, string][] = [
    ['a self-signed certificate', required, { tls: alone }, 'certificate-not-trusted'],
    ['one from nobody known', required, { tls: stranger.issue({ names: ['mx.example'] }) }, 'certificate-not-trusted'],
    ['a chain without its intermediate', required, { tls: chained }, 'certificate-not-trusted'],
    ['an expired certificate', required, { tls: expired }, 'certificate-expired'],
    ['one that is not valid yet', required, { tls: future }, 'certificate-expired'],
    [
      'one for another name',
      required,
      { tls: authority.issue({ names: ['xmx.example'] }) },
      'certificate-host-mismatch',
    ],
    [
      'a wildcard for two labels',
      { ...required, names: ['a.b.wild.example'] },
      { tls: authority.issue({ names: ['*.wild.example'] }) },
      'certificate-host-mismatch',
    ],
    [
      'a wildcard for a part of a label',
      { ...required, names: ['ab.wild.example'] },
      { tls: authority.issue({ names: ['a*.wild.example'] }) },
      'certificate-host-mismatch',
    ],
    [
      'two labels for a name by pattern',
      { ...required, names: ['*.example'] },
      { tls: authority.issue({ names: ['a.mx.example'] }) },
      'certificate-host-mismatch',
    ],
    [
      'with TLS from the first byte, a self-signed certificate',
      { ...required, implicit: true },
      { tls: alone, implicit: true },
      'certificate-not-trusted',
    ],
    ['another certificate than the pinned', pinned(good.fingerprint), { tls: alone }, 'certificate-not-trusted'],
    ['DANE-EE of another key', dane(tlsa(3, 1, 1, good.spki)), { tls: alone }, 'validation-failure'],
    [
      'DANE-TA for another name',
      { ...dane(tlsa(2, 0, 0, authority.own.der)), names: ['other.example'] },
      { tls: good },
      'certificate-host-mismatch',
    ],
    [
      'DANE-TA and an expired certificate',
      dane(tlsa(2, 0, 0, authority.own.der)),
      { tls: expired },
      'certificate-expired',
    ],
    [
      'DANE-TA whose authority did not sign',
      dane(tlsa(2, 0, 1, authority.own.der)),
      { tls: { ...alone, cert: alone.cert + authority.own.cert } },
      'certificate-not-trusted',
    ],
    ['DANE-TA that is the leaf itself', dane(tlsa(2, 1, 0, alone.spki)), { tls: alone }, 'validation-failure'],
    [
      'DANE with unusable records only',
      dane(tlsa(1, 1, 1, alone.spki), { ...tlsa(3, 1, 1, alone.spki), certificate: Buffer.alloc(5) }),
      { tls: alone },
      'tlsa-invalid',
    ],
    [
      'an older version of TLS than asked for',
      { ...required, minVersion: 'TLSv1.3' },
      { tls: { ...good, maxVersion: 'TLSv1.2' } },
      'validation-failure',
    ],
  ];
  it.each(refused)('%s defers', async (_name, policy, security, kind) => {
    const { outcome, tls, at, code, reply } = await attempt(policy, security);
    expect([outcome, tls, code], reply).toEqual(['deferred', [`failed ${kind}`], '4.7.5']);
    expect(at.commands.filter((line) => line.startsWith('MAIL'))).toEqual([]);
  });

  it('a host that does not offer STARTTLS defers, and hears nothing in the clear', async () => {
    const { outcome, tls, at, code } = await attempt(required, {});
    expect([outcome, tls, code]).toEqual(['deferred', ['failed starttls-not-supported'], '4.7.4']);
    expect(at.commands).toEqual(['EHLO me.example']);
  });

  it('a host that refuses STARTTLS defers', async () => {
    const script: Script = (stage) => (stage === 'STARTTLS' ? '454 4.7.0 not now' : undefined);
    const { outcome, tls, code, reply } = await attempt(required, { tls: good }, script);
    expect([outcome, tls, code]).toEqual(['deferred', ['failed starttls-not-supported'], '4.7.4']);
    expect(reply).toContain('not now');
  });

  it('any certificate passes where that is set', async () => {
    const { outcome, tls } = await attempt({ ...required, verify: 'any' }, { tls: alone });
    expect([outcome, tls]).toEqual(['delivered', ['secured unverified']]);
  });

  it('a name goes out by SNI, an address does not', async () => {
    const named = await attempt(required, { tls: good });
    expect(named.at.serverNames).toEqual(['mx.example']);
    const bare = await attempt({ ...pinned(alone.fingerprint), serverName: '127.0.0.1' }, { tls: alone });
    expect(bare.at.serverNames).toEqual(['']);
  });
});

describe('opportunistic TLS', () => {
  const policy = opportunistic('mx.example');

  it.each([
    ['self-signed', alone],
    ['expired', expired],
  ])('takes a certificate that is %s', async (_name, tls) => {
    const { outcome, tls: results, at } = await attempt(policy, { tls });
    expect([outcome, results]).toEqual(['delivered', ['secured unverified']]);
    expect(at.messages[0]!.secure).toBe(true);
  });

  it('says that a good certificate is', async () => {
    const { tls } = await attempt({ ...policy, ca: authority.own.cert }, { tls: good });
    expect(tls).toEqual(['secured verified']);
  });

  it('goes on in the clear where STARTTLS is not offered, and says so', async () => {
    const { outcome, tls } = await attempt(policy, {});
    expect([outcome, tls]).toEqual(['delivered', ['clear']]);
  });

  it('goes on in the clear on the same connection where STARTTLS is refused', async () => {
    const script: Script = (stage) => (stage === 'STARTTLS' ? '454 4.7.0 not now' : undefined);
    const { outcome, tls, at } = await attempt(policy, { tls: alone }, script);
    expect([outcome, tls, at.accepted]).toEqual(['delivered', ['failed starttls-not-supported', 'clear'], 1]);
  });

  const broken: [string, string][] = [
    ['garbage', '\x15\x03garbage not tls'],
    ['plain SMTP', '250-what\r\n250 what'],
    ['a close', 'close'],
    ['a reset', 'reset'],
    ['silence', 'silent'],
  ];
  it.each(broken)('dials again in the clear after %s instead of a handshake', async (_name, reaction) => {
    const script: Script = (stage) => (stage === 'handshake' ? reaction : undefined);
    const { outcome, tls, at, run, reply } = await attempt(policy, { tls: alone }, script);
    expect([outcome, tls], reply).toEqual(['delivered', ['failed validation-failure', 'clear']]);
    expect(at.messages[0]!.secure).toBe(false);
    // The host did not fail, and is remembered: the next connection does not try again.
    expect(run.failures).toEqual([]);
    at.hangUp();
    await until('the connection is gone', () => run.openWires === 0);
    await run.send();
    await run.decided(2);
    expect(run.tls.slice(2)).toEqual(['clear']);
    expect(at.commands.filter((line) => line === 'STARTTLS')).toHaveLength(1);
  });

  it('is not tried where it is off', async () => {
    const { outcome, tls, at } = await attempt({ ...policy, mode: 'none' }, { tls: alone });
    expect([outcome, tls]).toEqual(['delivered', ['clear']]);
    expect(at.commands).not.toContain('STARTTLS');
  });
});

describe('replies injected behind STARTTLS', () => {
  const inject: Script = (stage) => (stage === 'STARTTLS' ? '220 go\r\n250-injected\r\n250 AUTH PLAIN' : undefined);

  it('end the session where TLS is required', async () => {
    const { outcome, tls, at, reply } = await attempt(required, { tls: good }, inject);
    expect([outcome, tls]).toEqual(['deferred', ['failed validation-failure']]);
    expect(reply).toContain('in the clear');
    expect(at.commands).toEqual(['EHLO me.example', 'STARTTLS']);
  });

  it('end the session where it is not: the next is in the clear and has nothing of it', async () => {
    const { outcome, tls, at } = await attempt(opportunistic('mx.example'), { tls: good }, inject);
    expect([outcome, tls]).toEqual(['delivered', ['failed validation-failure', 'clear']]);
    expect([at.accepted, at.messages[0]!.connection]).toEqual([2, 1]);
  });

  it('what was said before TLS is forgotten', async () => {
    const script: Script = (stage, _connection, count) =>
      stage !== 'EHLO' ? undefined : count === 0 ? '250-p\r\n250-STARTTLS\r\n250-SIZE 5\r\n250 CHUNKING' : '250 p';
    const { outcome, at } = await attempt(required, { tls: good }, script);
    expect(outcome).toBe('delivered');
    expect(at.commands.find((line) => line.startsWith('MAIL'))).not.toContain('SIZE');
  });
});

describe('a TLS session', () => {
  /** Three connections, one after the other. */
  async function second(policy: TlsPolicy, security: PeerSecurity, between: (at: SmtpPeer) => void = () => {}) {
    const at = await peer(security);
    const run = world(at, policy, { limit: 1 }, { messagesPerConnection: 1 });
    for (let n = 1; n <= 3; n++) {
      await run.send();
      await run.decided(n);
      await until('the connection is gone', () => run.openWires === 0);
      if (n === 1) between(at);
    }
    expect(run.count('delivered')).toBe(3);
    return { at, run };
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s is resumed, verified as it was', async (version) => {
    const { at, run } = await second(required, { tls: { ...good, maxVersion: version } });
    expect(at.handshakes).toEqual([version, ...Array(2).fill(`${version} resumed`)]);
    expect(run.tls).toEqual(['secured verified', ...Array(2).fill('secured verified resumed')]);
  });

  it('is begun anew where the host forgot it', async () => {
    const { at } = await second(required, { tls: good }, (peer) => peer.renewContext());
    expect(at.handshakes).toEqual(['TLSv1.3', 'TLSv1.3', 'TLSv1.3 resumed']);
  });

  it('of a certificate that does not pass stays unverified when resumed', async () => {
    const { run } = await second(opportunistic('mx.example'), { tls: alone });
    expect(run.tls).toEqual(['secured unverified', ...Array(2).fill('secured unverified resumed')]);
  });

  it('is not resumed under a stricter policy', async () => {
    const at = await peer({ tls: alone });
    const lax = world(at, { ...required, verify: 'any' }, {}, { messagesPerConnection: 1 });
    await lax.send();
    await lax.decided(1);
    const strict = world(at, required);
    await strict.send();
    await strict.decided(1);
    expect(strict.tls).toEqual(['failed certificate-not-trusted']);
  });
});

describe('a client certificate', () => {
  it('is shown where the host asks', async () => {
    const own = authority.issue({ names: ['me.example'] });
    const policy = { ...required, cert: own.cert, key: own.key };
    const { outcome, tls } = await attempt(policy, { tls: { ...good, requestCert: true, ca: authority.own.cert } });
    expect([outcome, tls]).toEqual(['delivered', ['secured verified']]);
  });
});

describe('connections under TLS', () => {
  it('are kept from one message to the next', async () => {
    const at = await peer({ tls: good });
    const run = world(at, required, { limit: 3 }, { messagesPerConnection: 1000, limit: 3 });
    await run.sendMany(400);
    await run.decided(400);
    expect([run.count('delivered'), at.accepted <= 3]).toEqual([400, true]);
  });
});
