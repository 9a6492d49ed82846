import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyHeaderParser, type ProxyVerdict } from '../../src/net/proxy-header.js';

type Version = 'v1' | 'v2';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function block(command: number, family: number, rest: Buffer, length = rest.length): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([command, family, length >> 8, length & 255]), rest]);
}

const V4 = Buffer.from('c0000207cb0071050bb80019', 'hex');
const V6 = Buffer.from('20010db8000000000000000000000001', 'hex');
const ENDS_V6 = Buffer.concat([V6, V6, Buffer.from([0x0b, 0xb8, 0, 25])]);
const MAPPED = Buffer.from('00000000000000000000ffffc0000207', 'hex');
const client = (address: string) => ({ client: { address, port: 3000 } });

function whole(version: Version, bytes: Uint8Array): ProxyVerdict {
  return new ProxyHeaderParser(version).feed(bytes, 0, bytes.length);
}

/** Feeds in two pieces, each somewhere inside a larger chunk, and gives the verdict with `end` counted from the start. */
function inTwo(version: Version, bytes: Buffer, cut: number): ProxyVerdict {
  const parser = new ProxyHeaderParser(version);
  const padded = (piece: Buffer): Buffer => Buffer.concat([Buffer.from('##'), piece, Buffer.from('##')]);
  const first = parser.feed(padded(bytes.subarray(0, cut)), 2, 2 + cut);
  if (first.kind === 'malformed') return first;
  if (first.kind === 'done') return { ...first, end: first.end - 2 };
  const second = parser.feed(padded(bytes.subarray(cut)), 2, 2 + bytes.length - cut);
  return second.kind === 'done' ? { ...second, end: second.end - 2 + cut } : second;
}

const GOOD: ReadonlyArray<readonly [string, Version, Buffer, object | null]> = [
  ['TCP4', 'v1', Buffer.from('PROXY TCP4 192.0.2.7 203.0.113.5 3000 25\r\n'), client('192.0.2.7')],
  ['TCP6', 'v1', Buffer.from('PROXY TCP6 2001:DB8:0:0::1 ::1 3000 25\r\n'), client('2001:db8::1')],
  ['TCP6 with a mapped address', 'v1', Buffer.from('PROXY TCP6 ::ffff:c000:207 ::1 3000 25\r\n'), client('192.0.2.7')],
  ['UNKNOWN', 'v1', Buffer.from('PROXY UNKNOWN\r\n'), null],
  [
    'the longest line',
    'v1',
    Buffer.from(
      'PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535'.replaceAll('f...f', 'ffff:ffff:ffff:ffff:ffff:ffff') +
        '\r\n',
    ),
    null,
  ],
  ['TCP4', 'v2', block(0x21, 0x11, V4), client('192.0.2.7')],
  ['TCP4 with TLVs', 'v2', block(0x21, 0x11, Buffer.concat([V4, Buffer.alloc(4000, 7)])), client('192.0.2.7')],
  ['TCP6', 'v2', block(0x21, 0x21, ENDS_V6), client('2001:db8::1')],
  [
    'TCP6 with a mapped address',
    'v2',
    block(0x21, 0x21, Buffer.concat([MAPPED, ENDS_V6.subarray(16)])),
    client('192.0.2.7'),
  ],
  ['LOCAL without addresses', 'v2', block(0x20, 0x00, Buffer.alloc(0)), null],
  ['LOCAL with addresses, which are not believed', 'v2', block(0x20, 0x11, V4), null],
  ['UNSPEC', 'v2', block(0x21, 0x00, Buffer.alloc(9)), null],
  ['UNIX', 'v2', block(0x21, 0x31, Buffer.alloc(216)), null],
];

