/**
 * URLs of next hops: what they mean, what is wrong with them, and that no password shows anywhere.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeSettings } from '../../src/config/describe-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import { schema } from '../../src/config/schema.js';
import { UPSTREAM_PRESETS } from '../../src/config/upstream-presets.js';
import { type UpstreamAddress, upstreamAddress, upstreamLogin } from '../../src/config/upstream-type.js';

const type = upstreamAddress();
const machine = { hostname: 'me.example', cores: 4, memory: 4 * 2 ** 30 };
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-upstream-type-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

function value(text: string): UpstreamAddress {
  const parsed = type.parse(text);
  if (!('value' in parsed)) throw new Error(`${text}: ${parsed.problem}`);
  return parsed.value;
}

function problem(text: string): string {
  const parsed = type.parse(text);
  if ('value' in parsed) throw new Error(`${text} was taken`);
  return parsed.problem;
}

const PIN = 'ab'.repeat(32);

describe('a URL', () => {
  it.each<[string, Partial<UpstreamAddress>]>([
    ['smtp://a.example', { host: 'a.example', port: 25, tls: '', implicit: false, pool: 50, weight: 1, verify: true }],
    ['smtps://a.example', { port: 465, tls: 'required', implicit: true }],
    [
      'SMTP://A.example:2525/?pool=7&weight=3&messages=10&recipients=20',
      { host: 'a.example', port: 2525, pool: 7, weight: 3, messages: 10, recipients: 20 },
    ],
    ['smtp://a.example', { region: '', cost: 0, quota: 0, check: 0 }],
    [
      'smtp://a.example?region=EU-west-1&cost=3&quota=50000&check=30s',
      { region: 'eu-west-1', cost: 3, quota: 50_000, check: 30_000 },
    ],
    ['smtp://a.example?region=+52.5-13.4', { region: '+52.5-13.4' }],
    ['smtp://[2001:DB8::1]:587?tls=none', { host: '2001:db8::1', port: 587, tls: 'none' }],
    ['smtp://me%40example.org:a%2Fb+c%40%3A%2C%25@h.example', { user: 'me@example.org', password: 'a/b+c@:,%' }],
    ['smtp://me@h.example', { user: 'me', password: '' }],
    ['smtp://h.example?user=me%40x&password_file=/run/pw+1', { user: 'me@x', passwordFile: '/run/pw+1' }],
    ['smtp://u:p@h.example?auth=scram-sha-256&auth_in_clear=yes', { mechanism: 'SCRAM-SHA-256', authInClear: true }],
    [
      `smtp://h.example?tls=required&pin=${PIN}&pin=${PIN.toUpperCase().replace(/(..)(?=.)/g, '$1:')}`,
      { pins: [PIN, PIN] },
    ],
    ['smtp://h.example?tls=required&verify=no', { verify: false }],
    [
      'smtp://10.0.0.1?tls=required&ca=/etc/ca.pem&name=MX.example&cert=/c&key=/k',
      { host: '10.0.0.1', ca: '/etc/ca.pem', name: 'mx.example', cert: '/c', key: '/k' },
    ],
    ['ses://us-east-1', { host: 'email-smtp.us-east-1.amazonaws.com', port: 587, tls: 'required', recipients: 50 }],
    [
      'ses://AKIA:ab%2Fcd+e=@eu-west-1?pool=5&recipients=10',
      { user: 'AKIA', password: 'ab/cd+e=', pool: 5, recipients: 10 },
    ],
    ['sendgrid://', { host: 'smtp.sendgrid.net', port: 587, user: 'apikey', messages: 5000 }],
    ['sendgrid://apikey:SG.x@', { user: 'apikey', password: 'SG.x' }],
    ['mandrill://:key@', { host: 'smtp.mandrillapp.com', password: 'key' }],
    ['gmail://me%40example.org@', { host: 'smtp.gmail.com', port: 465, implicit: true, user: 'me@example.org' }],
    ['exchange-online://me%40example.org@', { host: 'smtp.office365.com', port: 587, pool: 3 }],
  ])('%s', (text, expected) => {
    expect(value(text)).toMatchObject(expected);
  });

  it('says where tokens come from', () => {
    expect(value('exchange-online://a%40b@?oauth=contoso.example&client_id=id&client_secret_file=/s').tokens).toEqual({
      url: 'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
      clientId: 'id',
      clientSecret: '',
      clientSecretFile: '/s',
      refreshToken: '',
      refreshTokenFile: '',
      scope: 'https://outlook.office365.com/.default',
    });
    expect(value('gmail://a%40b@?oauth=google&client_id=id&client_secret=x&refresh_token=1//y').tokens).toMatchObject({
      url: 'https://oauth2.googleapis.com/token',
      refreshToken: '1//y',
      scope: '',
    });
    expect(
      value('smtp://u@h?oauth=https://id.example/token&client_id=i&client_secret=s&scope=a%20b').tokens,
    ).toMatchObject({ url: 'https://id.example/token', scope: 'a b' });
  });

  it.each([
    ['http://a.example', /the scheme is not one of smtp, smtps, ses/],
    ['a.example:25', /does not begin with smtp/],
    ['smtp://', /neither an address nor a name/],
    ['smtp://u:a/b@h.example', /%2F/],
    ['smtp://u:a@b@h.example', /%40/],
    ['smtp://u:a%zz@h.example', /percent-encoded/],
    ['smtp://u:a%0ab@h.example', /percent-encoded/],
    ['smtp://h.example:0', /port/],
    ['smtp://h.example:65536', /port/],
    ['smtp://h.example?pools=1', /\?pools= is unknown \(known: pool/],
    ['smtp://h.example?pool=1&pool=2', /pool is given twice/],
    ['smtp://h.example?pool=0', /pool is not a number/],
    ['smtp://h.example?region=+91+0', /region is not a name such as eu-west-1, or degrees/],
    ['smtp://h.example?cost=0', /cost is not a number from 1 to/],
    ['smtp://h.example?quota=many', /quota is not a number from 1 to/],
    ['smtp://h.example?check=500ms', /check is not a time such as/],
    ['smtp://h.example?tls=yes', /tls is not one of none, opportunistic, required/],
    ['smtps://h.example?tls=opportunistic', /TLS comes before anything/],
    ['smtp://h.example?verify=yes', /tls=required only/],
    ['smtp://h.example?tls=opportunistic&ca=/x', /tls=required only/],
    ['smtp://h.example?tls=required&verify=maybe', /yes or no/],
    ['smtp://h.example?tls=required&pin=abc', /pin is not a SHA-256/],
    ['smtp://h.example?cert=/c', /cert and key go together/],
    ['smtp://h.example?auth=NTLM', /auth is not one of SCRAM/],
    ['smtp://u:p@h.example?user=v', /user is given twice/],
    ['smtp://u:p@h.example?password_file=v', /password is given twice/],
    ['smtp://u@h.example?client_secret=x', /client_secret needs oauth=/],
    ['smtp://u@h.example?oauth=tenant&client_id=x&client_secret=y', /token endpoint/],
    ['smtp://u@h.example?oauth=http://id.example/t&client_id=x&client_secret=y', /token endpoint/],
    ['smtp://u@h.example?oauth=https://id.example/t', /client_id/],
    ['smtp://u@h.example?oauth=https://id.example/t&client_id=x', /client_secret_file= or refresh_token_file=/],
    ['ses://', /region/],
    ['ses://evil.example', /region/],
    ['sendgrid://elsewhere.example', /nothing stands for the host/],
  ])('%s is a problem', (text, expected) => {
    expect(problem(text)).toMatch(expected);
  });

  it('is written so that it reads back the same', () => {
    const word = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .filter((text) => !/[\u0000-\u001f\u007f]/.test(text));
    fc.assert(
      fc.property(word, word, word, (user, password, path) => {
        const text = `smtp://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h.example:26?tls=required&ca=${encodeURIComponent(path)}&pin=${PIN}`;
        const parsed = value(text);
        expect([parsed.user, parsed.password, parsed.ca]).toEqual([user, password, path]);
        expect(value(type.format(parsed))).toEqual(parsed);
      }),
    );
    for (const { scheme, part } of UPSTREAM_PRESETS) {
      const parsed = value(`${scheme}://u:p@${part === '' ? '' : 'x-1'}?auth_in_clear=yes`);
      expect(value(type.format(parsed))).toEqual(parsed);
    }
  });

  it('never takes a text that is thrown at it without an answer', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const parsed = type.parse(`smtp://${text}`);
        expect('value' in parsed || parsed.problem !== '').toBe(true);
      }),
    );
  });
});

describe('a login', () => {
  it('is a host, a user and a password, which may hold colons and blanks', () => {
    expect(upstreamLogin().parse('Mail.Example  me@x:a b:c')).toEqual({
      value: { host: 'mail.example', user: 'me@x', password: 'a b:c' },
    });
    expect(upstreamLogin().parse('mail.example me')).toHaveProperty('problem');
  });
});

describe('secrets', () => {
  const SECRET = 'hunter2';
  const urls = [
    `smtp://me:${SECRET}@a.example:25`,
    `smtp://me:${SECRET}/x@a.example`,
    `smtp://me:x@${SECRET}@a.example`,
    `smtp://me:x,${SECRET}@a.example`,
    `smtp://me:${SECRET}@a.example?bad=1`,
    `smtp://me:${SECRET}`,
    `ftp://me:${SECRET}@a.example`,
    `smtp://me@a.example?client_secret=${SECRET}`,
    `smtp://me@a.example?oauth=https://x.example/&client_id=a&client_secret=${SECRET}&refresh_token=${SECRET}`,
    `smtp://me@a.example?${SECRET}=1`,
    `smtp://me@a.example?password=${SECRET}`,
    `${SECRET}@a.example`,
  ];

  it.each(urls)('of %s are not in problems and not in what `sluice check` prints', (url) => {
    const loaded = loadSettings({ SLUICE_UPSTREAM: `smtp://ok.example,${url}` }, cwd, machine);
    const shown = [...loaded.problems, ...loaded.warnings, ...describeSettings(schema, loaded)].join('\n');
    expect(shown).not.toContain(SECRET);
  });

  it('a problem says which of the next hops it is', () => {
    const { problems } = loadSettings({ SLUICE_UPSTREAM: 'smtp://ok.example,smtp://b.example?pool=x' }, cwd, machine);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('number 2: pool is not a number from 1 to 1000');
  });

  it('may stand in files', () => {
    writeFileSync(join(cwd, 'up'), `smtps://me:${SECRET}@a.example\n`);
    writeFileSync(join(cwd, 'pw'), `${SECRET}\n`);
    writeFileSync(join(cwd, 'logins'), `a.example me:${SECRET}\n\nb.example you:x y\n`);
    const loaded = loadSettings(
      {
        SLUICE_UPSTREAM_FILE: 'up',
        SLUICE_UPSTREAM_PASSWORD_FILE: 'pw',
        SLUICE_UPSTREAM_LOGINS_FILE: 'logins',
        SLUICE_UPSTREAM_USER: 'we',
      },
      cwd,
      machine,
    );
    expect([loaded.problems, loaded.warnings]).toEqual([[], []]);
    expect(loaded.settings.upstream[0]).toMatchObject({ user: 'me', password: SECRET });
    expect(loaded.settings.upstreamPassword).toBe(SECRET);
    expect(loaded.settings.upstreamLogins).toEqual([
      { host: 'a.example', user: 'me', password: SECRET },
      { host: 'b.example', user: 'you', password: 'x y' },
    ]);
    const shown = describeSettings(schema, loaded).join('\n');
    expect(shown).not.toContain(SECRET);
    expect(shown).toContain('smtps://me:***@a.example:465');
  });
});
