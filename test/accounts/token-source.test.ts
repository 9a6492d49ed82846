/** Accounts by OAuth tokens: JWTs signed with real keys, and introspection over real connections. */
import { writeFileSync } from 'node:fs';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AuthQuestion } from '../../src/smtp/authentication.js';
import { accepted, endpoint, folder, openWorld, refused, token, unavailable } from './account-world.js';

const HOST = '192.0.2.1';
const ISSUER = 'https://login.example.org/';
const rules = { SLUICE_OAUTH_ISSUER: ISSUER, SLUICE_OAUTH_AUDIENCE: 'sluice', SLUICE_OAUTH_SCOPE: 'smtp,send' };

interface Key {
  readonly privateKey: CryptoKey;
  readonly jwk: object;
  readonly kid: string;
  readonly alg: string;
}

async function makeKey(alg: string, kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg }, kid, alg };
}

let rsa: Key;
let ec: Key;
let other: Key;
beforeAll(async () => {
  [rsa, ec, other] = await Promise.all([makeKey('RS256', 'r'), makeKey('ES256', 'e'), makeKey('ES256', 'o')]);
});

const good = (now: number): JWTPayload => ({
  iss: ISSUER,
  aud: ['other', 'sluice'],
  exp: Math.floor(now / 1000) + 60,
  email: 'Ann@example.org',
  sub: '4711',
  scope: 'smtp read send',
});

const sign = (key: Key, payload: JWTPayload) =>
  new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(key.privateKey);

const bearer = (value: string): AuthQuestion => ({ kind: 'token', mechanism: 'OAUTHBEARER', user: '', token: value });

