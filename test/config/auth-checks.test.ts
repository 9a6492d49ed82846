/** Settings of authentication: values, and what is wrong between them. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load-settings.js';

const load = (env: Record<string, string>) => loadSettings(env, '/nowhere');
const oauth = { SLUICE_OAUTH_JWKS: 'keys.json', SLUICE_OAUTH_ISSUER: 'i', SLUICE_OAUTH_AUDIENCE: 'a, b' };

describe('settings of authentication', () => {
  it('have paths from the working directory, and URLs as they are', () => {
    const { settings, problems } = load({
      ...oauth,
      SLUICE_AUTH_FILE: 'accounts',
      SLUICE_AUTH_CA: 'ca.pem',
      SLUICE_CONFIG: '/etc/sluice.toml',
      SLUICE_AUTH_MECHANISMS: 'scram-sha-256, Plain',
      SLUICE_OAUTH_ALGORITHMS: 'rs256',
    });
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({
      authFile: join('/nowhere', 'accounts'),
      authCa: join('/nowhere', 'ca.pem'),
      configFile: '/etc/sluice.toml',
      oauthJwks: join('/nowhere', 'keys.json'),
      oauthAudience: ['a', 'b'],
      oauthAlgorithms: ['RS256'],
      authMechanisms: ['SCRAM-SHA-256', 'PLAIN'],
    });
    expect(load({ ...oauth, SLUICE_OAUTH_JWKS: 'https://x.example/k' }).settings.oauthJwks).toBe('https://x.example/k');
    expect(load({}).settings.oauthAlgorithms).not.toContain('HS256');
  });

  it.each([
    [{ SLUICE_AUTH_URL: 'ftp://x' }, 'SLUICE_AUTH_URL: "ftp://x" is not allowed (it begins with neither'],
    [{ SLUICE_AUTH_URL: 'https://' }, 'it is not a URL'],
    [{ SLUICE_AUTH_URL: 'https://x/#y' }, 'it has a fragment'],
    [{ SLUICE_AUTH_MECHANISMS: 'plain,md5' }, '"md5" is not one'],
    [{ ...oauth, SLUICE_OAUTH_ALGORITHMS: 'HS256' }, '"HS256" is not one'],
    [{ ...oauth, SLUICE_OAUTH_ISSUER: '' }, 'SLUICE_OAUTH_ISSUER: it is not set'],
    [{ ...oauth, SLUICE_OAUTH_AUDIENCE: '' }, 'SLUICE_OAUTH_AUDIENCE: it is not set'],
    [{ SLUICE_OAUTH_ISSUER: 'x' }, 'SLUICE_OAUTH_ISSUER: no token is verified; set SLUICE_OAUTH_JWKS or'],
    [{ SLUICE_OAUTH_SCOPE: 'x' }, 'SLUICE_OAUTH_SCOPE: no token is verified'],
    [{ SLUICE_OAUTH_CLIENT_ID: 'x' }, 'SLUICE_OAUTH_CLIENT_ID: nobody is asked; set SLUICE_OAUTH_INTROSPECT_URL'],
    [{ SLUICE_OAUTH_CLIENT_SECRET: 'x' }, 'SLUICE_OAUTH_CLIENT_SECRET: it is given without SLUICE_OAUTH_CLIENT_ID'],
    [{ SLUICE_AUTH_CERTIFICATE_NAMES: 'email' }, 'SLUICE_AUTH_CERTIFICATE_NAMES: no client certificate'],
    [{ SLUICE_AUTH_DELAY: '10s' }, 'SLUICE_AUTH_DELAY: 10s is longer than SLUICE_AUTH_MAX_DELAY (8s)'],
  ])('refuse %j', (env, message) => {
    const { problems } = load(env as Record<string, string>);
    expect(problems.join('\n')).toContain(message);
    expect(problems).toHaveLength(1);
  });

  it('warn of secrets in the clear, but not on this host', () => {
    const warnings = (url: string) => load({ SLUICE_AUTH_URL: url }).warnings;
    expect(warnings('http://u:p@auth.example/')).toEqual([
      expect.stringMatching(/^SLUICE_AUTH_URL: passwords go there/),
    ]);
    for (const url of ['https://auth.example/', 'http://127.0.0.1:8080/x', 'http://[::1]/', 'http://localhost/'])
      expect(warnings(url)).toEqual([]);
  });

  it('let listeners require authentication by certificate alone', () => {
    const env = { SLUICE_LISTEN: 'submission://127.0.0.1:587', SLUICE_TLS_CLIENT_CA: 'ca.pem' };
    expect(load(env).problems).toHaveLength(1);
    expect(load({ ...env, SLUICE_CONFIG: 's.toml' }).problems).toEqual([]);
  });
});
