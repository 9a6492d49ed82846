/**
 * Kinds of values a setting can have: numbers with units, choices, lists and text.
 *
 * Contract: `parse` never throws; it gives a value or says what is wrong in one phrase. `format` gives a text that
 * `parse` reads back to the same value. Kinds that know of hosts, domains and header fields are in address-type.ts.
 */

/** A parsed value, or what is wrong with the text ('' when there is nothing to say beyond what is allowed). */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** One kind of value. `allowed` ends the sentence "allowed: ..."; `unit` is the unit of the parsed value, '' when none. */
export interface ValueType<T> {
  readonly allowed: string;
  readonly unit: string;
  /** Given texts may hold passwords and are never quoted; problems do not quote them either. */
  readonly hidden?: boolean;
  parse(text: string): Parsed<T>;
  format(value: T): string;
}

/** True for a parse that went well. */
export function isValue<T>(parsed: Parsed<T>): parsed is { readonly value: T } {
  return 'value' in parsed;
}

const DURATION_UNITS: ReadonlyArray<readonly [string, number]> = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

const SIZE_UNITS: ReadonlyArray<readonly [string, number]> = [
  ['t', 2 ** 40],
  ['g', 2 ** 30],
  ['m', 2 ** 20],
  ['k', 2 ** 10],
];

/** A number followed by one of `units`, or alone in the unit `plain`; NaN when it is neither. */
function parseWithUnit(text: string, units: ReadonlyArray<readonly [string, number]>, plain: number): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([a-z]*)$/.exec(text.toLowerCase());
  if (match === null) return Number.NaN;
  const [, digits, suffix] = match;
  const factor = suffix === '' ? plain : units.find(([unit]) => unit === suffix)?.[1];
  return factor === undefined ? Number.NaN : Math.round(Number(digits) * factor);
}

function formatWithUnit(value: number, units: ReadonlyArray<readonly [string, number]>, smallest: string): string {
  if (value === 0) return '0';
  const unit = units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? `${value}${smallest}` : `${value / unit[1]}${unit[0]}`;
}

interface Range {
  readonly min: number;
  readonly max: number;
  /** What 0 means where 0 is allowed outside of the range, e.g. `no limit`. */
  readonly zero?: string;
}

function inRange(value: number, range: Range): boolean {
  return (value >= range.min && value <= range.max) || (value === 0 && range.zero !== undefined);
}

function zeroNote(range: Range): string {
  return range.zero === undefined ? '' : `, or 0 (${range.zero})`;
}

/** Milliseconds, given as `500ms`, `30s`, `5m`, `4h`, `5d`, or a plain number of seconds. Range in milliseconds. */
export function duration(range: Range): ValueType<number> {
  const format = (value: number): string => formatWithUnit(value, DURATION_UNITS, 'ms');
  return {
    allowed: `a time such as 500ms, 30s, 5m, 4h or 5d from ${format(range.min)} to ${format(range.max)}${zeroNote(range)}`,
    unit: 'time; a plain number is seconds',
    parse: (text) => {
      const value = parseWithUnit(text, DURATION_UNITS, 1000);
      return inRange(value, range) ? { value } : { problem: '' };
    },
    format,
  };
}

/** Bytes, given as `64k`, `25m`, `1g` (powers of 1024) or a plain number. Range in bytes. */
export function size(range: Range): ValueType<number> {
  const format = (value: number): string => formatWithUnit(value, SIZE_UNITS, '');
  return {
    allowed: `a size such as 64k, 25m or 1g from ${format(range.min)} to ${format(range.max)}${zeroNote(range)}`,
    unit: 'bytes; k, m, g are powers of 1024',
    parse: (text) => {
      const value = parseWithUnit(text, SIZE_UNITS, 1);
      return inRange(value, range) ? { value } : { problem: '' };
    },
    format,
  };
}

/** A whole number. */
export function integer(range: Range): ValueType<number> {
  return {
    allowed: `a whole number from ${range.min} to ${range.max}${zeroNote(range)}`,
    unit: '',
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return inRange(value, range) ? { value } : { problem: '' };
    },
    format: String,
  };
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['true', true],
  ['1', true],
  ['no', false],
  ['false', false],
  ['0', false],
]);

/** Yes or no. */
export function flag(): ValueType<boolean> {
  return {
    allowed: 'yes, no, true, false, 1 or 0',
    unit: '',
    parse: (text) => {
      const value = FLAGS.get(text.toLowerCase());
      return value === undefined ? { problem: '' } : { value };
    },
    format: (value) => (value ? 'yes' : 'no'),
  };
}

/** One of a few words, in any case. */
export function choice<const W extends string>(words: readonly W[]): ValueType<W> {
  return {
    allowed: words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`,
    unit: '',
    parse: (text) => {
      const value = words.find((word) => word.toLowerCase() === text.toLowerCase());
      return value === undefined ? { problem: '' } : { value };
    },
    format: (value) => value,
  };
}

/** Text without control characters, at most `max` characters. */
export function text(allowed: string, max = 1024): ValueType<string> {
  return {
    allowed,
    unit: '',
    parse: (given) => {
      if (/[\u0000-\u001f\u007f]/.test(given)) return { problem: 'it has a control character' };
      return given.length <= max ? { value: given } : { problem: `it is longer than ${max} characters` };
    },
    format: (value) => value,
  };
}

/** Several values with `separator` between them (a comma where not named); blank items are skipped. */
export function list<T>(item: ValueType<T>, allowed: string, separator = ',', max = 10_000): ValueType<readonly T[]> {
  return {
    allowed,
    unit: item.unit,
    ...(item.hidden === undefined ? {} : { hidden: item.hidden }),
    parse: (given) => {
      const value: T[] = [];
      let number = 0;
      for (const part of given.split(separator)) {
        const one = part.trim();
        if (one === '') continue;
        number++;
        const parsed = item.parse(one);
        if (!isValue(parsed)) {
          const shown = item.hidden === true ? `number ${number}` : JSON.stringify(one);
          return { problem: `${shown}${parsed.problem === '' ? ' is not one' : `: ${parsed.problem}`}` };
        }
        value.push(parsed.value);
      }
      return value.length <= max ? { value } : { problem: `there are more than ${max}` };
    },
    format: (value) => value.map((one) => item.format(one)).join(separator.trim() === ',' ? ',' : ` ${separator} `),
  };
}
