import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expressionProblem, matchesGlob } from '../../../src/delivery/routes/text-pattern.js';

describe('globs', () => {
  it('fit as the regular expression that they stand for', () => {
    const text = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 });
    fc.assert(
      fc.property(text('ab*?'), text('abAB'), (glob, subject) => {
        const expression = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'is');
        expect(matchesGlob(glob, subject)).toBe(expression.test(subject));
      }),
      { numRuns: 2000 },
    );
  });

  it('take no time that grows with the power of stars', () => {
    expect(matchesGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(1000))).toBe(false);
  });
});

describe('regular expressions', () => {
  it.each(['^list-\\d+@example\\.com$', '^(?:a|b)@', '^[^@+]+\\+[^@]*@example', '(bounce|bounces)?-x{3}@', 'a{2,4}'])(
    '%j may be used',
    (source) => expect(expressionProblem(source)).toBe(''),
  );

  it.each([
    ['', 'empty'],
    ['(', 'no regular expression'],
    ['(a+)+', 'repeats a group'],
    ['(a|aa)*b', 'repeats a group'],
    ['(a?){50}', 'repeats a group'],
    ['((a)b*)+', 'repeats a group'],
    ['.*.*.*.*x', 'more than 3'],
    ['a?'.repeat(11), 'more than 10'],
    ['(a)\\1', 'refers back'],
    ['(?=a)b', 'looks ahead'],
    ['x'.repeat(201), 'longer than 200'],
  ])('%j may not: %s', (source, why) => expect(expressionProblem(source)).toContain(why));
});
