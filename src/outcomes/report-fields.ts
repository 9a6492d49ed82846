/**
 * Fields as delivery reports, complaints and returned headers have them: `Name: value` with folded lines, in groups
 * between empty lines (RFC 3464 section 2.1, RFC 5965 section 3).
 *
 * Tolerant: a bare LF ends a line, what is no field is skipped. Everything is from outside: values are cut, control
 * characters become spaces, and there are bounds on text, groups and fields.
 */
import { decodeXtext } from '../message/delivery-status-fields.js';

/** Values by name in lower case, in order. */
export type Fields = ReadonlyMap<string, readonly string[]>;

const MAX_TEXT = 64 * 1024;
const MAX_GROUPS = 100;
const MAX_FIELDS = 200;
const MAX_VALUE = 2000;
const FIELD = /^([!-9;-~]{1,100})[ \t]*:(.*)$/;

/** Groups of fields; those without a field are none. */
export function readGroups(text: string, most = MAX_GROUPS): Fields[] {
  const groups: Fields[] = [];
  let fields = new Map<string, string[]>();
  let values: string[] | null = null;
  let count = 0;
  const close = (): void => {
    if (fields.size > 0) groups.push(fields);
    fields = new Map();
    values = null;
    count = 0;
  };
  for (const line of text.slice(0, MAX_TEXT).split(/\r?\n/)) {
    if (/^[ \t]*$/.test(line)) {
      close();
      if (groups.length >= most) return groups;
    } else if (/^[ \t]/.test(line)) {
      const at = (values?.length ?? 0) - 1;
      if (values !== null && at >= 0) values[at] = cut(`${values[at]} ${line.trim()}`);
    } else {
      const match = FIELD.exec(line);
      values = null;
      if (match === null || count >= MAX_FIELDS) continue;
      const name = match[1]!.toLowerCase();
      values = fields.get(name) ?? [];
      values.push(cut(match[2]!.trim()));
      fields.set(name, values);
      count++;
    }
  }
  close();
  return groups.slice(0, most);
}

/** The header at the beginning of a message, or of what is left of one. */
export function readHeader(text: string): Fields {
  return readGroups(text.replace(/^(?:[ \t]*\r?\n)+/, ''), 1)[0] ?? new Map<string, string[]>();
}

/** The first value of a field, '' without one. */
export function first(fields: Fields, name: string): string {
  return fields.get(name)?.[0] ?? '';
}

/** What stands behind the type, `smtp;`; a value without a type as it is. */
export function withoutType(value: string): string {
  return value.replace(/^[ \t]*[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,40}[ \t]*;[ \t]*/, '').trim();
}

/** Addresses that a value may stand for: typed or not, in angle brackets or not, as xtext or decoded. */
export function addressesIn(value: string): string[] {
  const bare = withoutType(value);
  const unicode = bare.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/g, (whole: string, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
  const found = new Set<string>();
  for (const form of [unicode, decodeXtext(unicode)])
    for (const [address] of form.matchAll(/[^\s<>()[\],;:"]{1,64}@[^\s<>()[\],;:"]{1,255}/g)) {
      found.add(address.replace(/[.>]+$/, ''));
      if (found.size >= 20) return [...found];
    }
  return [...found];
}

function cut(value: string): string {
  return value.slice(0, MAX_VALUE).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}
