/**
 * TXT records of the form `v=STSv1; id=...; name=value` (RFC 8461 section 3.1, RFC 8460 section 3): their fields by the
 * grammar those share, taken strictly. What the grammar does not allow makes the whole record invalid.
 */

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
/** Printable without space, `;` and `=`. */
const EXTENSION_VALUE = /^[\x21-\x3a\x3c\x3e-\x7e]+$/;

export interface RecordField {
  readonly name: string;
  readonly value: string;
}

/** Whether a TXT record claims to be of this version: begins with it, and it ends there. Others are to be ignored. */
export function hasVersion(record: string, version: string): boolean {
  return record.startsWith(`v=${version}`) && /^[ \t]*(;|$)/.test(record.slice(version.length + 2));
}

/**
 * The fields behind the version, undefined when the record is none. Values of names in `own` are left to the caller, but
 * for being there; others are held to the grammar of extensions.
 */
export function recordFields(record: string, version: string, own: readonly string[]): RecordField[] | undefined {
  if (!hasVersion(record, version)) return undefined;
  const parts = record.split(';').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''));
  // One delimiter may stand at the end.
  if (parts.at(-1) === '') parts.pop();
  const fields: RecordField[] = [];
  for (const part of parts.slice(1)) {
    const equals = part.indexOf('=');
    const name = part.slice(0, Math.max(0, equals));
    const value = part.slice(equals + 1);
    if (!NAME.test(name) || value === '') return undefined;
    if (!own.includes(name) && !EXTENSION_VALUE.test(value)) return undefined;
    fields.push({ name, value });
  }
  return fields;
}
