/**
 * Help of the commands about queued mail and where mail goes.
 */
import { EX_CONFIG, EX_NOINPUT, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';
import { JSON_TERM, SOCKET_TERM } from './cli-help-engine.js';

export const QUEUE: CommandHelp = {
  name: 'queue',
  summary: 'queued mail: list, show, retry, hold, release, delete',
  usage: [
    'queue list [--limit N] [--json]',
    'queue show ID [--json]',
    'queue retry ID|all [--json]',
    'queue hold|release|delete ID [--json]',
  ],
  about: ['Looks at and acts on queued mail.'],
  terms: [
    ['list', 'waiting messages, oldest first; 100 unless --limit says otherwise, 0 is all'],
    ['show', 'one message with its recipients and their last replies'],
    ['retry', 'try now: one message, or all that wait'],
    ['hold', 'keep a message from being tried until it is released'],
    ['release', 'end a hold'],
    ['delete', 'drop a message; its sender is not told'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice queue list --limit 20', 'sluice queue show FQZ3K1B2C4'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};

export const HISTORY: CommandHelp = {
  name: 'history',
  summary: 'what became of a message, or of mail to an address',
  usage: [
    'history ID [--json] [--socket PATH]',
    'history [ADDRESS] [--from ADDRESS] [--tag WORD] [--tenant T] [--status S] [--since 2h] [--until 1h] [--limit N] [--json] [--socket PATH]',
  ],
  about: [
    'What became of mail: a message with its timeline, or the messages to ADDRESS, those to which something happened last first. Without an address, sender or tag those of the last day.',
  ],
  terms: [
    ['--from ADDRESS', 'of this sender'],
    ['--tag WORD', 'with this tag'],
    ['--tenant T', 'of this tenant'],
    ['--status S', 'queued, delivered, deferred, bounced, expired, dropped, complained or returned'],
    ['--since SPAN', 'accepted since then: 90s, 10m, 2h or 3d ago, or a date such as 2026-11-30T08:00'],
    ['--until SPAN', 'accepted until then'],
    ['--limit N', 'how many; 20 unless given, 0 is all'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice history someone@example.net --since 2d', 'sluice history FQZ3K1B2C4'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};

export const ERASE: CommandHelp = {
  name: 'erase',
  summary: 'take an address out of queue and history',
  usage: ['erase ADDRESS [--tenant T] [--suppression] [--yes] [--json] [--socket PATH]'],
  about: [
    'Queued mail to the address is dropped for that recipient, mail from it altogether, nobody is told, and the history is written anew without it. It cannot be undone. Where the engine is stopped meanwhile it goes on with its next start.',
  ],
  terms: [
    ['--tenant T', 'only in what is of this tenant'],
    ['--suppression', 'its entries of the suppression list too'],
    ['--yes', 'do not ask'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice erase someone@example.net --yes'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};

export const WHY: CommandHelp = {
  name: 'why',
  summary: 'why a message waits, and when it is tried next',
  usage: ['why ID [--json] [--socket PATH]'],
  about: [
    'The exact reason why a message waits (which limit, rule, breaker, schedule or order) and when it is tried next.',
  ],
  terms: [JSON_TERM, SOCKET_TERM],
  examples: ['sluice why FQZ3K1B2C4'],
  exits: [EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG],
};

export const ROUTE: CommandHelp = {
  name: 'route',
  summary: 'where mail would go, and what is in its way',
  usage: [
    'route SENDER RECIPIENT [--account A] [--tenant T] [--listener L] [--client ADDRESS] [--lane immediate|bulk] [--tag WORD]... [--header "Name: value"]... [--json] [--socket PATH]',
  ],
  about: ['Which route, pool, limits and host mail would get. Nothing is sent.'],
  terms: [
    ['--account A', 'as if this account submitted it'],
    ['--tenant T', 'as if it were mail of this tenant'],
    ['--listener L', 'as if it came in by this listener'],
    ['--client ADDRESS', 'as if it came from this address'],
    ['--lane LANE', 'immediate or bulk'],
    ['--tag WORD', 'a tag of it; may be given again'],
    ['--header "Name: value"', 'a field of its header; may be given again'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice route app@example.org someone@example.net --tag newsletter'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const DESTINATIONS: CommandHelp = {
  name: 'destinations',
  summary: 'what is queued for where, and how it goes there',
  usage: ['destinations [--limit N] [--json] [--socket PATH]'],
  about: [
    'Destinations with mail or connections, the longest queue first: lanes, connections, hosts with their last replies, limits, and what mail waits for.',
  ],
  terms: [['--limit N', 'how many; 50 unless given, 0 is all'], JSON_TERM, SOCKET_TERM],
  examples: ['sluice destinations --limit 10'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};
