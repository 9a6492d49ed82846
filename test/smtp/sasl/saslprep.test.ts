import { describe, expect, it } from 'vitest';
import { saslPrep } from '../../../src/smtp/sasl/saslprep.js';

describe('saslPrep', () => {
  // RFC 4013 section 3, without the two examples of writing directions.
  it.each([
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007', null],
  ])('%j is %j', (text, prepared) => {
    expect(saslPrep(text)).toBe(prepared);
  });

  it('makes blanks of all kinds a space and composes', () => {
    expect(saslPrep('a\u00a0b\u3000c')).toBe('a b c');
    expect(saslPrep('e\u0301')).toBe('\u00e9');
  });

  it.each(['', '\u00ad', 'a\u0000b', 'a\u007f', '\ue000', '\ufffd', '\ufdd0', 'a\u202eb', '\u{e0041}', '\u0085'])(
    'refuses %j',
    (text) => {
      expect(saslPrep(text)).toBeNull();
    },
  );
});
