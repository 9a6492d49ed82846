/**
 * DueHeap against a sorted array.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueHeap } from '../../src/queue/due-heap.js';

type Entry = readonly [due: number, id: number];
const inOrder = (a: Entry, b: Entry) => a[0] - b[0] || a[1] - b[1];

describe('DueHeap', () => {
  it('gives the earliest first, among equals the oldest message', () => {
    const step = fc.oneof(
      fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 50 })),
      fc.constant(null),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new DueHeap();
        const model: Entry[] = [];
        for (const entry of steps) {
          if (entry !== null) {
            heap.push(entry[0], entry[1]);
            model.push(entry);
            model.sort(inOrder);
          } else if (model.length > 0) {
            expect(heap.nextDue).toBe(model[0]![0]);
            expect(heap.pop()).toBe(model.shift()![1]);
          }
          expect(heap.length).toBe(model.length);
        }
        for (const entry of model) expect(heap.pop()).toBe(entry[1]);
        expect(heap.nextDue).toBe(Number.POSITIVE_INFINITY);
      }),
    );
  });

  it('grows past its first arrays', () => {
    const heap = new DueHeap();
    const count = 5000;
    for (let i = 0; i < count; i++) heap.push((i * 7919) % count, i);
    for (let due = 0; due < count; due++) {
      expect(heap.nextDue).toBe(due);
      heap.pop();
    }
    expect(heap.length).toBe(0);
  });
});
