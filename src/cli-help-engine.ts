/**
 * Help of the commands about the engine as a whole.
 */
import { EX_CONFIG, EX_IOERR, EX_SOFTWARE, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';

/** `--json` and `--socket`, as every command that asks the engine has them. */
export const JSON_TERM = ['--json', 'one JSON object a line instead of text for people'] as const;
export const SOCKET_TERM = ['--socket PATH', 'the control socket, if not that of the settings'] as const;

export const START: CommandHelp = {
  name: 'start',
  summary: 'run the engine (also without a command)',
  usage: ['start'],
  about: [
    'Runs the engine until SIGTERM or SIGINT, which let transactions end first; a second one ends it at once, and nothing that was acknowledged is lost. SIGHUP reads signing keys, certificates, accounts and the configuration file anew. Prints a line with "sluice ready" once it listens.',
  ],
  terms: [],
  examples: ['SLUICE_LISTEN=smtp://127.0.0.1:2525 SLUICE_UPSTREAM=smtp://10.0.0.5:25?pool=100 sluice start'],
  exits: [EX_SOFTWARE, EX_IOERR, EX_CONFIG],
};

export const CHECK: CommandHelp = {
  name: 'check',
  summary: 'check the configuration and print it',
  usage: ['check [--json]'],
  about: [
    'Checks the settings, the signing keys, the accounts and the configuration file, and prints every value in effect and where it came from, secrets masked; one line for each mistake.',
  ],
  terms: [['--json', 'one JSON object: good, settings, notes, warnings, problems']],
  examples: ['SLUICE_RETRY_MIN=30s sluice check'],
  exits: [EX_CONFIG],
};

export const STATUS: CommandHelp = {
  name: 'status',
  summary: 'what the running engine is doing',
  usage: ['status [--json] [--socket PATH]'],
  about: ['What the running engine has done and is doing.'],
  terms: [JSON_TERM, SOCKET_TERM],
  examples: ['sluice status --json'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const VERSION: CommandHelp = {
  name: 'version',
  summary: 'the version of this program (also --version, -v)',
  usage: ['version [--json]'],
  about: ['The version of this program; asks no engine.'],
  terms: [['--json', 'one JSON object: version, node']],
  examples: ['sluice version --json'],
  exits: [],
};
