import { describe, expect, it } from 'vitest';
import { firstDomain, replaceDomains } from '../../src/message/address-domains.js';

const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('firstDomain', () => {
  it.each([
    [' Bob <bob@Example.COM>\r\n', 'example.com'],
    [' bob@example.com\r\n', 'example.com'],
    [' bob@example.com.\r\n', 'example.com'],
    [' "bob@evil.example" <bob@example.com>', 'example.com'],
    [' bob@evil.example <bob@example.com>', 'example.com'],
    [' (bob@evil.example (nested) ) bob@example.com (x@y)', 'example.com'],
    [' "quo\\"ted@evil.example" <"a@b"@example.com>', 'example.com'],
    [' a@one.example, b@two.example', 'one.example'],
    [' A <a@one.example>, B <b@two.example>', 'one.example'],
    [' Group: a@one.example, b@two.example;', 'one.example'],
    [' "Gr: o@up.example" : A <a@one.example>;', 'one.example'],
    [' undisclosed-recipients:;', ''],
    [' <@route.example,@other.example:a@one.example>', 'one.example'],
    [' bob @\r\n example.com (x)', 'example.com'],
    [' bob@[192.0.2.1]', ''],
    [' bob', ''],
    ['', ''],
    [' bob@', ''],
    [' "never closed <bob@example.com>', ''],
    [bytes(' Jörg <jörg@bücher.example>'), 'xn--bcher-kva.example'],
    [' , a@one.example', 'one.example'],
  ])('%j is of %j', (value, domain) => {
    expect(firstDomain(value)).toBe(domain);
  });

  it('ends soon on values made to take long', () => {
    for (const unit of ['(', '"\\', '"', '@(', '<', '\\"(']) firstDomain(unit.repeat(300_000));
  });
});

describe('replaceDomains', () => {
  const to = (domain: string) =>
    new Map([
      ['old.example', 'new.example'],
      ['xn--bcher-kva.example', 'xn--nw-zka.example'],
    ]).get(domain);

  it.each([
    [' Bob <bob@OLD.example>\r\n', ' Bob <bob@new.example>\r\n'],
    [
      ' a@old.example,\r\n b@other.example, C <c@old.example> (x)\r\n',
      ' a@new.example,\r\n b@other.example, C <c@new.example> (x)\r\n',
    ],
    [' "x@old.example" (y@old.example) <a@old.example>', ' "x@old.example" (y@old.example) <a@new.example>'],
    [' Team: a@old.example, "q@old.example"@old.example;', ' Team: a@new.example, "q@old.example"@new.example;'],
    [' a@sub.old.example, b@old.example.net, c@bold.example', ' a@sub.old.example, b@old.example.net, c@bold.example'],
    [bytes(' J <j@bücher.example>'), ' J <j@xn--nw-zka.example>'],
    [' J <j@xn--bcher-kva.example>', ' J <j@xn--nw-zka.example>'],
    [' a@ (comment) old.example', ' a@ (comment) new.example'],
    [bytes(' Jörg <j@old.example>'), bytes(' Jörg <j@new.example>')],
  ])('%j becomes %j', (value, expected) => {
    expect(replaceDomains(value, to)).toBe(expected);
  });
});
