import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enhancedCode, type PeerReply, ReplyParser } from '../../src/smtp/reply-parser.js';

/** Feeds bytes cut at the given places; what came out, and whether the parser was content to the end. */
function parse(bytes: Buffer, cuts: readonly number[] = []): { replies: PeerReply[]; ok: boolean } {
  const parser = new ReplyParser();
  const replies: PeerReply[] = [];
  let from = 0;
  for (const at of [...cuts, bytes.length]) {
    // Pieces lie inside a larger chunk, as they do in the thread's read buffer.
    const chunk = Buffer.concat([Buffer.from('9\n'), bytes.subarray(from, at), Buffer.from('\n1')]);
    const ok = parser.feed(chunk, 2, 2 + at - from, (reply) => {
      replies.push(reply);
      return true;
    });
    if (!ok) return { replies, ok };
    from = at;
  }
  return { replies, ok: true };
}

const GOOD = Buffer.from(
  '220 up.example ESMTP\r\n250-up.example\r\n250-SIZE 100\r\n250 HELP\r\n250\r\n354 go\n550-5.1.1 no\n550 5.1.1 really\r\n',
);

describe('ReplyParser', () => {
  it('reads single and multi-line replies, with CRLF or LF, with and without text', () => {
    const { replies, ok } = parse(GOOD);
    expect(ok).toBe(true);
    expect(replies.map(({ code, text }) => `${code} ${text}`)).toEqual([
      '220 up.example ESMTP',
      '250 up.example SIZE 100 HELP',
      '250 ',
      '354 go',
      '550 5.1.1 no 5.1.1 really',
    ]);
    expect(replies[1]!.lines).toEqual(['up.example', 'SIZE 100', 'HELP']);
  });

  it('reads the same at every split point, and byte by byte', () => {
    const whole = parse(GOOD);
    for (let at = 0; at <= GOOD.length; at++) expect(parse(GOOD, [at])).toEqual(whole);
    expect(parse(GOOD, Array.from(GOOD.keys()))).toEqual(whole);
  });

  it('says the same about any bytes whatever pieces they come in, and never throws', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(fc.constantFrom('2', '5', '250', '-', ' ', '\r', '\n', '\r\n', 'x', '250 ok\r\n', '250-a\r\n'))
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(noise, fc.array(fc.nat()), (bytes, cuts) => {
        const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        expect(parse(bytes, places)).toEqual(parse(bytes));
      }),
    );
  });

  it.each([
    'hello there\r\n',
    '\r\n',
    '25\r\n',
    '150 early\r\n',
    '650 late\r\n',
    '2x0 ok\r\n',
    '250+ok\r\n',
    '250-a\r\n251 b\r\n',
    '\0\x01\xff\xfe\r\n',
  ])('refuses %j', (text) => {
    expect(parse(Buffer.from(text, 'latin1'))).toEqual({ replies: [], ok: false });
  });

  it('is bounded: line length, number of lines, text kept', () => {
    expect(parse(Buffer.from(`250 ${'x'.repeat(600)}\r\n`)).ok).toBe(true);
    expect(parse(Buffer.from(`250 ${'x'.repeat(5000)}\r\n`)).ok).toBe(false);
    expect(parse(Buffer.from('2'.repeat(5000))).ok).toBe(false);
    expect(parse(Buffer.from('250-x\r\n'.repeat(129))).ok).toBe(false);
    const { replies, ok } = parse(Buffer.from(`${`250-${'y'.repeat(2000)}\r\n`.repeat(100)}250 z\r\n`));
    expect(ok).toBe(true);
    expect(replies[0]!.text.length).toBeLessThanOrEqual(1024);
  });

  it('makes text safe for logs', () => {
    expect(parse(Buffer.from('550 a\tb\x1b[31mc\xe9\r\n', 'latin1')).replies[0]!.text).toBe('a?b?[31mc?');
  });

  it('stops where it is told to', () => {
    const parser = new ReplyParser();
    const seen: number[] = [];
    const bytes = Buffer.from('250 a\r\n421 b\r\nnonsense\r\n');
    const stop = (reply: PeerReply) => {
      seen.push(reply.code);
      return reply.code !== 421;
    };
    expect(parser.feed(bytes, 0, bytes.length, stop)).toBe(true);
    expect(seen).toEqual([250, 421]);
  });
});

describe('enhancedCode', () => {
  it.each([
    [550, '5.1.1 no such user', '5.1.1'],
    [550, '5.1.1', '5.1.1'],
    [550, '4.1.1 does not fit', '5.0.0'],
    [451, 'later', '4.0.0'],
    [354, '2.0.0 go', '4.0.0'],
    [250, '2.1.5 ok', '2.1.5'],
    [550, '5.1.1x no', '5.0.0'],
    [550, '5.1234.1 no', '5.0.0'],
  ])('%i %s is %s', (code, text, expected) => {
    expect(enhancedCode({ code, text, lines: [text] })).toBe(expected);
  });
});
