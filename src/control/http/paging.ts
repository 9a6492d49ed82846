/**
 * Pages of lists: what is asked for by, and how they are answered.
 */
import { z } from 'zod';
import { after, textLimit } from '../request-fields.js';

export const page = { after, limit: textLimit };
/** `busiest` gives one page, whatever is left out. */
export const order = z.enum(['name', 'busiest'], { error: 'allowed: name, busiest' }).default('name');

/** A page with the key of its last item, by which the next one is asked for; null: it was the last. */
export function paged<T>(items: readonly T[], most: number, key: (item: T) => string) {
  return { items, next: items.length < most ? null : key(items[items.length - 1]!) };
}

/** The same for lists with an order. */
export function inOrder<T>(by: 'name' | 'busiest', items: readonly T[], most: number, key: (item: T) => string) {
  return by === 'busiest' ? { items, next: null } : paged(items, most, key);
}
