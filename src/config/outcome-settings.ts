/**
 * Rows of the schema about what becomes of mail that is refused, bounces or is complained about; schema.ts puts all rows
 * together.
 */
import { canonicalDomain } from './address-type.js';
import { mailbox } from './mailbox-type.js';
import { setting } from './setting.js';
import { choice, duration, integer, isValue, list, text, type ValueType } from './value-type.js';

const MINUTE = 60_000;
const DAY = 86_400_000;
const group = 'Bounces and complaints';
const time = () => duration({ min: MINUTE, max: 3650 * DAY, zero: 'for good' });

/** `bounces.example.org` for all of a domain, `fbl@example.org` for one address; lower case with A-labels. */
function bounceAddress(): ValueType<string> {
  return {
    allowed: 'a domain such as bounces.example.org, or a mailbox such as fbl@example.org',
    unit: '',
    parse: (given) => {
      if (given.includes('@')) {
        const parsed = mailbox().parse(given);
        return isValue(parsed) ? { value: parsed.value.toLowerCase() } : parsed;
      }
      const domain = canonicalDomain(given);
      return domain === undefined ? { problem: '' } : { value: domain };
    },
    format: (value) => value,
  };
}

/** Suppression, VERP, and where bounces come back to. */
export const outcomeSettings = {
  suppression: setting({
    name: 'SLUICE_SUPPRESSION',
    group,
    type: choice(['off', 'bounces', 'complaints', 'all']),
    default: 'off',
    purpose:
      'What puts an address on the suppression list of a tenant by itself: hard bounces (no such mailbox or domain, mailbox closed), complaints, or both. What an operator put there (`sluice suppression add`) counts in any case.',
    trades:
      'Mail to dead addresses costs reputation. A recipient host that answers wrongly with 5.1.1 takes its addresses out of reach until the entries end.',
  }),
  suppressed: setting({
    name: 'SLUICE_SUPPRESSED',
    group,
    type: choice(['reject', 'drop']),
    default: 'reject',
    purpose:
      'What becomes of a recipient on the list, where its [[tenant]] does not say: 550 5.1.1 at RCPT, or taken and dropped with a line in the log.',
    trades: 'drop suits senders that cannot deal with a refusal; they do not learn of it.',
  }),
  suppressBadMailbox: setting({
    name: 'SLUICE_SUPPRESS_BAD_MAILBOX',
    group,
    type: time(),
    default: '90d',
    purpose: 'How long a mailbox that does not exist stays on the list.',
    trades: 'Longer spares attempts; shorter reaches a mailbox that was made meanwhile.',
  }),
  suppressBadDomain: setting({
    name: 'SLUICE_SUPPRESS_BAD_DOMAIN',
    group,
    type: time(),
    default: '7d',
    purpose: 'How long an address whose domain does not exist or takes no mail stays on the list.',
    trades: 'A mistake in DNS is mended within days.',
  }),
  suppressInactive: setting({
    name: 'SLUICE_SUPPRESS_INACTIVE',
    group,
    type: time(),
    default: '30d',
    purpose: 'How long a mailbox that is closed or disabled stays on the list.',
    trades: 'Longer spares attempts; shorter reaches a mailbox that is opened again.',
  }),
  suppressComplaint: setting({
    name: 'SLUICE_SUPPRESS_COMPLAINT',
    group,
    type: time(),
    default: '0',
    purpose: 'How long an address that complained stays on the list.',
    trades: 'Who complained once will again: other than 0 only where the recipient asks for mail anew.',
  }),
  suppressionMax: setting({
    name: 'SLUICE_SUPPRESSION_MAX',
    group,
    type: integer({ min: 1000, max: 1_000_000_000 }),
    default: '10000000',
    purpose: 'Entries of the suppression list beyond which bounces and complaints add none.',
    trades: 'An entry takes about 300 bytes of the spool and no memory.',
  }),
  verp: setting({
    name: 'SLUICE_VERP',
    group,
    type: text('a domain such as bounces.example.org, or an address with one * such as b+*@example.org', 255),
    default: '',
    defaultNote: 'none: mail keeps its reverse-path',
    purpose:
      "Reverse-path of mail that is no tenant's or whose [[tenant]] has no verp: one for each recipient, with a token that tells which message a bounce is about. Bounces come here, not to the sender. The key is verp.key in SLUICE_SPOOL_DIR.",
    trades:
      'One transaction for each recipient, also of mail from outside that is passed on. The MX of the domain must lead to a listener of this engine, and its SPF record must name its addresses.',
  }),
  bounceAddresses: setting({
    name: 'SLUICE_BOUNCE_ADDRESSES',
    group,
    type: list(bounceAddress(), 'domains and mailboxes, several with commas', ',', 1000),
    default: '',
    defaultNote: 'only those of reverse-paths made here',
    purpose:
      'Domains and mailboxes whose mail is bounces and complaints that come back: taken from anyone, read, and done with.',
    trades: 'Give the address of feedback loops here. Nothing that is sent there is kept.',
  }),
};
