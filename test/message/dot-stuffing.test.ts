import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stuffer, unstuffer } from '../../src/message/dot-stuffing.js';

/** Bytes in which dots, CR and LF meet often. */
const content = fc
  .array(fc.constantFrom('.', '\r', '\n', '\r\n', '\r\n.', 'a', '\xff', '\0'), { maxLength: 60 })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

function throughPieces(convert: (piece: Buffer) => Buffer, bytes: Buffer, cuts: readonly number[]): Buffer {
  const out: Buffer[] = [];
  let from = 0;
  for (const at of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    out.push(convert(bytes.subarray(from, at)));
    from = at;
  }
  return Buffer.concat(out);
}

/** The plain definition: a dot is added where a line begins with one; only CRLF ends a line. */
function stuffed(bytes: Buffer): Buffer {
  const lines = bytes.toString('latin1').split('\r\n');
  return Buffer.from(lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('\r\n'), 'latin1');
}

describe('dot-stuffing', () => {
  it('doubles the dots at line starts over any split', () => {
    fc.assert(
      fc.property(content, fc.array(fc.nat()), (bytes, cuts) => {
        expect(throughPieces(stuffer(), bytes, cuts)).toEqual(stuffed(bytes));
      }),
    );
  });

  it('is undone over any other split', () => {
    fc.assert(
      fc.property(content, fc.array(fc.nat()), fc.array(fc.nat()), (bytes, cuts, others) => {
        expect(throughPieces(unstuffer(), throughPieces(stuffer(), bytes, cuts), others)).toEqual(bytes);
      }),
    );
  });

  it('never lets the end of data appear inside', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const wire = Buffer.concat([Buffer.from('\r\n'), stuffer()(bytes)]);
        expect(wire.includes('\r\n.\r\n')).toBe(false);
      }),
    );
  });
});
