/**
 * MTA-STS (RFC 8461): the TXT record that announces a policy, the policy itself, and which hosts it names.
 *
 * Stateless. A mistake is a value that says what is wrong, in words for a log line or a report.
 * Limits: the policy's size is the fetch's; MAX_PATTERNS hosts in it.
 */
import { recordFields } from './record-fields.js';

export type StsMode = 'enforce' | 'testing' | 'none';

/** A policy (RFC 8461 section 3.2). */
export interface StsPolicy {
  readonly mode: StsMode;
  /** Lower-case host names, `*.` in front for exactly one label. */
  readonly mx: readonly string[];
  /** Seconds. */
  readonly maxAge: number;
}

export type ParsedPolicy = { readonly policy: StsPolicy } | { readonly problem: string };

/** RFC 8461 section 3.2: about one year. */
const MAX_AGE = 31_557_600;
const MAX_PATTERNS = 1000;

const VERSION = 'STSv1';
const FIELD = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*)$/;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const PATTERN = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`);
/** Visible characters and single or more spaces between them; what is no ASCII was UTF-8. */
const EXTENSION_VALUE = /^[\x21-\x7e\u0080-\u{10ffff}](?:[\x20-\x7e\u0080-\u{10ffff}]*[\x21-\x7e\u0080-\u{10ffff}])?$/u;

/** The id of one TXT record; undefined when it is not a valid one. */
export function parseStsRecord(record: string): string | undefined {
  const id = recordFields(record, VERSION, ['id'])?.find(({ name }) => name === 'id')?.value;
  return id !== undefined && /^[A-Za-z0-9]{1,32}$/.test(id) ? id : undefined;
}

/** The id that a domain announces: it must have one record that begins with `v=STSv1;`, and that must be valid. */
export function announcedId(records: readonly string[]): string | undefined {
  const own = records.filter((record) => /^v=STSv1[ \t]*;/.test(record));
  return own.length === 1 ? parseStsRecord(own[0]!) : undefined;
}

/** Reads a policy. Unknown fields are ignored; of known ones other than `mx` the first counts. */
export function parseStsPolicy(text: string): ParsedPolicy {
  const lines = text.split(/\r?\n/);
  while (lines.length > 0 && lines.at(-1)!.trim() === '') lines.pop();
  const first = new Map<string, string>();
  const mx: string[] = [];
  for (const line of lines) {
    const [, name, padded] = FIELD.exec(line) ?? [];
    if (name === undefined || padded === undefined)
      return { problem: `not a field: ${JSON.stringify(line.slice(0, 80))}` };
    const value = padded.replace(/[ \t]+$/, '');
    if (!EXTENSION_VALUE.test(value)) return { problem: `${name} has no proper value` };
    if (name === 'mx') {
      const pattern = value.toLowerCase();
      if (!PATTERN.test(pattern) || pattern.length > 255)
        return { problem: `mx ${JSON.stringify(value.slice(0, 80))} is no host name` };
      mx.push(pattern);
    } else if (!first.has(name)) first.set(name, value);
  }
  const version = first.get('version');
  if (version !== VERSION)
    return { problem: version === undefined ? 'no version' : `version ${version} is not ${VERSION}` };
  const mode = first.get('mode');
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none')
    return { problem: mode === undefined ? 'no mode' : `mode ${mode} is not known` };
  const age = first.get('max_age');
  if (age === undefined || !/^\d{1,10}$/.test(age))
    return { problem: age === undefined ? 'no max_age' : 'max_age is no number' };
  if (mode !== 'none' && mx.length === 0) return { problem: `mode ${mode} without mx` };
  if (mx.length > MAX_PATTERNS) return { problem: `more than ${MAX_PATTERNS} mx` };
  return { policy: { mode, mx, maxAge: Math.min(Number(age), MAX_AGE) } };
}

/** Whether a policy names a host (RFC 8461 section 4.1). `host`: any case, final dot or not. */
export function namesHost(mx: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const parent = name.slice(name.indexOf('.'));
  return mx.some((pattern) => {
    return pattern.startsWith('*.') ? name.indexOf('.') > 0 && parent === pattern.slice(1) : pattern === name;
  });
}
