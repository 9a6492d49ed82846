/**
 * Mailboxes as values of settings. Contract: as value-type.ts.
 */
import { canonicalDomain } from './address-type.js';
import type { ValueType } from './value-type.js';

/** `local@domain` with a plain ASCII local part; the domain is kept as lower-case A-labels. '' is none. */
export function mailbox(): ValueType<string> {
  return {
    allowed: 'a mailbox such as reports@example.org',
    unit: '',
    parse: (text) => {
      if (text === '') return { value: '' };
      const at = text.lastIndexOf('@');
      const local = text.slice(0, Math.max(0, at));
      const domain = canonicalDomain(text.slice(at + 1));
      if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(local) || local.length > 64)
        return { problem: 'what stands before the @ is no plain local part' };
      return domain === undefined
        ? { problem: 'what stands behind the @ is no domain' }
        : { value: `${local}@${domain}` };
    },
    format: (value) => value,
  };
}
