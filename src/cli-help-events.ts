/**
 * Help of the commands about events of mail and who is told of them.
 */
import { EX_CONFIG, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';
import { JSON_TERM, SOCKET_TERM } from './cli-help-engine.js';

export const EVENTS: CommandHelp = {
  name: 'events',
  summary: 'what happens to mail, as it happens',
  usage: ['events [--kind K,...] [--tenant T] [--domain D] [--recipient A] [--tag T] [--id ID] [--json]'],
  about: [
    'Shows events until it is interrupted: accepted, delivered, deferred, bounced, expired, dropped, complained, ' +
      'returned, suspended, resumed. All that is asked for must fit.',
  ],
  terms: [
    ['--kind K', 'kinds of events, several with commas'],
    ['--tenant T', 'of mail of a tenant'],
    ['--domain D', 'of recipients of a domain; .example.org for all below it'],
    ['--recipient A', 'of one recipient'],
    ['--tag T', 'of mail with a tag'],
    ['--id ID', 'of one message'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice events --kind bounced,deferred --domain example.net'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};

export const WEBHOOKS: CommandHelp = {
  name: 'webhooks',
  summary: 'who is told of mail over HTTP: list, test, resume',
  usage: ['webhooks [list] [--json]', 'webhooks test NAME [--json]', 'webhooks resume NAME [--json]'],
  about: ['Webhooks are tables [[webhook]] of SLUICE_CONFIG.'],
  terms: [
    ['list', 'what was told, what waits and how it answers'],
    ['test', 'send one signed request without events now'],
    ['resume', 'try again now, also one that answered 410 Gone and was disabled'],
    JSON_TERM,
    SOCKET_TERM,
  ],
  examples: ['sluice webhooks'],
  exits: [EX_UNAVAILABLE, EX_CONFIG],
};
