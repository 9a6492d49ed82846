/**
 * Rows of the schema about the audit log; schema.ts puts all rows together.
 */
import { join, resolve } from 'node:path';
import { setting } from './setting.js';
import { size, text } from './value-type.js';

const MIB = 1024 * 1024;
const OFF = 'off';

export const auditSettings = {
  auditFile: setting({
    name: 'SLUICE_AUDIT_FILE',
    group: 'Operation',
    type: text('a path, or off; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'audit.log in SLUICE_SPOOL_DIR',
    purpose:
      'The log of administrative actions, changes of the configuration, starts, stops and failed logins: each line holds the hash of the one before (`sluice audit verify`).',
    trades:
      'An action waits for its line to be on disk, and is refused where it cannot be written; mail is not. On another disk than the spool a full spool does not stop it.',
  }),
  auditFileSize: setting({
    name: 'SLUICE_AUDIT_FILE_SIZE',
    group: 'Operation',
    type: size({ min: 64 * 1024, max: 1024 * MIB }),
    default: '16m',
    purpose: 'Past it the file is set aside as SLUICE_AUDIT_FILE with a number, and a new one goes on.',
    trades: 'Set-aside files are never removed here. The file in use is read whole at start.',
  }),
};

/** Path of the audit log, '' for none. `spoolDir`, `cwd`: absolute. */
export function auditPath(given: string, spoolDir: string, cwd: string): string {
  if (given.toLowerCase() === OFF) return '';
  return given === '' ? join(spoolDir, 'audit.log') : resolve(cwd, given);
}
