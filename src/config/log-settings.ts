/**
 * Settings of the log: how much, in which form, and where to.
 */
import { setting } from './setting.js';
import { choice, duration, integer, size, text } from './value-type.js';

const DAY = 86_400_000;

export const logSettings = {
  logLevel: setting({
    name: 'SLUICE_LOG_LEVEL',
    group: 'Operation',
    type: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    purpose: 'The least important line that is logged.',
    trades: 'info is three lines a message; warn leaves them out and saves their CPU time.',
  }),
  logFormat: setting({
    name: 'SLUICE_LOG_FORMAT',
    group: 'Operation',
    type: choice(['auto', 'json', 'pretty', 'postfix']),
    default: 'auto',
    purpose:
      'JSON lines, lines for people, or (auto) the latter on a terminal only; postfix: lines as Postfix writes them, for programs that read those.',
    trades: 'pretty costs several times the CPU time of json.',
  }),
  logFile: setting({
    name: 'SLUICE_LOG_FILE',
    group: 'Operation',
    type: text('a path; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'standard output',
    purpose: 'The file that lines are written to; it rotates itself, and is begun anew where something else moved it.',
    trades: 'A full disk costs lines, never mail. Readable for its group (0640).',
  }),
  logFileSize: setting({
    name: 'SLUICE_LOG_FILE_SIZE',
    group: 'Operation',
    type: size({ min: 0, max: 2 ** 40 }),
    default: '100m',
    purpose: 'Size at which the log file is renamed and a new one begun; 0 is never.',
    trades: 'With SLUICE_LOG_FILE_KEEP it bounds the disk that logs take.',
  }),
  logFileKeep: setting({
    name: 'SLUICE_LOG_FILE_KEEP',
    group: 'Operation',
    type: integer({ min: 0, max: 10_000 }),
    default: '10',
    purpose: 'Renamed log files that are kept.',
    trades: 'Older lines are gone.',
  }),
  logFileAge: setting({
    name: 'SLUICE_LOG_FILE_AGE',
    group: 'Operation',
    type: duration({ min: 0, max: 3650 * DAY }),
    default: '0',
    defaultNote: '0 (off)',
    purpose: 'Age at which a log file is renamed, and at which a renamed one is removed; 0 is never for its age.',
    trades: 'No line is kept longer than twice this.',
  }),
};
