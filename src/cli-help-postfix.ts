/**
 * Help of the commands that stand in for those of Postfix, and of what puts them into a folder.
 */
import { EX_CANTCREAT, EX_CONFIG, EX_TEMPFAIL, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';

const NO_PATH = 'Of Postfix; `sluice install-compat` puts it into a folder under its own name.';
const FOR_OWNER = 'For the user of the engine and root: the control socket is theirs.';

export const INSTALL_COMPAT: CommandHelp = {
  name: 'install-compat',
  summary: 'sendmail, mailq, postqueue, postsuper, postcat as Postfix has them',
  usage: ['install-compat DIR [--force] [--json]'],
  about: [
    'Writes sendmail, mailq, newaliases, postqueue, postsuper, postcat and qshape into DIR: small scripts that run Sluice with the flags and the output of those of Postfix. Makes the folder in which sendmail keeps mail while the engine is down (SLUICE_MAILDROP_DIR).',
    'Run it again when Sluice, node, the spool or the control socket have moved.',
  ],
  terms: [
    ['--force', 'overwrite files that are not from here'],
    ['--json', 'one JSON object: files, maildrop, notes'],
  ],
  examples: ['sluice install-compat ./postfix-commands'],
  exits: [EX_CANTCREAT, EX_CONFIG],
};

export const SENDMAIL: CommandHelp = {
  name: 'sendmail',
  summary: 'send the message on standard input, as with Postfix',
  usage: ['sendmail [options] [RECIPIENT ...]', 'sendmail -bs|-bp|-q'],
  about: [
    NO_PATH,
    'Hands the message to the engine, or keeps it in the maildrop while there is none; ends with 0 when it is safe there, with 69 when the engine refuses a recipient for good. Other options of sendmail are ignored as Postfix ignores them.',
  ],
  terms: [
    ['-t', 'recipients are also those of To, Cc and Bcc'],
    ['-i, -oi', 'a line of one dot is text'],
    ['-f ADDRESS', 'envelope sender'],
    ['-F NAME', 'full name for a From that is missing'],
    ['-N LIST, -R hdrs|full, -V ID', 'notifications (RFC 3461)'],
    ['-bs', 'SMTP on standard input and output'],
    ['-bp', 'as mailq'],
    ['-q, -qIID, -qRSITE', 'try queued mail now, as postqueue -f, -i and -s'],
  ],
  examples: ["printf 'Subject: hello\\n\\nhello\\n' | sluice sendmail ann@example.org"],
  exits: [EX_TEMPFAIL],
};

export const MAILQ: CommandHelp = {
  name: 'mailq',
  summary: 'the queue as Postfix shows it',
  usage: ['mailq'],
  about: [NO_PATH, FOR_OWNER],
  terms: [],
  examples: ['sluice mailq'],
  exits: [EX_UNAVAILABLE],
};

export const NEWALIASES: CommandHelp = {
  name: 'newaliases',
  summary: 'does nothing: there are no aliases',
  usage: ['newaliases'],
  about: [NO_PATH],
  terms: [],
  examples: ['sluice newaliases'],
  exits: [],
};

export const POSTQUEUE: CommandHelp = {
  name: 'postqueue',
  summary: 'list the queue or try it now, as with Postfix',
  usage: ['postqueue -p|-j|-f', 'postqueue -i ID', 'postqueue -s DOMAIN'],
  about: [NO_PATH, FOR_OWNER],
  terms: [
    ['-p', 'list, as mailq'],
    ['-j', 'list, one JSON object a line'],
    ['-f', 'try all that waits now'],
    ['-i ID', 'try one message now'],
    ['-s DOMAIN', 'try what waits for a domain now'],
  ],
  examples: ['sluice postqueue -j'],
  exits: [EX_UNAVAILABLE],
};

export const POSTSUPER: CommandHelp = {
  name: 'postsuper',
  summary: 'delete, hold, release or requeue mail, as with Postfix',
  usage: ['postsuper -d|-h|-H|-r|-R ID|ALL|- [QUEUE ...]'],
  about: [NO_PATH, 'QUEUE: hold, active, deferred; all of them where none is named. - reads ids from standard input.'],
  terms: [
    ['-d', 'delete; the sender is not told'],
    ['-h', 'hold'],
    ['-H', 'release what is held'],
    ['-r, -R', 'try again as new'],
  ],
  examples: ['sluice postsuper -d ALL deferred'],
  exits: [EX_UNAVAILABLE],
};

export const POSTCAT: CommandHelp = {
  name: 'postcat',
  summary: 'show a queued message, as with Postfix',
  usage: ['postcat -q [-e] [-h] [-b] ID ...'],
  about: [NO_PATH, FOR_OWNER],
  terms: [
    ['-e', 'envelope'],
    ['-h', 'header'],
    ['-b', 'body; all three where none is given'],
  ],
  examples: ['sluice postcat -q HOGSJWFUZ4'],
  exits: [EX_UNAVAILABLE],
};

export const QSHAPE: CommandHelp = {
  name: 'qshape',
  summary: 'what waits for which domain and how long, as with Postfix',
  usage: ['qshape [-s] [QUEUE ...]'],
  about: [NO_PATH, FOR_OWNER],
  terms: [['-s', 'domains of senders']],
  examples: ['sluice qshape deferred'],
  exits: [EX_UNAVAILABLE],
};
