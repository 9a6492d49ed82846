import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FLAW_BARE_CR,
  FLAW_BARE_LF,
  FLAW_FALSE_END,
  FLAW_LONG_HEADER,
  FLAW_LONG_LINE,
} from '../../src/smtp/content-flaws.js';
import { ContentScanner, type ScannerSettings } from '../../src/smtp/data-scanner.js';
import { LENIENT_END, referenceScan, type ScanResult } from './reference-scanner.js';

const wire: ScannerSettings = { wire: true, convert: false, maxTextLine: 0, maxHeaderSize: 0 };
const plain: ScannerSettings = { ...wire, wire: false };

/** Runs the scanner over the stream cut at the given places; each piece lies at another alignment. */
function scan(stream: string, settings: ScannerSettings, cuts: readonly number[] = []): ScanResult {
  let stored = '';
  const scanner = new ContentScanner(settings, {
    span: (source, start, end) => {
      expect(end).toBeGreaterThan(start);
      stored += Buffer.from(source).toString('latin1', start, end);
    },
  });
  const places = [...new Set(cuts.filter((cut) => cut > 0 && cut < stream.length))].sort((a, b) => a - b);
  let consumed = 0;
  for (const [n, to] of [...places, stream.length].entries()) {
    const shift = n % 5;
    const chunk = Buffer.from(new ArrayBuffer(to - consumed + shift + 3), shift);
    chunk.write(stream.slice(consumed, to), 0, 'latin1');
    // What stands behind the range must not be read as if it were in it.
    chunk.write('\r\n.', to - consumed, 'latin1');
    const stop = scanner.scan(chunk, 0, to - consumed);
    consumed += stop;
    if (scanner.ended) break;
    expect(consumed).toBe(to);
  }
  if (!settings.wire) scanner.finish();
  const { flaws, dotLines, eightBit, nul, atLineStart } = scanner;
  const end = scanner.ended ? consumed : undefined;
  return { consumed: end, stored, flaws, dotLines, eightBit, nul, atLineStart };
}

const everyCut = (stream: string) => Array.from({ length: stream.length }, (_, i) => i);

/** Streams made of what matters here. */
const nastyText = fc
  .array(
    fc.constantFrom('\r\n', '\r\n.', '\r', '\n', '.', '\0', 'a', '\t', '\x0b', '\xe9', '\r\n.\r\n', 'bcdefgh', '\x85'),
    { maxLength: 24 },
  )
  .map((parts) => parts.join(''));
const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const text = fc.oneof({ weight: 4, arbitrary: nastyText }, anyBytes);
const settings = fc.record({
  wire: fc.boolean(),
  convert: fc.boolean(),
  maxTextLine: fc.constantFrom(0, 4, 9),
  maxHeaderSize: fc.constantFrom(0, 5, 12),
});
const cuts = fc.array(fc.nat(220), { maxLength: 12 });

