/**
 * Help of `sluice audit`.
 */
import { EX_CONFIG, EX_DATAERR, EX_NOINPUT } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';

export const AUDIT: CommandHelp = {
  name: 'audit',
  summary: 'what operators did, in a log that shows when it was changed: verify, list, head',
  usage: [
    'audit verify [--head HASH] [--after HASH] [--file PATH] [--json]',
    'audit list [--since 24h|DATE] [--file PATH] [--json]',
    'audit head [--file PATH] [--json]',
  ],
  about: ['Reads the log of SLUICE_AUDIT_FILE, with or without a running engine.'],
  terms: [
    ['verify', 'whether the log is as it was written; names the first line that is not, and why'],
    ['list', 'its entries, oldest first'],
    ['head', 'the hash of the last entry, to be kept elsewhere'],
    ['--head HASH', 'a hash that was kept: it must be that of some entry, or the end was cut off'],
    ['--after HASH', 'the hash before the first entry to look at, where older files are kept elsewhere'],
    ['--since TIME', 'entries of the last 24h, or since a date'],
    ['--file PATH', 'the log, if not that of the settings'],
    ['--json', 'one JSON object a line'],
  ],
  examples: ['sluice audit list --since 24h'],
  exits: [EX_DATAERR, EX_NOINPUT, EX_CONFIG],
};
