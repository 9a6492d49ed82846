/**
 * The TXT record `_smtp._tls.<domain>` that asks for TLS reports (RFC 8460 section 3).
 */
import { recordFields } from './record-fields.js';

const VERSION = 'TLSRPTv1';
/** Addresses a report of one domain goes to at most. */
const MAX_TARGETS = 5;

/** Where reports are wanted. */
export type ReportTarget =
  | { readonly kind: 'mailto'; readonly address: string }
  | { readonly kind: 'https'; readonly url: string };

/** Characters of RFC 3986, every `%` with its two digits; `,`, `;` and `!` have to be encoded. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@$&'()*+=]|%[0-9A-Fa-f]{2})+$/;
const MAILBOX = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;

/** The targets of one record; undefined when it is invalid. Kinds other than mailto and https are left out. */
export function parseReportRecord(record: string): ReportTarget[] | undefined {
  const fields = recordFields(record, VERSION, ['rua']);
  const lists = fields?.filter(({ name }) => name === 'rua');
  if (lists === undefined || lists.length === 0) return undefined;
  const targets: ReportTarget[] = [];
  for (const { value } of lists) {
    for (const part of value.split(',')) {
      const uri = part.replace(/^[ \t]+|[ \t]+$/g, '');
      if (!URI.test(uri)) return undefined;
      const target = targetOf(uri);
      if (target !== undefined && targets.length < MAX_TARGETS) targets.push(target);
    }
  }
  return targets;
}

/** The targets a domain names: it must have one record of this version, and that must be valid. */
export function reportTargets(records: readonly string[]): ReportTarget[] | undefined {
  const own = records.filter((record) => /^v=TLSRPTv1[ \t]*;/.test(record));
  return own.length === 1 ? parseReportRecord(own[0]!) : undefined;
}

function targetOf(uri: string): ReportTarget | undefined {
  if (/^mailto:/i.test(uri)) {
    // Header fields behind `?` are for people's mail programs.
    const encoded = uri.slice(7).replace(/\?.*$/, '');
    const address = decode(encoded);
    return address !== undefined && MAILBOX.test(address) ? { kind: 'mailto', address } : undefined;
  }
  if (/^https:\/\//i.test(uri) && URL.canParse(uri)) {
    const url = new URL(uri);
    // An address instead of a name would pass by the look-up, which knows what is not others'.
    const named = /[a-z]$/i.test(url.hostname);
    return named && url.username === '' && url.password === '' ? { kind: 'https', url: url.href } : undefined;
  }
  return undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
