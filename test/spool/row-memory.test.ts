import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowMemory } from '../../src/spool/row-memory.js';

describe('RowMemory', () => {
  it('never gives out memory that somebody still has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 600_000 }), release: fc.nat() }), { maxLength: 200 }),
        (steps) => {
          const memory = new RowMemory();
          const held: { row: Buffer; mark: number }[] = [];
          let mark = 0;
          for (const { bytes, release } of steps) {
            const small = bytes % 3 === 0 ? bytes : (bytes % 20_000) + 1;
            mark = (mark + 1) % 256;
            const row = memory.allocate(small);
            expect(row.length).toBe(small);
            held.push({ row: row.fill(mark), mark });
            for (const each of held) {
              expect(each.row[0]).toBe(each.mark);
              expect(each.row[each.row.length - 1]).toBe(each.mark);
            }
            if (release % 2 === 0) {
              const [gone] = held.splice(release % held.length, 1);
              memory.release(gone!.row.subarray(0, 1));
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('uses released memory again', () => {
    const memory = new RowMemory();
    const first = memory.allocate(100_000);
    memory.release(first);
    expect(memory.allocate(90_000).buffer).toBe(first.buffer);
    const rows = Array.from({ length: 20 }, () => memory.allocate(11_000));
    const buffers = new Set(rows.map((row) => row.buffer));
    for (const row of rows) memory.release(row);
    for (let i = 0; i < 10; i++) expect(buffers.has(memory.allocate(11_000).buffer)).toBe(true);
  });
});
