import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listenAddress } from '../../src/config/listen-type.js';

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
    ['smtp://fd:2525', { host: 'fd', port: 2525, inherited: '' }],
  ])('%s', (text, expected) => {
    const parsed = parse(text);
    expect(parsed).toMatchObject({ value: expected });
    expect(type.parse(type.format(parsed.value as never))).toEqual(parsed);
  });

  it('is written in a form that is read back to the same, and is a URL', () => {
    const text = fc
      .record({
        scheme: fc.constantFrom('smtp', 'submission', 'smtps'),
        at: fc.constantFrom('127.0.0.1', '[::1]:0', 'mail.example:2525', 'fd/7', 'fd/a-b.c', 'fd'),
        auth: fc.constantFrom('', 'auth=none', 'auth=optional', 'auth=required'),
        tls: fc.constantFrom('', 'tls=none', 'tls=optional', 'tls=required'),
        proxy: fc.constantFrom('', 'proxy=none', 'proxy=v1', 'proxy=v2'),
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
});
