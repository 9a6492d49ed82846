import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mailDate } from '../../src/message/mail-date.js';
import { addressLiteral, receivedField } from '../../src/message/received.js';

const origin = { clientAddress: '192.0.2.7', clientPort: 1, helo: 'client.example', protocol: 'ESMTP', tls: '' };
const wall = Date.UTC(2025, 6, 1, 9, 3, 7, 999);

describe('receivedField', () => {
  it('has every clause of RFC 5321 section 4.4', () => {
    expect(receivedField('mx.example', 'ABC1', origin, 'r@example.net', wall)).toBe(
      'Received: from client.example ([192.0.2.7])\r\n\tby mx.example with ESMTP id ABC1\r\n\tfor <r@example.net>; Tue, 01 Jul 2025 09:03:07 +0000\r\n',
    );
  });

  it('says which TLS, as Postfix does', () => {
    const tls = 'TLSv1.3 TLS_AES_256_GCM_SHA384';
    expect(receivedField('mx.example', 'ABC1', { ...origin, protocol: 'ESMTPSA', tls }, 'r@example.net', wall)).toBe(
      'Received: from client.example ([192.0.2.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n\tby mx.example with ESMTPSA id ABC1\r\n\tfor <r@example.net>; Tue, 01 Jul 2025 09:03:07 +0000\r\n',
    );
    expect(receivedField('mx.example', 'ABC1', { ...origin, tls: 'TLSv1.2' }, '', wall)).toContain(
      '(using TLSv1.2 with cipher unknown)',
    );
  });

  it('keeps lines within 78 characters where a name is not longer itself', () => {
    const host = `${'h'.repeat(50)}.example`;
    const field = receivedField(
      host,
      'FQZ3K1B2C4',
      { ...origin, helo: host, clientAddress: '2001:db8:1111:2222:3333:4444:5555:6666', protocol: 'UTF8SMTPSA' },
      `${'l'.repeat(50)}@example.net`,
      wall,
    );
    const lines = field.split('\r\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(lines.slice(1, -1).every((line) => /^\t[^ \t]/.test(line))).toBe(true);
    expect(field.replaceAll('\r\n\t', ' ')).toBe(
      `Received: from ${host} ([IPv6:2001:db8:1111:2222:3333:4444:5555:6666]) by ${host} with UTF8SMTPSA id FQZ3K1B2C4 for <${'l'.repeat(50)}@example.net>; Tue, 01 Jul 2025 09:03:07 +0000\r\n`,
    );
  });

  it('names no recipient where there is not exactly one, or it is not ASCII', () => {
    for (const recipient of ['', 'jörg@example.net']) {
      expect(receivedField('mx.example', 'ABC1', origin, recipient, wall)).toContain('id ABC1;\r\n\tTue, 01 Jul');
    }
  });

  it('lets nothing a client says end the line or start a field', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('\r', '\n', '\0', ' ', ':', ';', '>', '(', ')', 'a', 'ä', '"', '\\'),
    });
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, nasty, (helo, address, protocol, tls, recipient) => {
        const field = receivedField(
          'mx.example',
          'ABC1',
          { ...origin, helo, clientAddress: address, protocol, tls },
          recipient,
          wall,
        );
        expect(field).toMatch(/^Received: [\x20-\x7e]*(\r\n\t[\x20-\x7e]+){1,3}\r\n$/);
      }),
    );
  });

  it('keeps address literals and cuts endless names', () => {
    expect(receivedField('h', 'A', { ...origin, helo: '[IPv6:2001:db8::1]' }, '', wall)).toContain(
      'from [IPv6:2001:db8::1] (',
    );
    expect(receivedField('h', 'A', { ...origin, helo: 'a'.repeat(5000) }, '', wall).length).toBeLessThan(400);
  });
});

describe('addressLiteral', () => {
  it.each([
    ['192.0.2.7', '[192.0.2.7]'],
    ['2001:db8::7', '[IPv6:2001:db8::7]'],
    ['::ffff:192.0.2.7', '[192.0.2.7]'],
    ['fe80::1%eth0', '[IPv6:fe80::1]'],
    ['/run/socket', '[unknown]'],
    ['', '[unknown]'],
  ])('%j is %j', (address, literal) => {
    expect(addressLiteral(address)).toBe(literal);
  });
});

describe('mailDate', () => {
  it('agrees with the platform for any second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (ms) => {
        expect(mailDate(ms)).toBe(new Date(ms).toUTCString().replace('GMT', '+0000'));
      }),
    );
  });
});
