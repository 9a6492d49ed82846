/**
 * Help of the commands that show the engine at work.
 */
import { EX_CONFIG, EX_UNAVAILABLE } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';
import { JSON_TERM, SOCKET_TERM } from './cli-help-engine.js';

const EXITS = [EX_UNAVAILABLE, EX_CONFIG];
const SPAN = (standard: string): readonly [string, string] => ['--span', `5m, 1h or 24h; ${standard} unless given`];

export const UPSTREAMS: CommandHelp = {
  name: 'upstreams',
  summary: 'the hosts that mail goes to, and how they do',
  usage: ['upstreams [--limit N] [--json] [--socket PATH]'],
  about: [
    'Sites that mail went to since the start, those with the most connections first: each host with its state (closed is in use; ejected by its breaker, down, half-open, slow-start, paused), connections, what a transaction is expected to take, failures, learnt limits and last replies.',
  ],
  terms: [['--limit N', 'how many sites; 50 unless given, 0 is all'], JSON_TERM, SOCKET_TERM],
  examples: [
    'sluice upstreams --limit 10',
    `sluice upstreams --json | jq 'select(.hosts[].state != "closed") | .site'`,
  ],
  exits: EXITS,
};

export const TENANTS: CommandHelp = {
  name: 'tenants',
  summary: 'the tenants with the most mail',
  usage: ['tenants [--span 5m|1h|24h] [--limit N] [--json] [--socket PATH]'],
  about: [
    'The tenants with the most mail of the last day: messages in memory, and what was delivered, put off and bounced within the span.',
  ],
  terms: [SPAN('1h'), ['--limit N', 'how many; 50 unless given'], JSON_TERM, SOCKET_TERM],
  examples: ['sluice tenants --span 24h'],
  exits: EXITS,
};

export const FIGURES: CommandHelp = {
  name: 'figures',
  summary: 'figures over time: rates, queue, connections, latency',
  usage: ['figures [--span 5m|1h|24h] [--limit N] [--json] [--socket PATH]'],
  about: [
    'Figures kept in memory since the start: every second of the last 5 minutes, every 10 seconds of an hour, every 5 minutes of a day. Rates are by second, times in milliseconds.',
  ],
  terms: [
    SPAN('5m'),
    ['--limit N', 'the last so many; 20 unless given, 0 is all'],
    ['--json', 'one JSON object with a list for each figure'],
    SOCKET_TERM,
  ],
  examples: ['sluice figures --span 1h'],
  exits: EXITS,
};
