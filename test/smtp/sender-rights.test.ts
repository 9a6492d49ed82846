import { describe, expect, it } from 'vitest';
import { maySendAs } from '../../src/smtp/sender-rights.js';

describe('maySendAs', () => {
  it.each([
    [['ann@example.org'], 'ann@example.org', true],
    [['ann@example.org'], 'Ann@EXAMPLE.org', true],
    [['Ann@Example.org'], 'ann@example.org', true],
    [['ann@example.org'], 'ann+tag@example.org', false],
    [['ann@example.org'], 'annexample.org', false],
    [['ann@example.org'], 'ann@mail.example.org', false],
    [['@example.org'], 'anybody@example.org', true],
    [['@example.org'], 'a@mail.example.org', false],
    [['@example.org'], 'a@notexample.org', false],
    [['@*.example.org'], 'a@mail.example.org', true],
    [['@*.example.org'], 'a@deep.mail.example.org', true],
    [['@*.example.org'], 'a@example.org', false],
    [['@*.example.org'], 'a@notexample.org', false],
    [['@bücher.example'], 'a@xn--bcher-kva.example', true],
    [['@xn--bcher-kva.example'], 'a@BÜCHER.example', true],
    [['@*.bücher.example'], 'a@mail.xn--bcher-kva.example', true],
    [['jörg@example.org'], 'JO\u0308RG@example.org', true],
    [['"a@b"@example.org'], '"a@b"@example.org', true],
    [['@example.org'], '"x@other.org"@example.org', true],
    [['@other.org'], '"x@other.org"@example.org', false],
    [['@[192.0.2.1]'], 'a@[192.0.2.1]', true],
    [['a@example.net', '@example.org'], 'b@example.org', true],
    [[], 'a@example.org', false],
    [['nonsense', '@', '@*.', ''], 'a@example.org', false],
  ])('%j for %s: %s', (senders, sender, allowed) => {
    expect(maySendAs(senders, sender)).toBe(allowed);
  });

  it('allows the null sender to everybody, and everything where there is no list', () => {
    expect(maySendAs([], '')).toBe(true);
    expect(maySendAs(null, 'a@example.org')).toBe(true);
  });
});
