import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressList, qualified, qualifiedList } from '../../../src/compat/sendmail/address-list.js';

const addresses = (text: string) => addressList(text).map(({ address }) => address);

describe('a list of addresses', () => {
  it.each([
    ['', []],
    ['ann', ['ann']],
    ['ann@a.example', ['ann@a.example']],
    ['ann@a.example, bob@b.example', ['ann@a.example', 'bob@b.example']],
    ['ann bob', ['ann', 'bob']],
    ['Ann Example <ann@a.example>', ['ann@a.example']],
    ['"Example, Ann" <ann@a.example>, b@b.example', ['ann@a.example', 'b@b.example']],
    ['ann@a.example (Ann, (nested) \\) Example)', ['ann@a.example']],
    ['(only a comment)', []],
    ['team: x@t.example, Y <y@t.example>;', ['x@t.example', 'y@t.example']],
    ['a@a.example, team:x@t.example;, b@b.example', ['a@a.example', 'x@t.example', 'b@b.example']],
    ['undisclosed-recipients:;', []],
    ['<@relay.example,@other.example:ann@a.example>', ['ann@a.example']],
    ['"john doe"@a.example', ['"john doe"@a.example']],
    ['"a,b"@a.example, c', ['"a,b"@a.example', 'c']],
    ['ann @ a . example', ['ann@a.example']],
    ['ann@[192.0.2.1]', ['ann@[192.0.2.1]']],
    ['<>', ['']],
    [',,, ,', []],
    ['Ann <ann@a.example> <bob@b.example>', ['ann@a.example', 'bob@b.example']],
    ['Ann <ann@a.example> junk, c@c.example', ['ann@a.example', 'c@c.example']],
    ['Ann <ann@a.example', ['ann@a.example']],
    ['"unclosed', ['"unclosed']],
    ['ann@a.example,\r\n\tbob@b.example', ['ann@a.example', 'bob@b.example']],
    ['Größe <größe@münchen.example>', ['größe@münchen.example']],
  ])('%j', (text, expected) => expect(addresses(text)).toEqual(expected));

  it.each([
    ['root (Cron Daemon)', 'root@h (Cron Daemon)'],
    ['Ann <ann>, bob@b.example, carl', 'Ann <ann@h>, bob@b.example, carl@h'],
    ['"a@b"', '"a@b"@h'],
    ['<>', '<>'],
    ['team: x, y;', 'team: x@h, y@h;'],
  ])('%j with a domain for those that have none', (text, expected) => expect(qualifiedList(text, 'h')).toBe(expected));

  it('finds every address however it is written, and takes any text', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const address = fc.tuple(word, word).map(([local, domain]) => `${local}@${domain}.example`);
    const written = address.chain((one) =>
      fc
        .constantFrom(one, `<${one}>`, `Name <${one}>`, `"x, y" <${one}>`, `${one} (c, d)`, `g: ${one};`)
        .map((text) => ({
          one,
          text,
        })),
    );
    fc.assert(
      fc.property(fc.array(written, { maxLength: 8 }), (list) => {
        expect(addresses(list.map(({ text }) => text).join(', '))).toEqual(list.map(({ one }) => one));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'<>@,;:"\\()[] .ab\n') }), (text) => {
        const once = qualifiedList(text, 'h');
        for (const { address: found, end } of addressList(text)) {
          expect(end).toBeLessThanOrEqual(text.length);
          expect(qualified(qualified(found, 'h'), 'x')).toBe(qualified(found, 'h'));
        }
        expect(once.length).toBeGreaterThanOrEqual(text.length);
      }),
    );
  });
});
