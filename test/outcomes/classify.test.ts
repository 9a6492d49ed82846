/**
 * Bounce classification over the replies of providers, and over anything at all.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNCE_CATEGORIES, isAddressFault } from '../../src/outcomes/bounce-category.js';
import { BY_CODE, BY_ENHANCED, PHRASES, PROVIDER_RULES } from '../../src/outcomes/bounce-rules.js';
import { classify } from '../../src/outcomes/classify.js';
import { enhancedCode } from '../../src/smtp/reply-parser.js';
import { PROVIDER_REPLIES } from './provider-replies.js';

/** As delivery gives it: the code the reply begins with, or one for the class. */
function enhancedOf(reply: string): string {
  const code = Number.parseInt(reply, 10);
  return Number.isNaN(code) ? '4.4.1' : enhancedCode({ code, text: reply.slice(4), lines: [] });
}

describe('classify', () => {
  it('knows what providers say', () => {
    expect(PROVIDER_REPLIES.length).toBeGreaterThanOrEqual(150);
    const wrong = PROVIDER_REPLIES.map(({ from, category, hard, reply }) => ({
      from,
      reply,
      wanted: `${category}${hard ? ' hard' : ''}`,
      got: classify(enhancedOf(reply), reply),
    }))
      .map(({ got, ...rest }) => ({ ...rest, got: `${got.category}${got.hard ? ' hard' : ''}` }))
      .filter(({ wanted, got }) => wanted !== got);
    expect(wrong).toEqual([]);
  });

  it('calls nothing hard that may pass by itself, nor what is no fault of the address', () => {
    expect(classify('4.1.1', '450 4.1.1 user unknown')).toEqual({ category: 'bad-mailbox', hard: false });
    expect(classify('5.7.1', '550 5.7.1 message classified as spam')).toEqual({
      category: 'spam-content',
      hard: false,
    });
    expect(classify('5.1.2', 'no such domain: nowhere.example')).toEqual({ category: 'bad-domain', hard: true });
    expect(classify('4.4.3', 'SERVFAIL for nowhere.example')).toEqual({ category: 'routing', hard: false });
  });

  it('is not led astray by addresses in a reply', () => {
    expect(classify('5.1.1', '550 5.1.1 <virus@spam.example>: User unknown').category).toBe('bad-mailbox');
    expect(classify('5.7.1', '550 5.7.1 <dmarc@example.com>: Relay access denied').category).toBe('relaying-denied');
  });

  it('asks the stage where a reply says nothing', () => {
    expect(classify('5.0.0', '550', 'rcpt')).toEqual({ category: 'bad-mailbox', hard: true });
    expect(classify('5.0.0', '550', 'mail').category).toBe('policy');
    expect(classify('5.0.0', '554', 'content').category).toBe('content');
  });

  it('gives the same object for the same kind, and one for each text', () => {
    expect(classify('5.1.1', '550 5.1.1 User unknown a')).toBe(classify('5.1.1', '550 5.1.1 User unknown b'));
    fc.assert(
      fc.property(fc.string({ maxLength: 3000, unit: 'binary' }), fc.string({ maxLength: 8 }), (reply, enhanced) => {
        const { category, hard } = classify(enhanced, reply);
        expect(BOUNCE_CATEGORIES).toContain(category);
        if (hard) expect(isAddressFault(category)).toBe(true);
        // Remembered or not, the answer is one.
        for (let i = 0; i < 3; i++) expect(classify(enhanced, reply)).toEqual({ category, hard });
      }),
    );
  });

  it('has rules with known categories only', () => {
    const used = [...PROVIDER_RULES, ...PHRASES].map(([category]) => category);
    for (const category of [...used, ...Object.values(BY_ENHANCED), ...Object.values(BY_CODE)])
      expect(BOUNCE_CATEGORIES).toContain(category);
  });
});