const BAD: ReadonlyArray<readonly [string, Version, Buffer, RegExp]> = [
  ['a client that speaks SMTP', 'v1', Buffer.from('EHLO x\r\n'), /begin with "PROXY "/],
  ['lower case', 'v1', Buffer.from('proxy UNKNOWN\r\n'), /begin/],
  ['version 2 where 1 is set', 'v1', block(0x21, 0x11, V4), /begin/],
  ['an LF alone', 'v1', Buffer.from('PROXY UNKNOWN\n'), /LF without CR/],
  ['a CR alone', 'v1', Buffer.from('PROXY UNKNOWN\rX\r\n'), /CR without LF/],
  ['a line without an end', 'v1', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`), /within 107/],
  ['a line that is one byte too long', 'v1', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), /within 107/],
  ['an unknown protocol', 'v1', Buffer.from('PROXY UDP4 192.0.2.7 203.0.113.5 3000 25\r\n'), /not TCP4/],
  ['no protocol', 'v1', Buffer.from('PROXY \r\n'), /not TCP4/],
  ['too few words', 'v1', Buffer.from('PROXY TCP4 192.0.2.7 203.0.113.5 3000\r\n'), /two ports/],
  ['two spaces', 'v1', Buffer.from('PROXY TCP4  192.0.2.7 203.0.113.5 3000 25\r\n'), /two ports/],
  ['a word too many', 'v1', Buffer.from('PROXY TCP4 192.0.2.7 203.0.113.5 3000 25 \r\n'), /two ports/],
  ['an address of the other family', 'v1', Buffer.from('PROXY TCP4 ::1 ::1 3000 25\r\n'), /not one of TCP4/],
  ['an octet with a zero before it', 'v1', Buffer.from('PROXY TCP4 192.0.2.07 1.2.3.4 1 2\r\n'), /not one of TCP4/],
  ['a zone', 'v1', Buffer.from('PROXY TCP6 fe80::1%lo ::1 3000 25\r\n'), /not one of TCP6/],
  ['a port too great', 'v1', Buffer.from('PROXY TCP4 192.0.2.7 203.0.113.5 65536 25\r\n'), /port/],
  ['a port with a zero before it', 'v1', Buffer.from('PROXY TCP4 192.0.2.7 203.0.113.5 025 25\r\n'), /port/],
  ['a NUL', 'v1', Buffer.from('PROXY TCP4 192.0.2.7\0 203.0.113.5 25 25\r\n'), /not one of TCP4/],
  ['version 1 where 2 is set', 'v2', Buffer.from('PROXY UNKNOWN\r\n'), /signature/],
  ['TLS', 'v2', Buffer.from('160301', 'hex'), /signature/],
  ['version 3', 'v2', block(0x31, 0x11, V4), /version is 3/],
  ['an unknown command', 'v2', block(0x22, 0x11, V4), /command is 2/],
  ['datagrams', 'v2', block(0x21, 0x12, V4), /TCP/],
  ['an unknown family', 'v2', block(0x21, 0x41, V4), /TCP/],
  ['too short for IPv4', 'v2', block(0x21, 0x11, V4.subarray(0, 11)), /too short/],
  ['too short for IPv6', 'v2', block(0x21, 0x21, ENDS_V6.subarray(0, 35)), /too short/],
  ['TLVs beyond the bound', 'v2', block(0x21, 0x11, Buffer.concat([V4, Buffer.alloc(4069)])), /more than 4096/],
  ['a length of 65,535 before its bytes are there', 'v2', block(0x21, 0x11, V4, 65_535), /more than 4096/],
];

describe('a PROXY header', () => {
  it.each(GOOD)(
    '%s (%s) is read to its end and no further, wherever it is split',
    (_name, version, header, expected) => {
      const mail = Buffer.from('PROXY TCP4 198.51.100.1 198.51.100.1 1 2\r\nEHLO x\r\n');
      const bytes = Buffer.concat([header, mail]);
      const verdict = whole(version, bytes);
      expect(verdict).toMatchObject({ kind: 'done', end: header.length, proxied: expected });
      for (let cut = 0; cut <= bytes.length; cut++) expect(inTwo(version, bytes, cut)).toEqual(verdict);
    },
  );

  it.each(GOOD)('%s (%s) is not complete before its last byte', (_name, version, header) => {
    const parser = new ProxyHeaderParser(version);
    for (let i = 0; i < header.length - 1; i++) expect(parser.feed(header, i, i + 1)).toEqual({ kind: 'more' });
    expect(parser.feed(header, header.length - 1, header.length)).toMatchObject({ kind: 'done', end: header.length });
  });

  it.each(BAD)('is refused for %s (%s), wherever it is split', (_name, version, bytes, reason) => {
    const verdict = whole(version, bytes);
    expect(verdict).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(reason) });
    for (let cut = 0; cut <= bytes.length; cut++) expect(inTwo(version, bytes, cut)).toEqual(verdict);
  });

  it('gives both ends', () => {
    const expected = {
      client: { address: '192.0.2.7', port: 3000 },
      server: { address: '203.0.113.5', port: 25 },
    };
    expect(whole('v1', GOOD[0]![2])).toMatchObject({ proxied: expected });
    expect(whole('v2', block(0x21, 0x11, V4))).toMatchObject({ proxied: expected });
  });

  it('of any bytes comes to the same end however it is split, within its bounds', () => {
    const starts = [Buffer.alloc(0), Buffer.from('PROXY '), SIGNATURE, Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r')];
    const bytes = fc
      .tuple(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 5000 }))
      .map(([start, rest]) => Buffer.concat([start, rest]));
    fc.assert(
      fc.property(
        fc.constantFrom<Version>('v1', 'v2'),
        bytes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (v, b, at) => {
          const verdict = whole(v, b);
          expect(inTwo(v, b, Math.floor(at * b.length))).toEqual(verdict);
          if (b.length >= 4096) expect(verdict.kind).not.toBe('more');
          if (verdict.kind === 'done') expect(verdict.end).toBeLessThanOrEqual(v === 'v1' ? 107 : 4096);
        },
      ),
    );
  });

  it('written by any balancer is read back', () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), port, port, (from, to, p, q) => {
        const expected = { client: { address: from, port: p }, server: { address: to, port: q } };
        expect(whole('v1', Buffer.from(`PROXY TCP4 ${from} ${to} ${p} ${q}\r\n`))).toMatchObject({ proxied: expected });
        const ends = Buffer.from([...from.split('.'), ...to.split('.')].map(Number));
        const ports = Buffer.from([p >> 8, p & 255, q >> 8, q & 255]);
        expect(whole('v2', block(0x21, 0x11, Buffer.concat([ends, ports])))).toMatchObject({ proxied: expected });
      }),
    );
  });
});