describe('content scanner', () => {
  it('finds the end of data and nothing before or behind it', () => {
    expect(scan('a\r\nb\r\n.\r\nQUIT\r\n', wire)).toMatchObject({ consumed: 9, stored: 'a\r\nb\r\n', flaws: 0 });
    expect(scan('.\r\nQUIT\r\n', wire)).toMatchObject({ consumed: 3, stored: '', atLineStart: true });
    expect(scan('a\r\n..\r\n.x\r\n.\r\n', wire)).toMatchObject({ stored: 'a\r\n..\r\n.x\r\n', dotLines: 2 });
    expect(scan('a\r\n.\n\r\n', wire).consumed).toBeUndefined();
  });

  it('notes what the envelope says about the content', () => {
    expect(scan('a\xe9\r\n.\r\n', wire)).toMatchObject({ eightBit: true, nul: false });
    expect(scan('abcdefgh\0\r\n.\r\n', wire)).toMatchObject({ eightBit: false, nul: true, flaws: 0 });
    expect(scan('abc', plain)).toMatchObject({ atLineStart: false, stored: 'abc' });
    expect(scan('\r\n.\r\n.', plain)).toMatchObject({ dotLines: 2, stored: '\r\n.\r\n.', flaws: 0 });
  });

  const smuggled: [string, number][] = [
    ['\n.\n', FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r\n.\n', FLAW_BARE_LF | FLAW_FALSE_END],
    ['\n.\r\n', FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r.\n', FLAW_BARE_CR | FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r.\r', FLAW_BARE_CR | FLAW_FALSE_END],
    ['\r.\r\n', FLAW_BARE_CR | FLAW_FALSE_END],
    ['\n.\r', FLAW_BARE_CR | FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r\n.\r', FLAW_BARE_CR | FLAW_FALSE_END],
    ['\r\n.\r\r\n', FLAW_BARE_CR | FLAW_FALSE_END],
    ['\n\r.\n\r', FLAW_BARE_CR | FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r\n.\0\r\n', FLAW_FALSE_END],
    ['\r\n\0.\r\n', FLAW_FALSE_END],
    ['\r\n\0.\0\r\n', FLAW_FALSE_END],
    ['\r\n.\r\0\n', FLAW_BARE_CR | FLAW_BARE_LF | FLAW_FALSE_END],
    ['\r\n.\x0b\r\n', 0],
    ['\r\n. \r\n', 0],
    ['\r\n .\r\n', 0],
    ['\r\n..\r\n', 0],
    ['\r\n..\0\r\n', 0],
    ['\x85.\x85', 0],
    ['\r\n\x1e.\r\n', 0],
  ];
  it.each(smuggled)('knows the lookalike %j', (lookalike, flaws) => {
    const stream = `first${lookalike}MAIL FROM:<x@evil.example>\r\n.\r\n`;
    const result = scan(stream, wire);
    expect(result.consumed).toBe(stream.length);
    expect(result.flaws).toBe(flaws);
  });

  it('converts bare newlines without making an end of data', () => {
    const converting = { ...wire, convert: true };
    const stored = (stream: string) => scan(`${stream}\r\n.\r\n`, converting).stored;
    expect(stored('a\n.\nb')).toBe('a\r\n..\r\nb\r\n');
    expect(stored('a\r\n.\nb')).toBe('a\r\n..\r\nb\r\n');
    expect(stored('a\r\n.\rb')).toBe('a\r\n..\r\nb\r\n');
    expect(stored('a\n.b\r.c\r\n..d')).toBe('a\r\n..b\r\n..c\r\n..d\r\n');
    expect(stored('a\r\r\nb')).toBe('a\r\n\r\nb\r\n');
    expect(scan('a\n.\nb\r', { ...converting, wire: false }).stored).toBe('a\r\n.\r\nb\r\n');
  });

  it('measures lines and header', () => {
    const limited = { ...wire, maxTextLine: 6, maxHeaderSize: 8 };
    expect(scan('abcd\r\n\r\nabcd\r\nefgh\r\n.\r\n', limited).flaws).toBe(0);
    expect(scan('abcd\r\n\r\nabcde\r\n.\r\n', limited).flaws).toBe(FLAW_LONG_LINE);
    expect(scan('abc\r\nde\r\n\r\n.\r\n', limited).flaws).toBe(FLAW_LONG_HEADER);
  });

  it('finds the same as the reference, however the stream is cut', () => {
    fc.assert(
      fc.property(text, settings, cuts, (body, scanner, places) => {
        const stream = scanner.wire ? `${body}\r\n.\r\nNOOP\r\n` : body;
        const expected = referenceScan(stream, scanner);
        expect(scan(stream, scanner, places)).toEqual(expected);
        expect(scan(stream, scanner, everyCut(stream))).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('lets through nothing that a lenient server could take for an end of data', () => {
    fc.assert(
      fc.property(text, settings, cuts, (body, scanner, places) => {
        const stream = scanner.wire ? `${body}\r\n.\r\n` : body;
        const { stored, flaws } = scan(stream, scanner, places);
        if ((flaws & FLAW_FALSE_END) !== 0) return;
        // In plain form a lone dot between CRLFs is content; whoever sends it by DATA stuffs it.
        const sent = scanner.wire ? stored : stored.replace(/(^|\r\n)\./g, '$1..');
        expect(LENIENT_END.test(sent)).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  it('takes long content at any alignment as the reference does', () => {
    const line = 'The quick brown fox jumps over the lazy dog, and \xe9 or \t may be among it.';
    for (let length = 1; length < 70; length++) {
      const body = Array.from({ length: 12 }, (_, n) => line.slice(0, (length + n * 7) % line.length)).join('\r\n');
      const stream = `${body}\r\n.\r\n`;
      expect(scan(stream, wire, [3, 40, 41, 111])).toEqual(referenceScan(stream, wire));
    }
  });
});
