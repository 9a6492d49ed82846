/**
 * Rows of the schema about the history of messages; schema.ts puts all rows together.
 */
import { setting } from './setting.js';
import { choice, duration, size, text } from './value-type.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIB = 1024 * 1024;
const group = 'History';

/** How long what happened to mail may be kept: by SLUICE_HISTORY_AGE, and for a tenant. */
export const historyAge = () => duration({ min: HOUR, max: 3650 * DAY });

export const historySettings = {
  history: setting({
    name: 'SLUICE_HISTORY',
    group,
    type: choice(['on', 'off']),
    default: 'on',
    purpose:
      'Whether what happens to each message is kept, for `sluice history` and GET /v1/messages. A process that is killed loses the last second of it.',
    trades:
      'About a tenth of the highest rate, and 130 to 300 bytes for each event; a message has two or more. Disk errors cost history, never mail.',
  }),
  historyDir: setting({
    name: 'SLUICE_HISTORY_DIR',
    group,
    type: text('a path; a relative one begins at the working directory'),
    default: '',
    defaultNote: '`history` in SLUICE_SPOOL_DIR',
    purpose: 'Where it is kept. For one engine only.',
    trades: 'It holds addresses and replies in the clear: for the user that runs Sluice only.',
  }),
  historySize: setting({
    name: 'SLUICE_HISTORY_SIZE',
    group,
    type: size({ min: 4 * MIB, max: 1024 * 1024 * MIB }),
    default: '1g',
    purpose: 'Bytes of all of it; the oldest goes first.',
    trades: 'A gigabyte holds what happened to some 3 million messages.',
  }),
  historyAge: setting({
    name: 'SLUICE_HISTORY_AGE',
    group,
    type: historyAge(),
    default: '7d',
    purpose: 'How long it is kept, where the [[tenant]] says nothing else.',
    trades: 'Longer answers more questions, and keeps personal data longer.',
  }),
};
