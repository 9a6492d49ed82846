import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../../src/smtp/sasl/base64.js';

describe('decodeBase64', () => {
  it('takes what RFC 4648 section 10 gives', () => {
    const vectors = { '': '', 'Zg==': 'f', 'Zm8=': 'fo', Zm9v: 'foo', 'Zm9vYg==': 'foob', Zm9vYmFy: 'foobar' };
    for (const [text, bytes] of Object.entries(vectors)) expect(decodeBase64(text)?.toString()).toBe(bytes);
  });

  it.each(['=', '*', 'Zg', 'Zg=', 'Zg===', 'Zh==', 'Zm9=', 'ab@%', 'Zg==Zg==', 'Zm 9v', 'Zm9v\n', '-_-_', '===='])(
    'refuses %j',
    (text) => {
      expect(decodeBase64(text)).toBeNull();
    },
  );

  it('takes exactly what is written in canonical form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        expect(decodeBase64(text)).toEqual(Buffer.from(bytes));
        if (text.endsWith('=')) expect(decodeBase64(text.slice(0, -1))).toBeNull();
      }),
    );
  });
});
