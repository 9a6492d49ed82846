/**
 * Benchmarks of shared-memory segments: lease and release, and bodies written and read through them.
 */
import type { Bench } from 'tinybench';
import { BodyBuffer } from '../src/memory/body-buffer.js';
import { SegmentPool } from '../src/memory/segment-pool.js';

const SEGMENT = 16_384;
const KIB = 1024;

export function addSegmentTasks(bench: Bench): void {
  const pool = SegmentPool.create(4096 * SEGMENT, SEGMENT);
  const chunk = Buffer.alloc(64 * KIB, 65);
  const target = Buffer.alloc(100 * KIB);
  const write = (bytes: number, step: number): void => {
    const body = new BodyBuffer(pool);
    for (let at = 0; at < bytes; at += step)
      if (!body.append(chunk, 0, Math.min(step, bytes - at))) throw new Error('out of segments');
    body.release();
  };
  const kept = new BodyBuffer(pool);
  kept.append(chunk, 0, 64 * KIB);
  kept.append(chunk, 0, 36 * KIB);
  bench
    .add('segments: 100 leases and releases', () => {
      for (let i = 0; i < 100; i++) pool.release(pool.lease());
    })
    .add('segments: body of 10 KiB in one piece', () => write(10 * KIB, 10 * KIB))
    .add('segments: body of 10 KiB in pieces of 1448 bytes', () => write(10 * KIB, 1448))
    .add('segments: body of 100 KiB in pieces of 64 KiB', () => write(100 * KIB, 64 * KIB))
    .add('segments: 10 KiB copied out', () => kept.copyOut(0, 10 * KIB, target, 0))
    .add('segments: 100 KiB copied out', () => kept.copyOut(0, 100 * KIB, target, 0))
    .add('segments: bare copy of 10 KiB, for comparison', () => void target.set(chunk.subarray(0, 10 * KIB), 0));
}
