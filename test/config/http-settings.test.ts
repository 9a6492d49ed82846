/** Settings of HTTP: addresses, and what is wrong between them. */
import { describe, expect, it } from 'vitest';
import { httpAddress } from '../../src/config/http-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import { isValue } from '../../src/config/value-type.js';

const TOKEN = 'correct-horse-battery';
const load = (env: Record<string, string>) => loadSettings(env, '/nowhere');

describe('SLUICE_HTTP', () => {
  it.each([
    ['http://127.0.0.1:8025', { host: '127.0.0.1', port: 8025, tls: false }],
    ['https://[::1]:0', { host: '::1', port: 0, tls: true }],
    ['HTTP://localhost/', { host: 'localhost', port: 8025, tls: false }],
    ['Off', null],
  ])('takes %s', (text, value) => {
    const parsed = httpAddress().parse(text);
    expect(parsed).toEqual({ value });
    if (isValue(parsed)) expect(httpAddress().parse(httpAddress().format(parsed.value))).toEqual(parsed);
  });

  it.each([
    '8025',
    'ftp://x:1',
    'http://',
    'http://a:65536',
    'http://u:p@a:1',
    'http://a:1/x',
    'http://::1:1',
    'http://[x]:1',
  ])('does not take %s', (text) => expect(isValue(httpAddress().parse(text))).toBe(false));

  it('beyond loopback needs a token, and is warned of in the clear', () => {
    for (const host of ['0.0.0.0', '[::]', 'mail.example', '127.attacker.example']) {
      expect(load({ SLUICE_HTTP: `http://${host}:1` }).problems, host).toEqual([
        expect.stringMatching(/^SLUICE_HTTP: .*set SLUICE_HTTP_TOKEN or SLUICE_HTTP_TOKEN_FILE/),
      ]);
      const { problems, warnings } = load({ SLUICE_HTTP: `http://${host}:1`, SLUICE_HTTP_TOKEN: TOKEN });
      expect([problems, warnings]).toEqual([[], [expect.stringMatching(/in the clear .*use https/)]]);
    }
    for (const host of ['127.0.0.1', '127.8.9.10', '[::1]', 'localhost'])
      expect(load({ SLUICE_HTTP: `http://${host}:1` })).toMatchObject({ problems: [], warnings: [] });
  });

  it('with TLS needs a certificate, its own or that of listeners', () => {
    const own = { SLUICE_HTTP_TLS_CERT: 'c', SLUICE_HTTP_TLS_KEY: 'k' };
    const https = { SLUICE_HTTP: 'https://127.0.0.1:1' };
    expect(load(https).problems).toEqual([expect.stringMatching(/has no certificate/)]);
    expect(load({ ...https, SLUICE_TLS_CERT: 'c', SLUICE_TLS_KEY: 'k' }).problems).toEqual([]);
    expect(load({ ...https, ...own })).toMatchObject({ problems: [], settings: { httpTlsCert: '/nowhere/c' } });
    expect(load({ SLUICE_HTTP_TLS_KEY: 'k' }).problems).toEqual([expect.stringMatching(/both or neither/)]);
  });

  it('shows no token that is not allowed', () => {
    for (const token of ['hunter2', 'hunter2 with blanks in it', `hunter2${'x'.repeat(1020)}`]) {
      const [problem] = load({ SLUICE_HTTP_TOKEN: token }).problems;
      expect(problem).toMatch(/^SLUICE_HTTP_TOKEN: /);
      expect(problem).not.toContain('hunter2');
    }
  });
});
