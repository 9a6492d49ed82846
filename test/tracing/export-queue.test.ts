/** Batches on their way to a collector: bounded, never waited for. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ExportQueue } from '../../src/tracing/export-queue.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function world() {
  const batches: number[] = [];
  const said: string[] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const queue = new ExportQueue<number>(
    (batch) => {
      batches.push(batch.length);
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
    { warn: (_, text) => said.push(text), info: (fields, text) => said.push(`${text} ${fields['lost']}`) },
  );
  return { batches, said, ends, queue, settle: () => vi.advanceTimersByTimeAsync(0) };
}

describe('an export queue', () => {
  it('sends what waits after a while, or when a batch is full', async () => {
    const { batches, ends, queue, settle } = world();
    queue.put(1);
    expect(batches).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(batches).toEqual([1]);
    ends[0]!.resolve();
    await settle();
    for (let n = 0; n < 512; n++) queue.put(n);
    expect(batches).toEqual([1, 512]);
  });

  it('has one batch under way, and loses what does not fit', async () => {
    const { batches, ends, queue, settle } = world();
    for (let n = 0; n < 20_000; n++) queue.put(n);
    expect(batches).toEqual([512]);
    expect(queue.lost).toBe(20_000 - 512 - 8192);
    ends[0]!.resolve();
    await settle();
    expect(batches).toEqual([512, 512]);
  });

  it('tells of a failing collector once, and once when it takes traces again', async () => {
    const { batches, said, ends, queue, settle } = world();
    for (let round = 0; round < 3; round++) {
      queue.put(round);
      await vi.advanceTimersByTimeAsync(2000);
      ends[round]!.reject(new Error('connect ECONNREFUSED'));
      await settle();
    }
    expect(said).toEqual(['the collector does not take traces: they are lost, mail flows']);
    queue.put(9);
    await vi.advanceTimersByTimeAsync(2000);
    ends[3]!.resolve();
    await settle();
    expect(said[1]).toBe('the collector takes traces again 3');
    expect(batches).toEqual([1, 1, 1, 1]);
  });

  it('gives the last batch a limit', async () => {
    const { queue, batches } = world();
    queue.put(1);
    let closed = false;
    void queue.close().then(() => {
      closed = true;
    });
    expect(batches).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1999);
    expect(closed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(closed).toBe(true);
  });
});
