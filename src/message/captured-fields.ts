/**
 * Header fields whose values are wanted outside of the header: those that rules look at, and those by which a submitter
 * says how its message is to be handled (X-Sluice-Lane, X-Sluice-Tags, X-Sluice-Tenant).
 *
 * Of each name the first field counts. Nothing is made where a message has none of them. A name is found by its hash, as
 * a HeaderScan has it, and then compared.
 */
import type { CapturedFields } from '../../workers/contract.js';
import { FieldName, type HeaderScan } from './header-scan.js';
import { TRACEPARENT } from './trace-field.js';

/** Names looked at for rules; bytes of a value that are kept. */
export const MAX_CAPTURED = 16;
export const MAX_CAPTURED_VALUE = 256;

/** What a submitter may say of its message; taken out of everybody's, so that nothing that is left of it was believed. */
export const HANDLING_FIELDS: readonly string[] = ['X-Sluice-Lane', 'X-Sluice-Tags', 'X-Sluice-Tenant'];

export class FieldCapture {
  private readonly ofAll: NameSet;
  private readonly ofSubmissions: NameSet;

  /** `names`: lower case, of which MAX_CAPTURED are looked at. */
  constructor(names: readonly string[]) {
    const looked = names.slice(0, MAX_CAPTURED);
    this.ofAll = new NameSet(looked);
    this.ofSubmissions = new NameSet([...HANDLING_FIELDS, TRACEPARENT, ...looked]);
  }

  /** The values in a header; undefined: none of the fields is there. */
  capture(scan: HeaderScan, submission: boolean): CapturedFields | undefined {
    const wanted = submission ? this.ofSubmissions : this.ofAll;
    let found: Record<string, string> | undefined;
    for (let i = 0; i < scan.count; i++) {
      const name = wanted.nameOf(scan, i);
      if (name === undefined || (found !== undefined && Object.hasOwn(found, name.lower))) continue;
      found ??= {};
      found[name.lower] = keptValue(scan, i);
    }
    return found;
  }
}

/** Names by their hashes. Most fields of a header are none of them, which one bit of the hash tells. */
class NameSet {
  private readonly names = new Map<number, FieldName>();
  private bits = 0;

  constructor(names: readonly string[]) {
    for (const name of names.map((one) => new FieldName(one))) {
      this.names.set(name.hash, name);
      this.bits |= 1 << (name.hash & 31);
    }
  }

  /** The name of an entry of a header if it is one of these. */
  nameOf(scan: HeaderScan, index: number): FieldName | undefined {
    const hash = scan.hashes[index]!;
    if ((this.bits & (1 << (hash & 31))) === 0) return undefined;
    const name = this.names.get(hash);
    return name !== undefined && scan.is(index, name) ? name : undefined;
  }
}

/** A value without folds and outer blanks, cut at a whole character. */
function keptValue(scan: HeaderScan, index: number): string {
  const text = scan
    .value(index)
    .replace(/\r\n(?=[ \t])/g, '')
    .trim()
    .slice(0, MAX_CAPTURED_VALUE);
  if (/^[\t -~]*$/.test(text)) return text;
  // Bytes above 127 are UTF-8 (RFC 6532); what the cut left of a character goes.
  return Buffer.from(text, 'latin1')
    .toString('utf8')
    .replace(/\ufffd+$/, '')
    .replace(/[\u0000-\u001f\u007f]/g, ' ');
}
