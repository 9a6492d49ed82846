/**
 * AUTH to next hops over real sockets, against a server that keeps to the RFCs, and what becomes of mail where it fails.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/core/errors.js';
import type { HostCredentials } from '../../src/delivery/site.js';
import { opportunistic, type TlsPolicy } from '../../src/delivery/tls-policy.js';
import type { Mechanism } from '../../src/smtp/authentication.js';
import type { ClientCredentials } from '../../src/smtp/client-sasl.js';
import { DerivedKeys } from '../../src/smtp/scram-client.js';
import { type PeerSecurity, type Script, SmtpPeer } from '../helpers/smtp-peer.js';
import { TestAuthority } from '../helpers/test-authority.js';
import { DeliveryWorld, hostAt, NOTHING_LEFT } from './delivery-world.js';

const authority = new TestAuthority();
const certificate = authority.issue({ names: ['mx.example'] });
const required: TlsPolicy = {
  ...opportunistic('mx.example'),
  mode: 'required',
  verify: 'pki',
  ca: authority.own.cert,
};
const none: TlsPolicy = { ...opportunistic(''), mode: 'none' };
const ACCOUNT = { user: 'Jürgen,=x', password: 'p ß+/=wörd', token: 'ya29.token' };
const MANY = 'PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER EXTERNAL';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function passwords(more: Partial<ClientCredentials> = {}): HostCredentials {
  const { user, password } = ACCOUNT;
  return {
    sasl: {
      user,
      password,
      token: false,
      certificate: false,
      mechanism: '',
      inClear: false,
      derived: new DerivedKeys(),
      ...more,
    },
  };
}

function tokens(mechanism: Mechanism | '' = '', token = ACCOUNT.token): HostCredentials {
  return { sasl: { ...passwords().sasl, password: '', token: true, mechanism }, fetchToken: async () => token };
}

async function attempt(
  credentials: HostCredentials,
  security: PeerSecurity,
  { tls = required, script, messages = 1 }: { tls?: TlsPolicy; script?: Script; messages?: number } = {},
) {
  const at = await SmtpPeer.start(script, 0, '127.0.0.1', {
    tls: certificate,
    account: ACCOUNT,
    mechanisms: MANY,
    ...security,
  });
  const run = new DeliveryWorld([hostAt(at.port, { name: 'mx.example', tls, credentials })]);
  ends.push(async () => expect(await run.end()).toEqual(NOTHING_LEFT));
  ends.push(() => at.close());
  await run.sendMany(messages);
  await run.decided(messages);
  return { at, run, outcome: run.outcomes[0]!.split(' ')[1], reply: run.replies[0]!, code: run.codes[0]! };
}

describe('a password', () => {
  it.each([
    [MANY, 'SCRAM-SHA-256-PLUS'],
    ['LOGIN PLAIN SCRAM-SHA-256 CRAM-MD5', 'SCRAM-SHA-256'],
    ['LOGIN PLAIN CRAM-MD5', 'CRAM-MD5'],
    ['LOGIN PLAIN', 'PLAIN'],
    ['NTLM LOGIN', 'LOGIN'],
  ])('of the offer %s is shown by %s', async (mechanisms, best) => {
    const { outcome, at, reply } = await attempt(passwords(), { mechanisms });
    expect([outcome, at.authenticated], reply).toEqual(['delivered', [best]]);
  });

  it.each(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'LOGIN'] as const)(
    'is shown by %s where that is set',
    async (mechanism) => {
      const { outcome, at, reply } = await attempt(passwords({ mechanism }), {});
      expect([outcome, at.authenticated], reply).toEqual(['delivered', [mechanism]]);
    },
  );

  it('is bound to the channel with TLS 1.3 only', async () => {
    const { outcome, at } = await attempt(passwords(), { tls: { ...certificate, maxVersion: 'TLSv1.2' } });
    expect([outcome, at.authenticated]).toEqual(['delivered', ['SCRAM-SHA-256']]);
  });

  it('too long for a command line goes in the next line', async () => {
    const password = 'long '.repeat(200);
    const { outcome, at } = await attempt(passwords({ password }), {
      account: { user: ACCOUNT.user, password },
      mechanisms: 'PLAIN',
    });
    expect([outcome, at.commands.filter((line) => line.startsWith('AUTH'))]).toEqual(['delivered', ['AUTH PLAIN']]);
  });

  it('is shown once for many messages of a connection', async () => {
    const { run, at } = await attempt(passwords(), {}, { messages: 20 });
    expect(run.count('delivered')).toBe(20);
    expect(at.authenticated).toHaveLength(at.accepted);
  });
});

describe('in the clear', () => {
  it('no mechanism is used that shows the secret', async () => {
    for (const mechanisms of ['PLAIN LOGIN', 'XOAUTH2 OAUTHBEARER']) {
      const { outcome, at, code, reply } = await attempt(
        mechanisms.startsWith('P') ? passwords() : tokens(),
        { mechanisms },
        { tls: none },
      );
      expect([outcome, code]).toEqual(['deferred', '4.7.8']);
      expect(reply).toContain('would show the secret');
      expect(at.commands.some((line) => line.startsWith('AUTH'))).toBe(false);
    }
  });

  it('others are', async () => {
    const { outcome, at } = await attempt(passwords(), { mechanisms: 'PLAIN CRAM-MD5 SCRAM-SHA-256' }, { tls: none });
    expect([outcome, at.authenticated]).toEqual(['delivered', ['SCRAM-SHA-256']]);
  });

  it('any is where that is set', async () => {
    const { outcome, at } = await attempt(passwords({ inClear: true }), { mechanisms: 'PLAIN' }, { tls: none });
    expect([outcome, at.authenticated]).toEqual(['delivered', ['PLAIN']]);
  });
});

describe('a token', () => {
  it.each([
    ['', 'OAUTHBEARER'],
    ['XOAUTH2', 'XOAUTH2'],
    ['OAUTHBEARER', 'OAUTHBEARER'],
  ] as const)('is shown (set: %j) by %s', async (mechanism, used) => {
    const { outcome, at, reply } = await attempt(
      { ...tokens(mechanism), sasl: { ...tokens(mechanism).sasl, user: 'me@example.org' } },
      { account: { ...ACCOUNT, user: 'me@example.org' } },
    );
    expect([outcome, at.authenticated], reply).toEqual(['delivered', [used]]);
  });

  it.each(['XOAUTH2', 'OAUTHBEARER'] as const)(
    'that %s does not take is asked for anew, and mail waits',
    async (mechanism) => {
      let refused = 0;
      const credentials = { ...tokens(mechanism, 'old'), tokenRefused: () => refused++ };
      const { outcome, code, run } = await attempt(credentials, {});
      expect([outcome, code, refused, run.refusals.length]).toEqual(['deferred', '4.7.8', 1, 1]);
    },
  );

  it.each([
    [true, '4.7.0', 0],
    [false, '4.7.0', 1],
  ])('that cannot be had (for now: %s) makes mail wait with the reason', async (temporary, enhanced, refusals) => {
    const fetchToken = () => Promise.reject(new SluiceError('token-x', 'the service is on holiday', { temporary }));
    const { outcome, code, reply, run, at } = await attempt({ ...tokens(), fetchToken }, {});
    expect([outcome, code, run.refusals.length]).toEqual(['deferred', enhanced, refusals]);
    expect(reply).toContain('on holiday');
    expect(at.commands.some((line) => line.startsWith('AUTH'))).toBe(false);
  });
});

describe('EXTERNAL', () => {
  it('is used with a client certificate', async () => {
    const own = authority.issue({ names: ['me.example'] });
    const credentials = passwords({ password: '', certificate: true, mechanism: 'EXTERNAL' });
    const tls = { ...required, cert: own.cert, key: own.key };
    const { outcome, at } = await attempt(credentials, {}, { tls });
    expect([outcome, at.authenticated]).toEqual(['delivered', ['EXTERNAL']]);
  });
});

describe('failures', () => {
  const says =
    (reply: string): Script =>
    (stage) =>
      stage === 'AUTH' ? reply : undefined;

  it('a refusal defers all that waits with the words of the host, and closes', async () => {
    const { run, at } = await attempt(passwords({ password: 'wrong' }), { mechanisms: 'PLAIN' }, { messages: 5 });
    expect(run.count('deferred')).toBe(5);
    expect(new Set(run.codes)).toEqual(new Set(['4.7.8']));
    expect(run.replies[0]).toContain('535 5.7.8 no such user or password');
    expect(run.refusals.length).toBe(at.accepted);
    expect(run.failures).toEqual([]);
    expect(at.messages).toEqual([]);
  });

  it.each([
    ['454 4.7.0 later', '4.7.0', 0],
    ['432 4.7.12 password transition', '4.7.12', 0],
    ['421 closing', '4.7.0', 0],
    ['500 what', '4.7.8', 1],
    ['534 5.7.9 too weak', '4.7.8', 1],
    ['235 fine', '4.7.8', 1],
  ])('%s to SCRAM defers with %s', async (reply, enhanced, refusals) => {
    const { outcome, code, run } = await attempt(passwords(), {}, { script: says(reply) });
    expect([outcome, code, run.refusals.length]).toEqual(['deferred', enhanced, refusals]);
  });

  it.each([
    ['no base64', '334 ????'],
    ['no nonce of ours', `334 ${Buffer.from('r=abc,s=c2FsdA==,i=4096').toString('base64')}`],
    ['nothing', '334 '],
  ])('a challenge that is %s ends the session', async (_name, reply) => {
    const { outcome, code, at } = await attempt(passwords(), {}, { script: says(reply) });
    expect([outcome, code, at.messages.length]).toEqual(['deferred', '4.7.8', 0]);
  });

  it('a server that cannot prove that it knows the password is left', async () => {
    const { outcome, reply, at } = await attempt(passwords(), { account: { ...ACCOUNT, falseSignature: true } });
    expect(outcome).toBe('deferred');
    expect(reply).toContain('did not prove');
    expect(at.messages).toEqual([]);
  });

  it.each([
    ['too few', 1000],
    ['too many', 9_000_000],
  ])('%s iterations are not computed', async (_name, iterations) => {
    const { outcome, reply } = await attempt(
      passwords(),
      { account: { ...ACCOUNT, iterations: 4096 } },
      {
        script: says(`334 ${Buffer.from(`r=x,s=c2FsdA==,i=${iterations}`).toString('base64')}`),
      },
    );
    expect(outcome).toBe('deferred');
    expect(reply).toContain('did not prove');
  });

  it('no AUTH, or none that we know, defers', async () => {
    expect((await attempt(passwords(), { mechanisms: 'NTLM GSSAPI' })).reply).toContain('NTLM GSSAPI');
    const script: Script = (stage) => (stage === 'EHLO' ? '250-p\r\n250 STARTTLS' : undefined);
    expect((await attempt(passwords(), {}, { script })).reply).toContain('offers no AUTH');
  });
});
