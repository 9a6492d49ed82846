import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfigFile, readConfigFile } from '../../src/config/config-file.js';
import { DEFAULT_LANES } from '../../src/message/lane-settings.js';

const parse = (text: string) => parseConfigFile(text, 'x.toml');

describe('the configuration file', () => {
  it('gives accounts as plain data in canonical form', () => {
    const { account } = parse(`
      # comments are fine
      [[account]]
      name = "Ann@Example.org"
      senders = ["Ann@Example.org", "@bücher.example", "@*.example.net"]
      messages_per_hour = 1000
      recipients_per_day = 5
      lane = "bulk"
      dkim = "Example.org/s1"
      tags = ["news"]
      certificates = ["AB:${'cd:'.repeat(30)}EF", "Client.Example"]
      mechanisms = ["PLAIN", "EXTERNAL"]

      [[account]]
      name = "bob"
    `);
    expect(account).toEqual([
      {
        name: 'ann@example.org',
        senders: ['ann@example.org', '@xn--bcher-kva.example', '@*.example.net'],
        limits: [
          { counted: 'messages', span: 'hour', most: 1000 },
          { counted: 'recipients', span: 'day', most: 5 },
        ],
        lane: 'bulk',
        dkim: 'example.org/s1',
        tags: ['news'],
        certificates: [`sha256:ab${'cd'.repeat(30)}ef`, 'client.example'],
        mechanisms: ['PLAIN', 'EXTERNAL'],
      },
      {
        name: 'bob',
        senders: null,
        limits: [],
        lane: null,
        dkim: '',
        tags: [],
        certificates: [],
        mechanisms: null,
      },
    ]);
    expect(parse('')).toEqual({
      account: [],
      egress: [],
      lanes: DEFAULT_LANES,
      route: [],
      shaping: [],
      tenant: [],
      webhook: [],
      upstream: [],
    });
  });

  const bob = '[[account]]\nname = "bob"\n';
  it.each([
    ['a = \n', /line 1, column \d+: not TOML/],
    [`${bob}${bob}lane = "x`, /line 5/],
    ['__proto__ = 1', /not TOML|__proto__/],
    ['[[acount]]\nname = "x"', 'acount: unknown table; did you mean account? allowed: account, '],
    ['[account]\nname = "x"', 'account: {"name":"x"} is not allowed; allowed: tables of accounts, [[account]]'],
    [
      `${bob}mesages_per_hour = 1`,
      'account[1].mesages_per_hour: unknown key; did you mean messages_per_hour? allowed: name, senders,',
    ],
    ['[[account]]\nlane = "bulk"', 'account[1].name: it is missing; allowed: a name'],
    ['[[account]]\nname = "a b"', 'account[1].name: "a b" is not allowed; allowed: a name without spaces'],
    [`${bob}lane = "fast"`, 'account[1].lane: "fast" is not allowed; allowed: "immediate" or "bulk"'],
    [
      `${bob}messages_per_hour = 0`,
      'account[1].messages_per_hour: 0 is not allowed; allowed: a whole number from 1 to',
    ],
    [`${bob}messages_per_hour = 1.5`, 'account[1].messages_per_hour: 1.5 is not allowed'],
    [`${bob}messages_per_hour = "9"`, 'account[1].messages_per_hour: "9" is not allowed'],
    [`${bob}senders = "x"`, 'account[1].senders: "x" is not allowed; allowed: a list such as'],
    [
      `${bob}senders = ["a@b.c", "example.org"]`,
      'account[1].senders[2]: "example.org" is not allowed; allowed: an address',
    ],
    [`${bob}senders = ["a@*.example.org"]`, 'account[1].senders[1]'],
    [`${bob}dkim = "x"`, 'account[1].dkim: "x" is not allowed; allowed: "domain/selector"'],
    [`${bob}tags = ["a b"]`, 'account[1].tags[1]'],
    [`${bob}certificates = [""]`, 'account[1].certificates[1]'],
    [`${bob}mechanisms = ["MD5"]`, 'account[1].mechanisms[1]: "MD5" is not allowed; allowed: SCRAM-SHA-256-PLUS,'],
    [
      `${bob}${bob.replace('bob', 'BOB')}`,
      'account[2].name: "BOB" is not allowed; allowed: once; account[1] has it already',
    ],
  ])('says what is wrong with %j', (text, message) => {
    const act = () => parse(text);
    expect(act).toThrow(expect.objectContaining({ code: 'bad-config-file', temporary: false }));
    expect(act).toThrow(message);
    expect(act).toThrow('configuration file x.toml: ');
  });

  it('names all mistakes at once, up to a bound', () => {
    expect(() => parse('x = 1\n[[account]]\nname = ""\nlane = 1')).toThrow(
      /account\[1\]\.name: .*; account\[1\]\.lane: .*; x: unknown table/s,
    );
    const many = Array.from({ length: 30 }, () => '[[account]]\nname = ""\n').join('');
    expect(() => parse(many)).toThrow('and 10 more');
  });

  it('is read from a path, and is empty without one', () => {
    expect(readConfigFile('')).toEqual(parse(''));
    const dir = mkdtempSync(join(tmpdir(), 'sluice-config-'));
    try {
      writeFileSync(join(dir, 'a.toml'), bob);
      expect(readConfigFile(join(dir, 'a.toml')).account).toHaveLength(1);
      writeFileSync(join(dir, 'b.toml'), Buffer.from([0x61, 0xff]));
      expect(() => readConfigFile(join(dir, 'b.toml'))).toThrow(/b\.toml: it cannot be read/);
      expect(() => readConfigFile(join(dir, 'c.toml'))).toThrow(/ENOENT/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
