/**
 * Rows of the schema about recipient verification (routes with `verify = true`); schema.ts puts all rows together.
 */
import { setting } from './setting.js';
import { choice, duration } from './value-type.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const verifySettings = {
  verifyPositive: setting({
    name: 'SLUICE_VERIFY_POSITIVE',
    group: 'Delivery',
    type: duration({ min: SECOND, max: 30 * DAY }),
    default: '6h',
    purpose: 'How long a recipient that the target of a route takes (verify = true) is not asked about again.',
    trades: 'Longer asks the target less; mail for a mailbox that has gone is taken, and bounced, for so long.',
  }),
  verifyNegative: setting({
    name: 'SLUICE_VERIFY_NEGATIVE',
    group: 'Delivery',
    type: duration({ min: SECOND, max: 30 * DAY }),
    default: '15m',
    purpose: 'How long a recipient that the target refuses is not asked about again.',
    trades: 'Longer shields the target from guesses; a new mailbox is refused for so long if it was tried before.',
  }),
  verifyTimeout: setting({
    name: 'SLUICE_VERIFY_TIMEOUT',
    group: 'Delivery',
    type: duration({ min: 100, max: 25 * SECOND }),
    default: '5s',
    purpose: 'Longest wait for the target to say whether it takes a recipient.',
    trades: 'Shorter frees clients sooner; then SLUICE_VERIFY_UNKNOWN decides.',
  }),
  verifyUnknown: setting({
    name: 'SLUICE_VERIFY_UNKNOWN',
    group: 'Delivery',
    type: choice(['defer', 'accept']),
    default: 'defer',
    purpose: 'What becomes of a recipient while the target gives no answer or a temporary one: 450, or it is taken.',
    trades: 'accept takes mail while the target is down, also for recipients that it will refuse.',
  }),
};
