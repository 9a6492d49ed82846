import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyHasher, type Canonicalization } from '../../../src/message/dkim/body-hash.js';
import { place, stuff } from '../content-fixture.js';

const sha256 = (text: string) => createHash('sha256').update(text, 'latin1').digest('base64');
const hasher = new BodyHasher();

/** The words of RFC 6376 sections 3.4.3 and 3.4.4, as plain as can be. */
function canonical(body: string, canonicalization: Canonicalization): string {
  const relaxed = canonicalization === 'relaxed';
  const lines = body.split('\r\n').map((line) => (relaxed ? line.replace(/[ \t]+/g, ' ').replace(/ $/, '') : line));
  while (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) return relaxed ? '' : '\r\n';
  return `${lines.join('\r\n')}\r\n`;
}

function digest(
  content: string,
  from: number,
  canonicalization: Canonicalization,
  unstuff = false,
  size = 4096,
  apart = false,
) {
  const placed = place(Buffer.from(content, 'latin1'), size, apart);
  return hasher.digest(placed.memory, placed, from, canonicalization, unstuff);
}

describe('BodyHasher', () => {
  it('gives the examples of RFC 6376 section 3.4.5', () => {
    const body = ' C \r\nD \t E\r\n\r\n\r\n';
    expect(digest(body, 0, 'relaxed')).toBe(sha256(' C\r\nD E\r\n'));
    expect(digest(body, 0, 'simple')).toBe(sha256(' C \r\nD \t E\r\n'));
  });

  it('gives the hashes of an empty body that RFC 6376 sections 3.4.3 and 3.4.4 print', () => {
    for (const body of ['', '\r\n', '\r\n\r\n\r\n']) {
      expect(digest(body, 0, 'simple')).toBe('frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=');
      expect(digest(body, 0, 'relaxed')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
    }
    expect(digest(' \t\r\n \r\n', 0, 'relaxed')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  it('gives the body hash of RFC 8463 appendix A.3', () => {
    const body = 'Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n';
    expect(digest(body, 0, 'relaxed')).toBe('2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=');
  });

  const unit = fc.constantFrom(
    ' ',
    ' ',
    '\t',
    '\r\n',
    '\r\n',
    '\r\n.',
    '.',
    '\r',
    '\n',
    '\0',
    'a',
    'word',
    '\xe9',
    'abcdefgh',
    '  ',
  );

  it.each(['simple', 'relaxed'] as const)(
    '%s: agrees with the plain rule wherever the bytes are split',
    (canonicalization) => {
      fc.assert(
        fc.property(
          fc.array(unit, { maxLength: 80 }),
          fc.integer({ min: 1, max: 64 }),
          fc.boolean(),
          (units, size, apart) => {
            const body = units.join('');
            const expected = sha256(canonical(body, canonicalization));
            expect(digest(`head${body}`, 4, canonicalization, false, size, apart)).toBe(expected);
            const wire = stuff(Buffer.from(body, 'latin1')).toString('latin1');
            expect(digest(`head${wire}`, 4, canonicalization, true, size, apart)).toBe(expected);
          },
        ),
        { numRuns: 1500 },
      );
    },
  );

  it.each(['simple', 'relaxed'] as const)('%s: agrees where the body takes several blocks', (canonicalization) => {
    // Around the block's size, with everything that can be left open at its end.
    for (const tail of [' \t ', '\r\n', '\r\n.x', ' \r\n', '\r', ' \t\r\n\r\n.', '   x', '\t'.repeat(9)]) {
      for (let n = 65_516; n < 65_542; n++) {
        const body = `${'x'.repeat(n)}${tail}y  \r\n${' '.repeat(70_000)}z\r\n`;
        const expected = sha256(canonical(body, canonicalization));
        const wire = stuff(Buffer.from(body)).toString('latin1');
        if (digest(wire, 0, canonicalization, true, 16_384, n % 2 === 0) !== expected) {
          expect.fail(`${JSON.stringify(tail)} at ${n}`);
        }
      }
    }
  });
});
