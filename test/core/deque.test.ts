/**
 * Deque against a plain array.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deque } from '../../src/core/deque.js';

describe('Deque', () => {
  it('does what an array does, through growth and wrap-around', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('push', 'push', 'unshift', 'shift'), { maxLength: 300 }), (steps) => {
        const deque = new Deque<number>();
        const model: number[] = [];
        steps.forEach((step, i) => {
          if (step === 'push') {
            deque.push(i);
            model.push(i);
          } else if (step === 'unshift') {
            deque.unshift(i);
            model.unshift(i);
          } else expect(deque.shift()).toBe(model.shift());
          expect(deque.length).toBe(model.length);
        });
        while (model.length > 0) expect(deque.shift()).toBe(model.shift());
        expect(deque.shift()).toBeUndefined();
      }),
    );
  });
});
