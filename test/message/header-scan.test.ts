import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FieldName, HeaderScan, readHeader } from '../../src/message/header-scan.js';
import { place } from './content-fixture.js';

function scanned(text: string): { fields: [string, string][]; headerEnd: number; bodyStart: number } {
  const scan = new HeaderScan();
  expect(scan.scan(Buffer.from(text, 'latin1'), true)).toBe(true);
  return { fields: entries(scan), headerEnd: scan.headerEnd, bodyStart: scan.bodyStart };
}

function entries(scan: HeaderScan): [string, string][] {
  return Array.from({ length: scan.count }, (_, i) => {
    const name = scan.colons[i]! < 0 ? '' : scan.source.toString('latin1', scan.starts[i]!, scan.nameEnds[i]!);
    return [name, scan.source.toString('latin1', scan.starts[i]!, scan.ends[i]!)];
  });
}

describe('HeaderScan', () => {
  it('finds fields with their folds and where the body begins', () => {
    const text = 'From: a\r\nSubject: b\r\n c\r\n\td\r\nTo:\r\n\r\nbody: no field\r\n';
    const { fields, headerEnd, bodyStart } = scanned(text);
    expect(fields).toEqual([
      ['From', 'From: a\r\n'],
      ['Subject', 'Subject: b\r\n c\r\n\td\r\n'],
      ['To', 'To:\r\n'],
    ]);
    expect(text.slice(headerEnd)).toBe('\r\nbody: no field\r\n');
    expect(text.slice(bodyStart)).toBe('body: no field\r\n');
  });

  it.each([
    ['no empty line', 'A: b\r\nC: d\r\n', 2],
    ['no last CRLF', 'A: b\r\nC: d', 2],
    ['ends within a name', 'A: b\r\nC', 2],
    ['ends behind a colon', 'A: b\r\nC:', 2],
    ['ends with a CR', 'A: b\r', 1],
    ['a lone fold', 'A: b\r\n ', 1],
  ])('takes everything as header: %s', (_, text, count) => {
    const { fields, headerEnd, bodyStart } = scanned(text);
    expect(fields).toHaveLength(count);
    expect(headerEnd).toBe(text.length);
    expect(bodyStart).toBe(text.length);
    expect(fields.map(([, whole]) => whole).join('')).toBe(text);
  });

  it.each([
    ['text', 'hello there\r\nFrom: x\r\n\r\n'],
    ['a fold', ' folded: x\r\nFrom: x\r\n\r\n'],
    ['a dot line', '.From: x\r\n\r\n'],
    ['a colon', ': x\r\n\r\n'],
    ['nothing', ''],
  ])('has an empty header where the first line is no field: %s', (_, text) => {
    expect(scanned(text)).toEqual({ fields: [], headerEnd: 0, bodyStart: 0 });
  });

  it('begins the body behind an empty first line', () => {
    expect(scanned('\r\nFrom: x\r\n')).toEqual({ fields: [], headerEnd: 0, bodyStart: 2 });
  });

  it('keeps later lines that are no fields, and dot lines, as nameless entries', () => {
    expect(scanned('A: b\r\njunk\r\n more: junk\r\n.B: c\r\nC : d\r\n\r\n').fields).toEqual([
      ['A', 'A: b\r\n'],
      ['', 'junk\r\n more: junk\r\n'],
      ['', '.B: c\r\n'],
      ['C', 'C : d\r\n'],
    ]);
  });

  it('takes only CRLF for a line end', () => {
    expect(scanned('A: b\nB: c\r\rC: d\r\n\n\r\n\r\nbody').fields).toEqual([
      ['A', 'A: b\nB: c\r\rC: d\r\n'],
      ['', '\n\r\n'],
    ]);
  });

  it('compares names without regard to case and never by hash alone', () => {
    const scan = new HeaderScan();
    scan.scan(Buffer.from('mEsSaGe-iD: x\r\nMessage\rID: y\r\nMessage-I: z\r\n\r\n'), true);
    const name = new FieldName('Message-ID');
    expect(scan.is(0, name)).toBe(true);
    expect(scan.is(1, name)).toBe(false);
    expect(scan.is(2, name)).toBe(false);
    // "@" and "`" differ by the bit that case differs by.
    scan.scan(Buffer.from('X@: x\r\n\r\n'), true);
    expect(scan.is(0, new FieldName('X`'))).toBe(false);
  });

  it('takes more fields than it has room for', () => {
    const text = Array.from({ length: 1000 }, (_, i) => `X-${i}: ${i}\r\n`).join('');
    expect(scanned(`${text}\r\n`).fields[999]).toEqual(['X-999', 'X-999: 999\r\n']);
  });
});

describe('readHeader', () => {
  const piece = fc.constantFrom(
    'A: b',
    'Received: x',
    '\r\n',
    '\r\n',
    ' ',
    '\t',
    '.',
    '\r',
    '\n',
    'junk',
    ':',
    '\r\n\r\n',
  );

  it('finds the same whatever the segments are', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        (parts, size, apart) => {
          const bytes = Buffer.from(parts.join(''), 'latin1');
          const whole = new HeaderScan();
          whole.scan(bytes, true);
          const split = new HeaderScan();
          const placed = place(bytes, size, apart);
          expect(readHeader(split, placed.memory, placed, 10_000)).toBe(true);
          expect(entries(split)).toEqual(entries(whole));
          expect([split.headerEnd, split.bodyStart]).toEqual([whole.headerEnd, whole.bodyStart]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('accepts a header of just the size allowed and refuses one byte more', () => {
    const bytes = Buffer.from(`A: ${'b'.repeat(95)}\r\n\r\nbody`);
    const scan = new HeaderScan();
    for (const size of [7, 4096]) {
      const placed = place(bytes, size, true);
      expect(readHeader(scan, placed.memory, placed, 100)).toBe(true);
      expect(scan.headerEnd).toBe(100);
      expect(readHeader(scan, placed.memory, placed, 99)).toBe(false);
    }
  });

  it('refuses endless header without reading it all', () => {
    const placed = place(Buffer.from('A: b\r\n'.repeat(100_000)), 4096, true);
    expect(readHeader(new HeaderScan(), placed.memory, placed, 10_000)).toBe(false);
  });
});