async function withKeys(keys: readonly Key[], env: Record<string, string> = {}) {
  const dir = folder();
  writeFileSync(`${dir}/keys.json`, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  return openWorld(dir, { SLUICE_OAUTH_JWKS: 'keys.json', SLUICE_AUTH_MAX_FAILURES: '0', ...rules, ...env });
}

describe('signed tokens', () => {
  it('name the account, and the user where one is given must be the same', async () => {
    const { accounts, now } = await withKeys([rsa, ec]);
    expect(accounts.mechanisms).toEqual(['OAUTHBEARER', 'XOAUTH2']);
    for (const key of [rsa, ec]) {
      const jwt = await sign(key, good(now()));
      expect(await accounts.answer(bearer(jwt), HOST)).toEqual(accepted('ann@example.org'));
      expect(await accounts.answer(token('ann@EXAMPLE.org', jwt), HOST)).toEqual(accepted('ann@example.org'));
      expect(await accounts.answer(token('bob@example.org', jwt), HOST)).toEqual(refused);
      expect(await accounts.answer(token('4711', jwt), HOST)).toEqual(refused);
    }
  });

  it.each<[string, (payload: JWTPayload, now: number) => JWTPayload]>([
    ['another issuer', (payload) => ({ ...payload, iss: `${ISSUER}x` })],
    ['no issuer', ({ iss, ...payload }) => payload],
    ['another audience', (payload) => ({ ...payload, aud: 'other' })],
    ['no audience', ({ aud, ...payload }) => payload],
    ['an end in the past', (payload, now) => ({ ...payload, exp: Math.floor(now / 1000) - 31 })],
    ['no end', ({ exp, ...payload }) => payload],
    ['a beginning to come', (payload, now) => ({ ...payload, nbf: Math.floor(now / 1000) + 35 })],
    ['a scope missing', (payload) => ({ ...payload, scope: 'smtp' })],
    ['no user', ({ email, sub, ...payload }) => payload],
    ['an address not verified', (payload) => ({ ...payload, email_verified: false })],
    ['a user that is no name', (payload) => ({ ...payload, email: 'a b' })],
  ])('are refused with %s', async (_name, change) => {
    const { accounts, log, now } = await withKeys([ec]);
    const jwt = await sign(ec, change(good(now()), now()));
    expect(await accounts.answer(bearer(jwt), HOST)).toEqual(refused);
    expect(log.lines).toMatchObject([{ text: 'authentication failed', fields: { mechanism: 'OAUTHBEARER' } }]);
    expect(JSON.stringify(log.lines)).not.toContain(jwt);
  });

  it('may be off by the clock skew, name scopes as a list, and the account by another claim', async () => {
    const { accounts, now } = await withKeys([ec], { SLUICE_OAUTH_USER_CLAIM: 'upn' });
    const { scope, ...payload } = good(now());
    const late = { ...payload, exp: Math.floor(now() / 1000) - 29, scp: ['smtp', 'send'], upn: 'bob' };
    expect(await accounts.answer(bearer(await sign(ec, late)), HOST)).toEqual(accepted('bob'));
  });

  it('are refused unless signed by a key of the set with an algorithm that is allowed', async () => {
    const { accounts, now } = await withKeys([rsa, ec], { SLUICE_OAUTH_ALGORITHMS: 'es256' });
    const payload = good(now());
    const jwt = await sign(ec, payload);
    const secret = new TextEncoder().encode(JSON.stringify(rsa.jwk));
    const tokens = [
      await sign(other, payload),
      await sign({ ...other, kid: 'e' }, payload),
      await sign(rsa, payload),
      await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid: 'r' }).sign(secret),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${jwt.split('.')[1]}.`,
      `${jwt.slice(0, -4)}AAAA`,
      'opaque',
      '',
    ];
    for (const value of tokens) expect(await accounts.answer(bearer(value), HOST), value).toEqual(refused);
    expect(await accounts.answer(bearer(jwt), HOST)).toEqual(accepted('ann@example.org'));
  });

  it('that do not name their key are tried with all that fit', async () => {
    const { accounts, now } = await withKeys([ec, other]);
    const unnamed = (key: Key, payload = good(now())) =>
      new SignJWT(payload).setProtectedHeader({ alg: key.alg }).sign(key.privateKey);
    for (const key of [ec, other])
      expect(await accounts.answer(bearer(await unnamed(key)), HOST)).toEqual(accepted('ann@example.org'));
    expect(await accounts.answer(bearer(await unnamed(await makeKey('ES256', 'x'))), HOST)).toEqual(refused);
    expect(await accounts.answer(bearer(await unnamed(other, { ...good(now()), aud: 'x' })), HOST)).toEqual(refused);
  });

  it('take keys from a URL, and ask for them again when one is not there', async () => {
    let keys = [rsa];
    const server = await endpoint(() => [200, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })]);
    const { accounts, now } = await openWorld(folder(), { SLUICE_OAUTH_JWKS: `${server.url}/keys`, ...rules });
    const ask = async (key: Key) => accounts.answer(bearer(await sign(key, good(now()))), HOST);
    expect(await ask(rsa)).toEqual(accepted('ann@example.org'));
    expect(await ask(rsa)).toEqual(accepted('ann@example.org'));
    expect(server.asked).toHaveLength(1);
    keys = [rsa, ec];
    // Not at once: within the time between two requests an unknown key is just unknown.
    expect(await ask(ec)).toEqual(refused);
    expect(server.asked).toHaveLength(1);
    await accounts.reload();
    expect(await ask(ec)).toEqual(accepted('ann@example.org'));
    expect(server.asked).toHaveLength(2);
  });

  it.each<[string, readonly [number, string] | null]>([
    ['500', [500, '']],
    ['no keys', [200, '{}']],
    ['no JSON', [200, 'x']],
    ['silence', null],
  ])('cannot be verified when the keys cannot be had (%s): try later', async (_name, answer) => {
    const server = await endpoint(() => answer);
    const env = { SLUICE_OAUTH_JWKS: server.url, SLUICE_AUTH_TIMEOUT: '150ms', ...rules };
    const { accounts, now, log } = await openWorld(folder(), env);
    expect(await accounts.answer(bearer(await sign(ec, good(now()))), HOST)).toEqual(unavailable);
    expect(log.lines).toMatchObject([{ level: 'error', fields: { source: 'oauth' } }]);
  });

  it('need a file of keys that is one', async () => {
    const dir = folder();
    writeFileSync(`${dir}/keys.json`, '{"keys":1}');
    const env = { SLUICE_OAUTH_JWKS: 'keys.json', ...rules };
    await expect(openWorld(dir, env)).rejects.toMatchObject({ code: 'bad-jwks', temporary: false });
  });
});

describe('introspected tokens', () => {
  const active = { active: true, username: 'ann', scope: 'smtp' };

  it('are asked about with the credentials of the relay', async () => {
    const server = await endpoint((body) =>
      new URLSearchParams(body).get('token') === 'to+ken/=='
        ? [200, JSON.stringify(active)]
        : [200, '{"active":false}'],
    );
    const { accounts, log } = await openWorld(folder(), {
      SLUICE_OAUTH_INTROSPECT_URL: server.url,
      SLUICE_OAUTH_CLIENT_ID: 'relay one',
      SLUICE_OAUTH_CLIENT_SECRET: 's:ü',
      SLUICE_OAUTH_SCOPE: 'smtp',
    });
    expect(await accounts.answer(token('Ann', 'to+ken/=='), HOST)).toEqual(accepted('ann'));
    expect(await accounts.answer(token('bob', 'to+ken/=='), HOST)).toEqual(refused);
    expect(await accounts.answer(token('ann', 'bad'), HOST)).toEqual(refused);
    expect(log.lines.at(-1)?.fields['reason']).toBe('the token is not active');
    expect(server.asked[0]).toBe('token=to%2Bken%2F%3D%3D&token_type_hint=access_token');
    const basic = `Basic ${Buffer.from('relay+one:s%3A%C3%BC').toString('base64')}`;
    expect(server.headers[0]?.authorization).toBe(basic);
  });

  it('are good no longer than they live, and no longer than the cache time without asking', async () => {
    let said: object = active;
    const server = await endpoint(() => [200, JSON.stringify(said)]);
    const { accounts, pass, now } = await openWorld(folder(), {
      SLUICE_OAUTH_INTROSPECT_URL: server.url,
      SLUICE_AUTH_CACHE: '60s',
      SLUICE_OAUTH_CLOCK_SKEW: '0',
    });
    said = { ...active, exp: Math.floor(now() / 1000) + 20 };
    expect(await accounts.answer(token('', 'a'), HOST)).toEqual(accepted('ann'));
    pass(10_000);
    expect(await accounts.answer(token('', 'a'), HOST)).toEqual(accepted('ann'));
    expect(server.asked).toHaveLength(1);
    pass(10_001);
    expect(await accounts.answer(token('', 'a'), HOST)).toEqual(refused);
    expect(server.asked).toHaveLength(2);
    said = active;
    expect(await accounts.answer(token('', 'b'), HOST)).toEqual(accepted('ann'));
    said = { active: false };
    pass(60_001);
    expect(await accounts.answer(token('', 'b'), HOST)).toEqual(refused);
  });

  it.each<[string, readonly [number, string] | null]>([
    ['401', [401, '']],
    ['500', [500, '']],
    ['no "active"', [200, '{}']],
    ['no JSON', [200, 'x']],
    ['silence', null],
  ])('cannot be verified after %s: try later', async (_name, answer) => {
    const server = await endpoint(() => answer);
    const env = { SLUICE_OAUTH_INTROSPECT_URL: server.url, SLUICE_AUTH_TIMEOUT: '150ms' };
    const { accounts, log } = await openWorld(folder(), env);
    expect(await accounts.answer(token('ann', 'secret-token'), HOST)).toEqual(unavailable);
    expect(JSON.stringify(log.lines)).not.toContain('secret-token');
  });

  it('are those that are no JWT, where both ways are set', async () => {
    const server = await endpoint(() => [200, JSON.stringify({ ...active, aud: 'sluice', scope: 'smtp send' })]);
    const { accounts, now } = await withKeys([ec], { SLUICE_OAUTH_INTROSPECT_URL: server.url });
    expect(await accounts.answer(bearer(await sign(ec, good(now()))), HOST)).toEqual(accepted('ann@example.org'));
    expect(await accounts.answer(bearer(await sign(other, good(now()))), HOST)).toEqual(refused);
    expect(server.asked).toHaveLength(0);
    expect(await accounts.answer(bearer('opaque.token'), HOST)).toEqual(accepted('ann'));
  });
});
