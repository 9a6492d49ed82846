/**
 * Applies header rules to a scanned header: which entries change, and the new header block.
 *
 * Untouched entries are copied byte for byte; a message nothing applies to is found out without making anything.
 */
import { replaceDomains } from './address-domains.js';
import { HANDLING_FIELDS } from './captured-fields.js';
import { type HeaderRules, rewrittenDomain } from './header-rules.js';
import { FieldName, type HeaderScan } from './header-scan.js';
import { TRACE_HEADERS } from './trace-field.js';

/** What is removed on submission: the envelope is where these belong (RFC 6409 section 8, RFC 5322 section 3.6.3, RFC 5321 section 4.4). */
const SUBMISSION_REMOVES = ['Bcc', 'Resent-Bcc', 'Return-Path', ...TRACE_HEADERS];

interface Replacement {
  readonly name: FieldName;
  readonly bytes: Buffer;
}

export class HeaderEditor {
  private readonly removes: readonly FieldName[];
  private readonly submissionRemoves: readonly FieldName[];
  private readonly replaces: readonly Replacement[];
  private readonly rewrites: readonly FieldName[];
  private readonly replacement: (domain: string) => string | undefined;

  constructor(rules: HeaderRules) {
    this.removes = [...HANDLING_FIELDS, ...rules.remove].map((name) => new FieldName(name));
    this.submissionRemoves = [...this.removes, ...SUBMISSION_REMOVES.map((name) => new FieldName(name))];
    this.replaces = rules.replace.map(({ name, value }) => ({
      name: new FieldName(name),
      bytes: Buffer.from(`${name}: ${value}\r\n`, 'latin1'),
    }));
    const headerFields = rules.rewriteFields.filter((field) => field !== 'return-path');
    this.rewrites = headerFields.map((field) => new FieldName(field === 'from' ? 'From' : 'Sender'));
    this.replacement = (domain) => rewrittenDomain(domain, rules);
  }

  /** The header with the rules applied, undefined when they change nothing. */
  edit(scan: HeaderScan, submission: boolean): Buffer | undefined {
    const removes = submission ? this.submissionRemoves : this.removes;
    let parts: Uint8Array[] | undefined;
    let kept = 0;
    let replaced: Set<Replacement> | undefined;
    for (let i = 0; i < scan.count; i++) {
      let text: Uint8Array | undefined;
      if (anyIs(removes, scan, i)) {
        text = EMPTY;
      } else {
        for (const replacement of this.replaces) {
          if (!scan.is(i, replacement.name)) continue;
          replaced ??= new Set();
          text = replaced.has(replacement) ? EMPTY : replacement.bytes;
          replaced.add(replacement);
        }
        if (text === undefined && anyIs(this.rewrites, scan, i)) text = this.rewritten(scan, i);
      }
      if (text === undefined) continue;
      parts ??= [];
      if (scan.starts[i]! > kept) parts.push(scan.source.subarray(kept, scan.starts[i]!));
      parts.push(text);
      kept = scan.ends[i]!;
    }
    if (parts === undefined) return undefined;
    parts.push(scan.source.subarray(kept, scan.headerEnd));
    return Buffer.concat(parts);
  }

  private rewritten(scan: HeaderScan, index: number): Uint8Array | undefined {
    const value = scan.value(index);
    const changed = replaceDomains(value, this.replacement);
    if (changed === value) return undefined;
    const name = scan.source.toString('latin1', scan.starts[index]!, scan.colons[index]! + 1);
    return Buffer.from(name + changed, 'latin1');
  }
}

const EMPTY = new Uint8Array(0);

function anyIs(names: readonly FieldName[], scan: HeaderScan, index: number): boolean {
  for (const name of names) if (scan.is(index, name)) return true;
  return false;
}
