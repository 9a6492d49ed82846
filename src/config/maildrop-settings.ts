/**
 * The row of the schema about the maildrop of `sendmail`; schema.ts puts all rows together.
 */
import { join, resolve } from 'node:path';
import { setting } from './setting.js';
import { text } from './value-type.js';

export const maildropSettings = {
  maildropDir: setting({
    name: 'SLUICE_MAILDROP_DIR',
    group: 'Operation',
    type: text('a path; a relative one begins at the working directory; off: none'),
    default: '',
    defaultNote: 'maildrop in SLUICE_SPOOL_DIR',
    purpose: 'Where `sendmail` keeps mail while the engine is down. Any user may put files there, none may list them.',
    trades: 'Any user of this machine can fill its disk; off refuses mail while the engine is down.',
  }),
};

/** Its absolute path, '' for none. */
export function maildropPath(given: string, cwd: string, spoolDir: string): string {
  if (given.toLowerCase() === 'off') return '';
  return given === '' ? join(spoolDir, 'maildrop') : resolve(cwd, given);
}
