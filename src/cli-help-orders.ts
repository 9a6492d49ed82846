/**
 * Help of the commands that act on mail by whom it concerns.
 */
import { EX_CONFIG, EX_NOINPUT, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';
import { JSON_TERM, SOCKET_TERM } from './cli-help-engine.js';

const SELECTION = '--domain D|--tenant T|--pool P|--campaign C';
const NARROWS = 'Several of --domain, --tenant, --pool and --campaign narrow it down: all must fit.';

const SELECTORS = [
  ['--domain D', 'recipient domain; .example.org for all below it'],
  ['--tenant T', 'whose mail it is'],
  ['--pool P', 'egress pool or upstream group it would go by'],
  ['--campaign C', 'a tag of it'],
] as const;
const REASON = ['--reason TEXT', 'for the log and for whoever looks later'] as const;
const FOR = ['--for TIME', 'ends by itself after 90s, 10m, 2h or 3d'] as const;

export const SUSPEND: CommandHelp = {
  name: 'suspend',
  summary: 'keep mail of a domain, tenant, pool or campaign from being tried',
  usage: [`suspend ${SELECTION} [--for 2h] [--reason TEXT] [--json]`],
  about: [
    'Keeps mail from being tried, for a time or until it is resumed. New mail is taken and waits. Kept over restarts.',
    NARROWS,
  ],
  terms: [...SELECTORS, FOR, REASON, JSON_TERM, SOCKET_TERM],
  examples: ['sluice suspend --domain example.net --for 30m --reason "asked to by their postmaster"'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const RESUME: CommandHelp = {
  name: 'resume',
  summary: 'take back what suspend or reroute said',
  usage: [`resume ORDER|all|${SELECTION} [--json]`],
  about: [
    'Takes back what `sluice suspend` or `sluice reroute` said, by the id of the order or by whom it concerns. What waited is tried at once.',
    NARROWS,
  ],
  terms: [...SELECTORS, JSON_TERM, SOCKET_TERM],
  examples: ['sluice resume --domain example.net'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};

export const REROUTE: CommandHelp = {
  name: 'reroute',
  summary: 'send mail another way than its route says',
  usage: [`reroute --to TARGET ${SELECTION} [--for 2h] [--reason TEXT] [--json]`],
  about: ['Sends mail, queued and new, another way than its route says. Kept over restarts.', NARROWS],
  terms: [
    ['--to TARGET', 'upstream/NAME, mx, host/NAME:PORT or discard'],
    ...SELECTORS,
    FOR,
    REASON,
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice reroute --domain example.net --to upstream/ses --for 6h'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const BOUNCE: CommandHelp = {
  name: 'bounce',
  summary: 'give up queued mail; its senders are told',
  usage: [`bounce ${SELECTION} [--reason TEXT] [--json]`],
  about: ['Gives up queued mail; its senders are told.', NARROWS],
  terms: [...SELECTORS, REASON, JSON_TERM, SOCKET_TERM],
  examples: ['sluice bounce --campaign spring --reason "sent by mistake"'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const ORDERS: CommandHelp = {
  name: 'orders',
  summary: 'what is suspended or rerouted now',
  usage: ['orders [--json] [--socket PATH]'],
  about: ['What is suspended or rerouted now, by whom and until when.'],
  terms: [JSON_TERM, SOCKET_TERM],
  examples: ['sluice orders'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const SUPPRESSION: CommandHelp = {
  name: 'suppression',
  summary: 'addresses that get no mail: list, add, remove, import',
  usage: [
    'suppression list [--tenant T] [--json]',
    'suppression add ADDRESS [--tenant T] [--for 90d] [--reason WORD] [--json]',
    'suppression remove ADDRESS [--tenant T] [--json]',
    'suppression import FILE [--tenant T] [--for 90d] [--reason WORD] [--json]',
  ],
  about: ['Addresses that get no mail of a tenant (without --tenant: of nobody in particular).'],
  terms: [
    ['list', 'the addresses with their reasons'],
    ['add', 'an address that gets no mail from now on'],
    ['remove', 'take an address off the list'],
    ['import', 'a file of one address a line; - is standard input'],
    ['--tenant T', 'whose list it is'],
    ['--for TIME', 'how long, such as 90d; for good unless given'],
    ['--reason WORD', 'why; operator unless given'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice suppression add someone@example.net --tenant shop --reason complaint'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};
