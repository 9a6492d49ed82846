import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/injection/base64.js';

describe('base64', () => {
  it('is decoded, also in lines and without its padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 80 }), (given, width) => {
        const bytes = Buffer.from(given);
        const text = bytes.toString('base64');
        const lines = text.replace(new RegExp(`.{${width}}`, 'g'), '$&\r\n');
        for (const form of [text, text.replace(/=+$/, ''), lines, `${text}\r\n`])
          expect(decodeBase64(form)?.equals(bytes), form).toBe(true);
      }),
    );
  });

  it('is told from what is none', () => {
    for (const text of ['*', 'QQ*=', 'QQ==QQ==', '=', 'a b', 'QQ===', '_-_-', 'é', 'QUJ\0'])
      if (text === '=') expect(decodeBase64(text)?.length).toBe(0);
      else expect(decodeBase64(text), text).toBeNull();
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const isBase64 = /^[A-Za-z0-9+/\r\n]*(=[\r\n]*){0,2}$/.test(text);
        expect(decodeBase64(text) !== null).toBe(isBase64);
      }),
      { numRuns: 2000 },
    );
  });
});
