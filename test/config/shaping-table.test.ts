/** [[shaping]] of the configuration file: what it becomes, and what is said about mistakes. */
import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';
import { replyPattern } from '../../src/config/reply-pattern.js';
import { ACTIONS } from '../../src/delivery/shaping/rule.js';

const parse = (text: string) => parseConfigFile(text, 'sluice.toml').shaping;

function mistake(text: string): string {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message.replace('configuration file sluice.toml: ', '');
  }
  return 'none';
}

describe('[[shaping]]', () => {
  it('is a rule for what it matches', () => {
    const [first, second] = parse(`
      [[shaping]]
      mx = "Protection.Outlook.COM."
      source = "*"
      connections = 20
      new_connections_per_second = 2
      messages_per_minute = 600
      recipients_per_day = 0
      bytes_per_hour = "10g"
      [[shaping.reply]]
      match = "unusual rate"
      code = 421
      action = "pause_source"
      for = "30m"
      [[shaping.reply]]
      match = 'S31[45]0'
      action = "suspend_tenant"
      for = 90

      [[shaping]]
      site = "(mx1|mx2).example.org"
      messages_per_connection = 50
      recipients_per_message = 10
      adaptive = false
    `);
    expect(first).toMatchObject({
      name: '[[shaping]] 1',
      mx: 'protection.outlook.com',
      source: '*',
      site: '',
      connections: 20,
      rates: [
        { counted: 'messages', span: 'minute', most: 600 },
        { counted: 'recipients', span: 'day', most: 0 },
        { counted: 'bytes', span: 'hour', most: 10 * 2 ** 30 },
        { counted: 'connections', span: 'second', most: 2 },
      ],
      replies: [
        { code: 421, action: 'pause_source', ms: 1_800_000 },
        { code: 0, action: 'suspend_tenant', ms: 90_000 },
      ],
    });
    expect(first!.replies[0]!.match.test('4.7.28 UNUSUAL RATE of mail')).toBe(true);
    expect(second).toMatchObject({
      name: '[[shaping]] 2',
      messagesPerConnection: 50,
      recipientsPerMessage: 10,
      adaptive: false,
      rates: [],
    });
  });

  it('is empty where there is none', () => {
    expect(parse('')).toEqual([]);
  });

  it('takes every action', () => {
    for (const action of ACTIONS)
      expect(
        parse(`[[shaping]]\nsite = "*"\nreply = [{ match = "x", action = "${action}", for = "1h" }]`),
      ).toMatchObject([{ replies: [{ action }] }]);
  });

  it.each([
    ['connections = 5', 'shaping[1].site: it is missing; allowed: at least one of site, mx, domain, upstream'],
    [
      'site = "*"\nconnections = -1',
      'shaping[1].connections: -1 is not allowed; allowed: a whole number from 1 to 100000, or 0 (no limit)',
    ],
    [
      'site = "*"\nmessages_per_minut = 5',
      'shaping[1].messages_per_minut: unknown key; did you mean messages_per_minute?',
    ],
    ['site = "*"\nbytes_per_hour = "10x"', 'shaping[1].bytes_per_hour: "10x" is not allowed; allowed: a size such as'],
    ['tenant = "a"\nconnections = 5', 'shaping[1].connections: 5 is not allowed; allowed: without tenant only'],
    [
      'mx = "a.test"\nsource = "a"\nadaptive = true',
      'shaping[1].adaptive: true is not allowed; allowed: without source and tenant only',
    ],
    ['upstream = "a"\nmx = "b.test"', 'shaping[1].upstream: "a" is not allowed; allowed: without mx and domain only'],
    ['mx = "no good"', 'shaping[1].mx: "no good" is not allowed; allowed: a host name'],
    ['source = "no good"', 'shaping[1].source: "no good" is not allowed; allowed: a name, or "*" for each'],
    [
      'site = "*"\nreply = [{ match = "x", action = "stop", for = "1h" }]',
      'shaping[1].reply[1].action: "stop" is not allowed; allowed: "slow_down", "pause_source"',
    ],
    [
      'site = "*"\nreply = [{ match = "x", action = "slow_down" }]',
      'shaping[1].reply[1].for: it is missing; allowed: a time such as',
    ],
    [
      'site = "*"\nreply = [{ match = "x", action = "slow_down", for = "9d" }]',
      'shaping[1].reply[1].for: "9d" is not allowed; allowed: a time such as',
    ],
    [
      'site = "*"\nreply = [{ match = "x", code = 250, action = "slow_down", for = "1h" }]',
      'shaping[1].reply[1].code: 250 is not allowed; allowed: a reply code such as 421',
    ],
    [
      'site = "*"\nreply = [{ match = "(a+)+", action = "slow_down", for = "1h" }]',
      'shaping[1].reply[1].match: "(a+)+" is not allowed; it repeats a group',
    ],
    [
      'site = "*"\nreply = [{ match = "(", action = "slow_down", for = "1h" }]',
      'shaping[1].reply[1].match: "(" is not allowed; ',
    ],
  ])('with a mistake says what is allowed: %s', (text, said) => {
    expect(mistake(`[[shaping]]\n${text}`)).toContain(said);
  });
});

describe('patterns of replies', () => {
  it.each([
    'rate limit',
    '^4\\.7\\.28 .*unusual rate.*mail',
    '\\[TSS?0[1-9]\\]',
    'OFR\\d+_(?:104|999)',
    '(?:blocked|denied)( for now)?',
    'from \\d+\\.\\d+\\.\\d+\\.\\d+',
    '[(+*)]+ x',
    '\\(a+\\)+',
    '(abc)+',
    '(?:ab)?c',
  ])('that cannot take long are taken: %s', (text) => {
    expect(replyPattern(text)).toBeInstanceOf(RegExp);
  });

  it.each([
    ['', 'empty'],
    ['x'.repeat(257), 'longer than 256'],
    ['(a+)+b', 'repeats a group'],
    ['(a*)*', 'repeats a group'],
    ['(?:a|aa)+b', 'repeats a group'],
    ['((ab)+)*c', 'repeats a group'],
    ['(x(a+))+', 'repeats a group'],
    ['(a{2,5}){3,}', 'repeats a group'],
    ['.*a.*b.*c', '.* or .+ more than 2'],
    ['\\d+a\\d+a\\d+a\\d+a\\d+a\\d+a\\d+', 'more than 6 times'],
    ['(a)\\1', 'refers back'],
    ['(?<n>a)\\k<n>', 'refers back'],
    ['(?=a)b', 'looks ahead'],
    ['(?<!a)b', 'looks ahead'],
    ['[', 'nterminated'],
  ])('that may, or say nothing, are refused: %s', (text, why) => {
    expect(replyPattern(text)).toContain(why);
  });
});
