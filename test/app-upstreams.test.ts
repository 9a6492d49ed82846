/**
 * From settings to next hops: whose user and password, which policy, and what cannot be used.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distancesFrom } from '../src/app-distances.js';
import { upstreamsOf } from '../src/app-upstreams.js';
import { loadSettings } from '../src/config/load-settings.js';
import { systemClock } from '../src/core/clock.js';
import { selfSigned } from './helpers/test-authority.js';
import { tinyMmdb } from './helpers/tiny-mmdb.js';

const machine = { hostname: 'me.example', cores: 4, memory: 4 * 2 ** 30 };
const nobody = { request: () => Promise.reject(new Error('not asked')) };
const own = selfSigned({ names: ['me.example'] });
let cwd = '';
const path = (name: string) => join(cwd, name);
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-app-upstreams-'));
  writeFileSync(path('pw'), 'from file\n');
  writeFileSync(path('cert'), own.cert);
  writeFileSync(path('key'), own.key);
  writeFileSync(path('junk'), 'junk');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

function upstreams(env: Record<string, string>) {
  const { settings, problems } = loadSettings(env, cwd, machine);
  expect(problems).toEqual([]);
  return upstreamsOf(settings, nobody, systemClock, distancesFrom(settings));
}

/** `user password mode verify` of each. */
function short(env: Record<string, string>): string[] {
  return upstreams(env).map(({ credentials, tls }) =>
    [credentials?.sasl.user ?? '-', credentials?.sasl.password ?? '-', tls.mode, tls.verify].join(' '),
  );
}

describe('users and passwords', () => {
  it('come from the URL, the logins, the common settings, in this order', () => {
    const SLUICE_UPSTREAM = `smtp://u:p@a.example,smtp://b.example,smtp://v@b.example,smtp://w@c.example,smtp://d.example,smtp://x@e.example?password_file=${path('pw')},sendgrid://`;
    expect(
      short({
        SLUICE_UPSTREAM,
        SLUICE_UPSTREAM_LOGINS: 'b.example login:lp\nsmtp.sendgrid.net other:key',
        SLUICE_UPSTREAM_USER: 'common',
        SLUICE_UPSTREAM_PASSWORD: 'cp',
      }),
    ).toEqual([
      'u p required pki',
      'login lp required pki',
      'v cp required pki',
      'w cp required pki',
      'common cp required pki',
      'x from file required pki',
      'other key required pki',
    ]);
  });

  it('are none where none is given: then TLS is opportunistic', () => {
    expect(short({ SLUICE_UPSTREAM: 'smtp://a.example,smtp://b.example?tls=none' })).toEqual([
      '- - opportunistic any',
      '- - none any',
    ]);
  });

  it.each([
    ['smtp://u@a.example', /a\.example:25: there is a user but no password: set SLUICE_UPSTREAM_PASSWORD_FILE/],
    ['smtp://:p@a.example', /no user/],
    ['gmail://?oauth=google&client_id=x&client_secret=y', /no user/],
    ['smtp://u@a.example?password_file=/no/such', /\/no\/such cannot be read/],
    ['smtp://a.example?tls=required&ca=JUNK', /holds no certificate/],
    ['smtp://a.example?tls=required&cert=JUNK&key=JUNK', /cannot be used/],
    ['smtp://a.example?tls=required&cert=CERT&key=JUNK', /cannot be used/],
  ])('%s cannot be used', (url, expected) => {
    const given = url.replaceAll('JUNK', path('junk')).replaceAll('CERT', path('cert'));
    expect(() => upstreams({ SLUICE_UPSTREAM: given })).toThrow(expected);
  });
});

describe('policies', () => {
  it('hold what the URL says', () => {
    const [one, two, three] = upstreams({
      SLUICE_UPSTREAM: `smtps://a.example?name=mx.example&ca=${path('cert')}&cert=${path('cert')}&key=${path('key')},smtp://b.example?tls=required&pin=${own.fingerprint},smtp://c.example?tls=required&verify=no`,
      SLUICE_UPSTREAM_TLS_MIN_VERSION: 'tlsv1.3',
    });
    expect(one!.tls).toMatchObject({
      mode: 'required',
      implicit: true,
      verify: 'pki',
      serverName: 'mx.example',
      names: ['mx.example'],
      ca: own.cert,
      cert: own.cert,
      key: own.key,
      minVersion: 'TLSv1.3',
      source: 'setting',
    });
    expect(two!.tls).toMatchObject({ verify: 'pin', pins: [own.fingerprint] });
    expect(three!.tls.verify).toBe('any');
  });

  it('with EXTERNAL need a certificate only', () => {
    const [one] = upstreams({
      SLUICE_UPSTREAM: `smtps://a.example?auth=EXTERNAL&cert=${path('cert')}&key=${path('key')}`,
    });
    expect(one!.credentials?.sasl).toMatchObject({ mechanism: 'EXTERNAL', certificate: true, user: '' });
  });
});

describe('what an upstream is chosen by', () => {
  it('comes from its URL', () => {
    const [one] = upstreams({ SLUICE_UPSTREAM: 'smtp://a.example?region=eu-west-1&cost=2&quota=1000&check=1m' });
    expect(one).toMatchObject({ region: 'eu-west-1', cost: 2, quota: 1000, check: 60_000 });
    expect(one!.guessDistance).toBeUndefined();
  });

  it('the distance is guessed by region, by a name that holds one, then by address', () => {
    writeFileSync(path('city.mmdb'), tinyMmdb(52.5, 13.4));
    const [near, far, other] = upstreams({
      SLUICE_UPSTREAM: 'smtp://a.example?region=eu-west-3,ses://ap-southeast-2?tls=required&verify=no,smtp://c.example',
      SLUICE_UPSTREAM_USER: 'u',
      SLUICE_UPSTREAM_PASSWORD: 'p',
      SLUICE_REGION: 'eu-central-1',
      SLUICE_GEOIP_FILE: path('city.mmdb'),
    });
    const at = (address: string) => [near, far, other].map((upstream) => upstream!.guessDistance!(address));
    expect(at('10.0.0.1').map((ms) => Math.round(ms!))).toEqual([12, 252, 11]);
    expect(at('192.0.2.1')[2]).toBeUndefined();
  });

  it('a database of places needs a place to measure from', () => {
    expect(() => upstreams({ SLUICE_UPSTREAM: 'smtp://a.example', SLUICE_GEOIP_FILE: path('junk') })).toThrow(
      /SLUICE_GEOIP_FILE needs a SLUICE_REGION/,
    );
  });
});
