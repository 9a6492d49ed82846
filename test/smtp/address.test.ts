import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { domainOf, parsePath } from '../../src/smtp/address.js';

function forward(text: string): unknown {
  const path = parsePath(text, 0, 'forward');
  return typeof path === 'string' ? path : `${path.address} ${path.domain}`;
}

describe('paths', () => {
  const label = 'd'.repeat(63);
  const good: [string, string][] = [
    ['<a@b.example>', 'a@b.example b.example'],
    ['<A.b@C.Example>', 'A.b@C.Example c.example'],
    ["<!#$%&'*/=?^_`{|}~-@b.example>", "!#$%&'*/=?^_`{|}~-@b.example b.example"],
    ['<"a b\\"@"@b.example>', '"a b\\"@"@b.example b.example'],
    ['<""@b.example>', '""@b.example b.example'],
    ['<a@[127.0.0.1]>', 'a@[127.0.0.1] [127.0.0.1]'],
    ['<a@[IPv6:2001:DB8::1]>', 'a@[IPv6:2001:DB8::1] [ipv6:2001:db8::1]'],
    ['<a@[IPv6:::ffff:1.2.3.4]>', 'a@[IPv6:::ffff:1.2.3.4] [ipv6:::ffff:1.2.3.4]'],
    ['<@one.example,@[1.2.3.4]:a@b.example>', 'a@b.example b.example'],
    ['<a@my_host.example>', 'a@my_host.example my_host.example'],
    ['<a@123.example>', 'a@123.example 123.example'],
    ['<postMaster>', 'postMaster '],
    ['<é@bücher.example>', 'é@bücher.example xn--bcher-kva.example'],
    [`<${'l'.repeat(64)}@${label}.example>`, `${'l'.repeat(64)}@${label}.example ${label}.example`],
  ];
  it.each(good)('takes %s', (text, expected) => {
    expect(forward(text)).toBe(expected);
    expect(parsePath(`x${text} SIZE=1`, 1, 'forward')).toMatchObject({ end: text.length + 1 });
  });

  const bad = [
    '',
    'a@b.example',
    '<>',
    '<a@b.example',
    '<<a@b.example>>',
    '<a@@b.example>',
    '<a@b@c.example>',
    '<a..b@c.example>',
    '<.a@c.example>',
    '<a.@c.example>',
    '<a@c..example>',
    '<a@.example>',
    '<a@example.>',
    '<a@-b.example>',
    '<a@b-.example>',
    '<a b@c.example>',
    '<a@c d.example>',
    '<a@>',
    '<@b.example>',
    '<@b.example:>',
    '<a>',
    '<"a@b.example>',
    '<"a"b@c.example>',
    '<"a\x01"@c.example>',
    '<a\x7f@c.example>',
    '<a@[300.1.2.3]>',
    '<a@[1.2.3]>',
    '<a@[01.2.3.4]>',
    '<a@[IPv6:gg::1]>',
    '<a@[IPv6:1:2:3:4:5:6:7]>',
    '<a@[IPv6:1::2::3]>',
    '<a@[IPv6::1]>',
    '<a@[IPv6:1.2.3.4]>',
    '<a@[1.2.3.4>',
    '<a@[1.2.3.4]x>',
    '<a@\u2024.example>',
    '<a@\uff0eb.example>',
    `<${'l'.repeat(65)}@b.example>`,
    `<${'é'.repeat(33)}@b.example>`,
    `<a@${'d'.repeat(64)}.example>`,
    `<${'l'.repeat(64)}@${'dddd.'.repeat(40)}example>`,
  ];
  it.each(bad)('refuses %j', (text) => {
    expect(typeof parsePath(text, 0, 'forward')).toBe('string');
  });

  it('knows the null sender only as a reverse path', () => {
    expect(parsePath('<>', 0, 'reverse')).toEqual({ address: '', domain: '', nonAscii: false, end: 2 });
    expect(typeof parsePath('<postmaster>', 0, 'reverse')).toBe('string');
  });

  it('names the domain of a mailbox', () => {
    expect(domainOf('"a@b"@C.Example')).toBe('c.example');
    expect(domainOf('a@Bücher.example')).toBe('xn--bcher-kva.example');
    expect(domainOf('')).toBe('');
    expect(domainOf('postmaster')).toBe('');
  });

  it('agrees with the collected addresses', (context) => {
    const file = '../shared/conformance/address/isemail-cases.json';
    if (!existsSync(file)) {
      console.warn(`skipped: ${file} is absent`);
      context.skip();
    }
    const cases = JSON.parse(readFileSync(file, 'utf8')) as { address: string; smtp_path: string; id: string }[];
    const wrong = cases.filter(({ address, smtp_path }) => {
      const path = parsePath(`<${address}>`, 0, 'reverse');
      const taken = typeof path !== 'string' && path.end === address.length + 2;
      // The empty address is the null sender here.
      return address !== '' && taken !== smtp_path.startsWith('legal');
    });
    expect(wrong.map(({ id, address }) => `${id} ${address}`)).toEqual([]);
    expect(cases.length).toBeGreaterThan(100);
  });
});
