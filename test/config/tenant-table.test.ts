import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';

const parse = (text: string) => parseConfigFile(text, 'x.toml');

describe('[[tenant]]', () => {
  it('gives tenants in canonical form', () => {
    const { tenant } = parse(`
      [[egress]]
      name = "a"
      address = "192.0.2.1"
      pool = "warm"

      [[tenant]]
      name = "acme"
      accounts = ["Acme", "@Acme.example"]
      senders = ["Ann@Acme.example", "@*.bücher.example"]
      listeners = ["submission"]
      clients = ["10.1.0.0/16", "!10.1.2.3", "2001:DB8::/32"]
      header = "acme"
      egress = "warm"
      weight = 3
      messages_per_second = 5
      recipients_per_day = 1000
      suppression = "drop"
      verp = "Bounces-*@Acme.example"
      lane = "immediate"
      tags = ["gold"]
      history = "30d"

      [[tenant]]
      name = "bob"
      verp = "bob.example"
    `);
    expect(tenant).toEqual([
      {
        name: 'acme',
        accounts: ['acme', '@acme.example'],
        senders: ['ann@acme.example', '@*.xn--bcher-kva.example'],
        listeners: ['submission'],
        clients: [
          { network: '10.1.0.0/16', excluded: false },
          { network: '10.1.2.3/32', excluded: true },
          { network: '2001:db8::/32', excluded: false },
        ],
        header: 'acme',
        egress: 'warm',
        weight: 3,
        limits: [
          { counted: 'messages', span: 'second', most: 5 },
          { counted: 'recipients', span: 'day', most: 1000 },
        ],
        suppression: 'drop',
        verp: 'bounces-*@acme.example',
        lane: 'immediate',
        tags: ['gold'],
        history: 30 * 86_400_000,
      },
      {
        name: 'bob',
        accounts: [],
        senders: [],
        listeners: [],
        clients: [],
        header: '',
        egress: '',
        weight: 1,
        limits: [],
        suppression: null,
        verp: '*@bob.example',
        lane: null,
        tags: [],
        history: 0,
      },
    ]);
  });

  const bob = '[[tenant]]\nname = "bob"\n';
  it.each([
    ['[[tenant]]\nweight = 2', 'tenant[1].name: it is missing; allowed: a word'],
    [`${bob}${bob}`, 'tenant[2].name: "bob" is not allowed; allowed: once; tenant[1] has it already'],
    [`${bob}acounts = []`, 'tenant[1].acounts: unknown key; did you mean accounts? allowed: name, accounts,'],
    [`${bob}clients = ["10.0.0.0/33"]`, 'tenant[1].clients[1]: "10.0.0.0/33" is not allowed; allowed: a network'],
    [`${bob}senders = ["bob.example"]`, 'tenant[1].senders[1]: "bob.example" is not allowed; allowed: an address'],
    [`${bob}weight = 0`, 'tenant[1].weight: 0 is not allowed; allowed: a whole number from 1 to 1000'],
    [
      `${bob}history = "1m"`,
      'tenant[1].history: "1m" is not allowed; allowed: a time such as 500ms, 30s, 5m, 4h or 5d from 1h',
    ],
    [`${bob}suppression = "no"`, 'tenant[1].suppression: "no" is not allowed; allowed: "reject" or "drop"'],
    [`${bob}verp = "x@bob.example"`, 'tenant[1].verp: "x@bob.example" is not allowed; allowed: a domain, or'],
    [`${bob}verp = "*-*@bob.example"`, 'tenant[1].verp: "*-*@bob.example" is not allowed'],
    ['[tenant]\nname = "x"', 'tenant: {"name":"x"} is not allowed; allowed: tables of tenants, [[tenant]]'],
  ])('%j is a mistake', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });
});

describe('[lanes]', () => {
  it('has a standard for everything', () => {
    const standard = parse('').lanes;
    expect(parse('[lanes]').lanes).toEqual(standard);
    expect(parse('[lanes]\nbulk = 2\nimmediate_priority = 4\nreserve = 0.5').lanes).toEqual({
      ...standard,
      bulk: 2,
      immediatePriority: 4,
      reserve: 0.5,
    });
  });

  it.each([
    ['[lanes]\ndefault = "deferred"', 'lanes.default: "deferred" is not allowed; allowed: "immediate" or "bulk"'],
    ['[lanes]\nbulk = 0', 'lanes.bulk: 0 is not allowed; allowed: a whole number from 1 to 1000'],
    ['[lanes]\nreserve = 0.6', 'lanes.reserve: 0.6 is not allowed; allowed: a number from 0 to 0.5'],
    ['[lanes]\nbulk_priority = 1', 'lanes.bulk_priority: 1 is not allowed; allowed: less than immediate_priority (1)'],
    [
      '[lanes]\nimmediate_priority = 10',
      'lanes.immediate_priority: 10 is not allowed; allowed: a whole number from -9 to 9',
    ],
    ['[lanes]\nbulks = 1', 'lanes.bulks: unknown key; did you mean bulk? allowed: default,'],
    ['[[lanes]]\nbulk = 1', 'lanes: [{"bulk":1}] is not allowed; allowed: one table of lanes, [lanes]'],
  ])('%j is a mistake', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });
});
