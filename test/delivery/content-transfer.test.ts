/**
 * Content on its way to a next hop: in pieces of any size, in either form, over either transfer, the peer gets the bytes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isReady, transferContent } from '../../src/delivery/content-transfer.js';
import { stuffer, unstuffer } from '../../src/message/dot-stuffing.js';
import type { ContentFacts } from '../../src/message/envelope.js';
import type { StoredContent } from '../../src/spool/spool.js';

const lines = fc
  .array(fc.constantFrom('.', '..', 'text', '', '.x', 'a.b'), { maxLength: 12 })
  .chain((all) => fc.boolean().map((ends) => all.join('\r\n') + (ends && all.length > 0 ? '\r\n' : '')));

function factsOf(plain: Buffer, form: 'wire' | 'plain'): { facts: ContentFacts; bytes: Buffer } {
  const bytes = form === 'wire' ? stuffer()(plain) : plain;
  const dotLines = plain
    .toString('latin1')
    .split('\r\n')
    .filter((line) => line.startsWith('.')).length;
  const endsWithCrlf = plain.length === 0 || plain.subarray(-2).toString() === '\r\n';
  return { bytes, facts: { size: bytes.length, form, dotLines, eightBit: false, binary: false, endsWithCrlf } };
}

function storedIn(bytes: Buffer, piece: number): StoredContent {
  return { size: bytes.length, inline: null, read: async (at) => bytes.subarray(at, at + piece), release: () => {} };
}

describe('transferContent', () => {
  it('delivers the plain bytes whatever the form, the transfer and the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        lines,
        fc.constantFrom('wire' as const, 'plain' as const),
        fc.constantFrom('data' as const, 'bdat' as const),
        fc.integer({ min: 1, max: 9 }),
        async (text, form, transfer, piece) => {
          const plain = Buffer.from(text);
          const { bytes, facts } = factsOf(plain, form);
          const out: Buffer[] = [];
          const whole = await transferContent(storedIn(bytes, piece), facts, transfer, async (part) => {
            out.push(Buffer.from(part));
            return true;
          });
          expect(whole).toBe(true);
          const sent = Buffer.concat(out);
          if (transfer === 'bdat') {
            expect(sent).toEqual(plain);
            return;
          }
          // DATA carries whole lines: the last one gets its CRLF where it had none.
          const expected = facts.endsWithCrlf ? plain : Buffer.concat([plain, Buffer.from('\r\n')]);
          const end = Buffer.concat([Buffer.from('\r\n'), sent]).indexOf('\r\n.\r\n');
          expect(end).toBe(sent.length - 3);
          expect(unstuffer()(sent.subarray(0, end))).toEqual(expected);
        },
      ),
    );
  });

  it('stops when the wire is gone, and passes on that the content cannot be read', async () => {
    const { bytes, facts } = factsOf(Buffer.from('abcdef\r\n'), 'plain');
    let writes = 0;
    const gone = async () => ++writes < 2;
    expect(await transferContent(storedIn(bytes, 2), facts, 'data', gone)).toBe(false);
    expect(writes).toBe(2);
    const broken: StoredContent = {
      size: 8,
      inline: null,
      read: async () => Promise.reject(new Error('damaged')),
      release: () => {},
    };
    await expect(transferContent(broken, facts, 'data', async () => true)).rejects.toThrow('damaged');
  });

  it('knows when the bytes can go as they lie', () => {
    const inline = Buffer.from('x\r\n.\r\n');
    const content: StoredContent = { size: 3, inline, read: async () => inline, release: () => {} };
    const facts: ContentFacts = {
      size: 3,
      form: 'wire',
      dotLines: 0,
      eightBit: false,
      binary: false,
      endsWithCrlf: true,
    };
    expect(isReady(content, facts, 'data')).toBe(true);
    expect(isReady(content, facts, 'bdat')).toBe(true);
    expect(isReady(content, { ...facts, dotLines: 1 }, 'data')).toBe(true);
    expect(isReady(content, { ...facts, dotLines: 1 }, 'bdat')).toBe(false);
    expect(isReady(content, { ...facts, dotLines: 1, form: 'plain' }, 'data')).toBe(false);
    expect(isReady({ ...content, inline: null }, facts, 'data')).toBe(false);
  });
});
