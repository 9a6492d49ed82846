/**
 * Queue ids.
 *
 * A queue id is a number: microseconds since the epoch at acceptance, made strictly increasing within a spool. It fits
 * a double exactly until the year 2255, sorts by age as a key, and is shown to people in base 36.
 */

/** Number form of a queue id: a safe integer, greater for younger messages. */
export type QueueId = number;

/** Makes strictly increasing ids, also over restarts when given the greatest id already in the spool. */
export class QueueIdSource {
  private last: QueueId;

  constructor(greatestKnown: QueueId = 0) {
    this.last = greatestKnown;
  }

  /** Ids from now on are greater than `greatestKnown` too. */
  startAfter(greatestKnown: QueueId): void {
    this.last = Math.max(this.last, greatestKnown);
  }

  /** The next id. `wall`: the wall clock in milliseconds. */
  next(wall: number): QueueId {
    const candidate = Math.floor(wall * 1000);
    this.last = candidate > this.last ? candidate : this.last + 1;
    return this.last;
  }
}

/** How an id is shown in replies, logs and on the command line, e.g. `FQZ3K1B2C4`. */
export function formatQueueId(id: QueueId): string {
  // Number.toString takes 0.3 us with a radix; ids are formatted several times a message.
  let high = Math.floor(id / HALF);
  let low = id - high * HALF;
  let text = '';
  for (let digit = 0; digit < HALF_DIGITS && (high > 0 || low > 0); digit++) {
    text = DIGITS[low % 36]! + text;
    low = Math.floor(low / 36);
  }
  while (high > 0) {
    text = DIGITS[high % 36]! + text;
    high = Math.floor(high / 36);
  }
  return text === '' ? '0' : text;
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Digits of the lower half of an id, which then fits 32 bits. */
const HALF_DIGITS = 6;
const HALF = 36 ** HALF_DIGITS;

/** The id of a shown form, or undefined when the text is not one. */
export function parseQueueId(text: string): QueueId | undefined {
  if (!/^[0-9A-Za-z]{1,11}$/.test(text)) return undefined;
  const id = Number.parseInt(text, 36);
  return Number.isSafeInteger(id) ? id : undefined;
}
