import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listenProblems } from '../../src/config/listen-checks.js';
import { type ListenAddress, listenAddress } from '../../src/config/listen-type.js';
import { listenerNames } from '../../src/config/listener-names.js';

const type = listenAddress();
const parse = (text: string) => type.parse(text) as { value: object };

describe('a listener', () => {
  it.each([
    ['smtp://192.0.2.1', { scheme: 'smtp', host: '192.0.2.1', port: 25, tls: 'optional', auth: 'optional' }],
    ['SMTP://[2001:DB8::0:1]:2525', { scheme: 'smtp', host: '2001:db8::1', port: 2525 }],
    ['submission://192.0.2.1', { scheme: 'submission', port: 587, tls: 'required', auth: 'required' }],
    ['submission://192.0.2.1:5870?auth=none', { port: 5870, tls: 'required', auth: 'none' }],
    ['submission://192.0.2.1?tls=optional&auth=Optional', { tls: 'optional', auth: 'optional' }],
    ['smtps://192.0.2.1', { scheme: 'smtps', port: 465, tls: 'implicit', auth: 'required' }],
    ['smtps://192.0.2.1?tls=required&auth=optional', { tls: 'implicit', auth: 'optional' }],
    ['smtp://192.0.2.1?tls=none&auth=required&proxy=v2', { tls: 'none', auth: 'required', proxy: 'v2' }],
    ['smtp://fd/3', { scheme: 'smtp', host: '', port: 0, inherited: '3' }],
    ['smtps://fd/sluice-smtps.socket?proxy=v1', { tls: 'implicit', inherited: 'sluice-smtps.socket', proxy: 'v1' }],
    [
      'smtp://192.0.2.1?lane=Immediate&name=News',
      { lane: 'immediate', name: 'news', limits: { messagesPerMinute: 0, connections: 0 } },
    ],
    [
      'smtp://192.0.2.1?messages_per_minute=600&recipients_per_minute=6000&connections=50&connections_per_second=5',
      {
        lane: null,
        name: '',
        limits: { messagesPerMinute: 600, recipientsPerMinute: 6000, connections: 50, connectionsPerSecond: 5 },
      },
    ],
    ['smtp://fd:2525', { host: 'fd', port: 2525, inherited: '' }],
    ['smtp://0.0.0.0:2525?transparent=redirect', { port: 2525, transparent: 'redirect', proxy: 'none' }],
    ['smtp://[::]:2525?transparent=TPROXY&auth=none', { host: '::', transparent: 'tproxy' }],
  ])('%s', (text, expected) => {
    const parsed = parse(text);
    expect(parsed).toMatchObject({ value: expected });
    expect(type.parse(type.format(parsed.value as never))).toEqual(parsed);
  });

  it.each([
    ['smtp://0.0.0.0?transparent=yes', 'transparent is not one of none, redirect, tproxy'],
    ['smtp://0.0.0.0?transparent=redirect&proxy=v2', 'proxy= and transparent= cannot be on one listener'],
  ])('%s is refused', (text, problem) => {
    expect(parse(text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('is written in a form that is read back to the same, and is a URL', () => {
    const text = fc
      .record({
        scheme: fc.constantFrom('smtp', 'submission', 'smtps'),
        at: fc.constantFrom('127.0.0.1', '[::1]:0', 'mail.example:2525', 'fd/7', 'fd/a-b.c', 'fd'),
        auth: fc.constantFrom('', 'auth=none', 'auth=optional', 'auth=required'),
        tls: fc.constantFrom('', 'tls=none', 'tls=optional', 'tls=required'),
        proxy: fc.constantFrom('', 'proxy=none', 'proxy=v1', 'proxy=v2'),
        lane: fc.constantFrom('', 'lane=immediate', 'lane=Bulk'),
        name: fc.constantFrom('', 'name=in', 'name=Out-1.x'),
        limit: fc.constantFrom('', 'messages_per_minute=10', 'connections=0', 'connections_per_second=1000000000'),
      })
      .filter(({ scheme, tls }) => scheme !== 'smtps' || tls === '' || tls === 'tls=required')
      .map(({ scheme, at, ...query }) => {
        return `${scheme}://${at}?${Object.values(query)
          .filter((one) => one !== '')
          .join('&')}`;
      });
    fc.assert(
      fc.property(text, (given) => {
        const parsed = parse(given);
        expect(parsed).toHaveProperty('value');
        const shown = type.format(parsed.value as never);
        expect(URL.canParse(shown)).toBe(true);
        expect(type.parse(shown)).toEqual(parsed);
      }),
    );
  });

  it.each(['lane=fast', 'lane=bulk&lane=bulk', 'name=', 'name=a%20b', 'name=a&name=b', 'messages_per_minute=-1'])(
    'is refused with %s, and the parameter is named',
    (query) => {
      const [parameter] = query.split('=');
      expect(type.parse(`smtp://127.0.0.1?${query}`)).toEqual({
        problem: expect.stringContaining(`${parameter} is not`),
      });
    },
  );
});

describe('names of listeners', () => {
  const named = (...texts: string[]) =>
    listenerNames(texts.map((text) => (type.parse(text) as { value: ListenAddress }).value));

  it('are the given ones, the scheme for the first of it, and else its place', () => {
    expect(
      named(
        'smtp://[::1]:25',
        'smtp://127.0.0.1:2525',
        'smtps://[::1]?name=Smtp-2525',
        'smtp://fd/in',
        'submission://[::1]',
      ),
    ).toEqual(['smtp', 'smtp-2525-2', 'smtp-2525', 'smtp-fdin', 'submission']);
    expect(named('smtp://[::1]:0', 'smtp://127.0.0.1:0', 'smtp://127.0.0.1:0')).toEqual(['smtp', 'smtp-0', 'smtp-0-2']);
    expect(named('smtp://[::1]', 'smtps://[::1]?name=smtp')).toEqual(['smtp-25', 'smtp']);
  });

  it('are given once each', () => {
    const listen = ['smtp://[::1]:25?name=a', 'smtp://[::1]:26?name=A'].map(
      (text) => (type.parse(text) as { value: ListenAddress }).value,
    );
    expect(listenProblems(listen, { accounts: false, proxies: false })).toEqual([
      'SLUICE_LISTEN: name=a is given twice; allowed: once',
    ]);
  });
});
