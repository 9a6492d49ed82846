import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatQueueId, parseQueueId, QueueIdSource } from '../../src/core/queue-id.js';

const id = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('queue ids', () => {
  it('increase strictly whatever the wall clock does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 4e12, noNaN: true }), { minLength: 1 }),
        fc.integer({ min: 0, max: 2e15 }),
        (walls, known) => {
          const source = new QueueIdSource();
          source.startAfter(known);
          let last = known;
          for (const wall of walls) {
            const next = source.next(wall);
            expect(Number.isSafeInteger(next)).toBe(true);
            expect(next).toBeGreaterThan(last);
            last = next;
          }
        },
      ),
    );
  });

  it('are read back from their shown form in either case', () => {
    fc.assert(
      fc.property(id, (value) => {
        expect(parseQueueId(formatQueueId(value))).toBe(value);
        expect(parseQueueId(formatQueueId(value).toLowerCase())).toBe(value);
      }),
    );
  });

  it.each(['', ' ', '-1', '1.5', 'ABC DEF', 'ÄÖ', 'ZZZZZZZZZZZ', 'AAAAAAAAAAAA', '12\n'])('refuses %j', (text) => {
    expect(parseQueueId(text)).toBeUndefined();
  });
});
