/**
 * Segments and bodies: whatever pieces content comes in, the same bytes come out, and every lease is given back.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';

/** Cuts bytes at the given places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const out: Uint8Array[] = [];
  let from = 0;
  for (const at of [...places, bytes.length]) {
    out.push(bytes.subarray(from, at));
    from = at;
  }
  return out;
}

describe('SegmentPool', () => {
  it('leases every segment once and says when none is left', () => {
    const pool = SegmentPool.create(1000, 100);
    const leased = Array.from({ length: 10 }, () => pool.lease());
    expect(new Set(leased).size).toBe(10);
    expect(pool.lease()).toBe(-1);
    pool.release(leased[3]!);
    expect(pool.available).toBe(1);
    expect(pool.lease()).toBe(leased[3]);
  });

  it('has one segment at least', () => {
    expect(SegmentPool.create(1, 4096).available).toBe(1);
  });
});

describe('BodyBuffer', () => {
  it('holds the same bytes whatever pieces they came in', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.array(fc.nat()),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 64 }),
        (bytes, cuts, a, b, segmentSize) => {
          const pool = SegmentPool.create(64 * 600, segmentSize);
          const others = new BodyBuffer(pool);
          const body = new BodyBuffer(pool);
          for (const piece of pieces(bytes, cuts)) {
            // Two bodies grow in turn, so that their segments are not in a row.
            expect(others.append(new Uint8Array(3).fill(0xee), 0, 3)).toBe(true);
            expect(body.append(piece, 0, piece.length)).toBe(true);
          }
          expect(body.length).toBe(bytes.length);
          expect(body.segments).toHaveLength(Math.ceil(bytes.length / segmentSize));
          const [from, to] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y) as [number, number];
          const target = new Uint8Array(to - from + 2);
          body.copyOut(from, to, target, 1);
          expect(Buffer.from(target)).toEqual(Buffer.concat([Buffer.of(0), bytes.subarray(from, to), Buffer.of(0)]));
          body.release();
          others.release();
          expect(pool.available).toBe(pool.count);
        },
      ),
    );
  });

  it('says when memory runs out, and gives back what it had', () => {
    const pool = SegmentPool.create(100, 10);
    const body = new BodyBuffer(pool);
    expect(body.append(new Uint8Array(101), 0, 101)).toBe(false);
    expect(pool.available).toBe(0);
    body.release();
    body.release();
    expect(pool.available).toBe(10);
    expect(body.append(new Uint8Array(100), 0, 100)).toBe(true);
  });
});
