import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';

const parse = (text: string) => parseConfigFile(text, 'x.toml');

const NOTHING = {
  recipients: null,
  senders: null,
  accounts: null,
  tenants: null,
  listeners: null,
  fields: [],
  tags: null,
  clients: null,
  lane: null,
  egress: '',
  setLane: null,
  addTags: [],
  verify: false,
  relay: false,
  host: null,
};

describe('[[route]]', () => {
  it('gives routes in their order and in canonical form', () => {
    const { route } = parse(`
      [[tenant]]
      name = "acme"

      [[upstream]]
      name = "ses"
      hosts = ["ses://us-east-1?user=a&password_file=/x"]

      [[route]]
      name = "all"
      recipient = ["Ann@Bücher.example", "@*.example.org", "/^list-.*@example\\\\.com$/"]
      sender = ["<>", "@example.net"]
      account = "Ann"
      tenant = "acme"
      listener = ["in", "out"]
      header = { "X-Campaign" = "spring*", "List-Id" = "?" }
      tag = "news"
      client = "10.0.0.0/8"
      upstream = "ses"
      set_lane = "bulk"
      add_tags = ["x"]
      verify = true

      [[route]]
      recipient = "@example.org"
      host = "relay.example?pool=3"
      relay = true

      [[route]]
      recipient = "@spam.example"
      reply = "550 Go away"

      [[route]]
      sender = ""
      discard = true

      [[route]]
      mx = true
    `);
    expect(route).toEqual([
      {
        ...NOTHING,
        name: 'all',
        recipients: ['ann@xn--bcher-kva.example', '@*.example.org', '/^list-.*@example\\.com$/'],
        senders: ['', '@example.net'],
        accounts: ['ann'],
        tenants: ['acme'],
        listeners: ['in', 'out'],
        fields: [
          { name: 'x-campaign', glob: 'spring*' },
          { name: 'list-id', glob: '?' },
        ],
        tags: ['news'],
        clients: [{ network: '10.0.0.0/8', excluded: false }],
        target: { kind: 'upstream', group: 'ses' },
        setLane: 'bulk',
        addTags: ['x'],
        verify: true,
      },
      {
        ...NOTHING,
        name: 'route-2',
        recipients: ['@example.org'],
        target: { kind: 'host', name: 'relay.example:25' },
        host: expect.objectContaining({ host: 'relay.example', port: 25, pool: 3 }),
        relay: true,
      },
      {
        ...NOTHING,
        name: 'route-3',
        recipients: ['@spam.example'],
        target: { kind: 'refuse', code: 550, enhanced: '5.7.1', text: 'Go away' },
      },
      { ...NOTHING, name: 'route-4', senders: [''], target: { kind: 'discard' } },
      { ...NOTHING, name: 'route-5', target: { kind: 'mx' } },
    ]);
  });

  const mx = '[[route]]\nmx = true\n';
  it.each([
    [
      '[[route]]\nrecipient = "@a.example"',
      'route[1].upstream: it is missing; allowed: one target of upstream, mx, host',
    ],
    [`${mx}discard = true`, 'route[1].discard: true is not allowed; allowed: one target; mx is another'],
    ['[[route]]\nmx = false', 'route[1].mx: false is not allowed; allowed: true, or another target'],
    [
      `${mx}recipient = "a.example"`,
      'route[1].recipient[1]: "a.example" is not allowed; allowed: an address, "@domain"',
    ],
    [`${mx}recipient = ["@a.example", 3]`, 'route[1].recipient[2]: 3 is not allowed; allowed: an address'],
    [
      `${mx}recipient = '/(a+)+$/'`,
      'is not allowed; it repeats a group that has repeats or alternatives in it; allowed:',
    ],
    [`${mx}recipient = '/(/'`, 'is not allowed; it is no regular expression; allowed: an address'],
    [`${mx}recipient = "/${'x'.repeat(201)}/"`, 'it is longer than 200 characters'],
    [`${mx}sender = "nobody"`, 'route[1].sender[1]: "nobody" is not allowed; allowed: an address'],
    [`${mx}recipients = []`, 'route[1].recipients: unknown key; did you mean recipient? allowed: name, recipient,'],
    [`${mx}header = { "X Y" = "a" }`, 'route[1].header.X Y'],
    [`${mx}header = { "X-Sluice-Lane" = "bulk" }`, 'what X-Sluice-... says is asked for by lane, tag and tenant'],
    [`${mx}header = "a"`, 'route[1].header: "a" is not allowed; allowed: fields and their values'],
    [`${mx}client = "10.0.0.0/40"`, 'route[1].client[1]: "10.0.0.0/40" is not allowed; allowed: a network'],
    [`${mx}verify = "yes"`, 'route[1].verify: "yes" is not allowed; allowed: true or false'],
    [`${mx}relay = true`, 'route[1].relay: true is not allowed; allowed: with recipient = "@domain" only'],
    [
      `${mx}recipient = ["@a.example", "b@b.example"]\nrelay = true`,
      'route[1].relay: true is not allowed; allowed: where each recipient is "@domain"',
    ],
    ['[[route]]\nreply = "250 ok"', 'route[1].reply: "250 ok" is not allowed; allowed: a code from 400 to 559'],
    ['[[route]]\nreply = "550 4.7.1 no"', 'route[1].reply: "550 4.7.1 no" is not allowed'],
    [
      '[[route]]\nreply = "550 x"\nverify = true',
      'route[1].verify: true is not allowed; allowed: with upstream, mx or host',
    ],
    ['[[route]]\nhost = "u:secret@h:x"', 'route[1].host: the given value (not shown) is not allowed;'],
    ['[[route]]\nupstream = "sess"', 'route[1].upstream: there is no [[upstream]] "sess"; allowed: default'],
    [
      `[[upstream]]\nname = "ses"\nhosts = ["smtp://a.example"]\n[[route]]\nupstream = "sess"`,
      'route[1].upstream: there is no [[upstream]] "sess"; did you mean ses? allowed: default, ses',
    ],
    [
      `[[tenant]]\nname = "acme"\n${mx}tenant = "acne"`,
      'route[1].tenant: there is no [[tenant]] "acne"; did you mean acme?',
    ],
    [
      Array.from({ length: 17 }, (_, i) => `${mx}header = { "X-${i}" = "*" }`).join('\n'),
      'route: they look at 17 header fields; allowed: at most 16 in all',
    ],
    [`${mx}${mx}`, 'route[2]: it is never reached, route[1] fits everything; allowed: that one as the last'],
    [
      `${mx}name = "a"\nlane = "bulk"\n${mx}name = "a"`,
      'route[2].name: "a" is not allowed; allowed: once; route[1] has it',
    ],
    [
      '[[route]]\nrecipient = "@a.example"\nhost = "h"\n[[route]]\nhost = "h?pool=3"',
      'route[2].host: h:25 has other parameters in route[1]; allowed: the same, or an [[upstream]] for each',
    ],
    [
      `${mx}lane = "bulk"\n${mx}set_lane = "bulk"`,
      'route[2].set_lane: route[1] decides by lane; allowed: one of the two in all routes',
    ],
    [
      `${mx}tag = "a"\n${mx}add_tags = ["a"]`,
      'route[2].add_tags: route[1] decides by "a"; allowed: tags that no route',
    ],
  ])('%j is a mistake', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });

  it('never shows what may hold a password', () => {
    for (const text of [
      '[[route]]\nhost = "u:secret@h:x"',
      '[route]\nhost = "u:secret@h:25"',
      '[[upstream]]\nname = "a"\nhosts = "smtp://u:secret@h"',
      '[[upstream]]\nname = "a"\nhosts = ["smtp://u:secret@h:x"]',
      '[upstream]\nname = "a"\nhosts = ["smtp://u:secret@h:x"]',
    ]) {
      expect(() => parse(text)).toThrow(/is not allowed/);
      expect(() => parse(text)).not.toThrow(/secret/);
    }
  });
});

describe('checks between tables', () => {
  it('know the pools of egress sources', () => {
    const text = `
      [[tenant]]
      name = "acme"
      egress = "cold"
      [[route]]
      mx = true
      egress = "warn"
    `;
    const pool = (name: string) => `[[egress]]\nname = "${name}"\nhelo = "${name}.example"\npool = "${name}"\n`;
    expect(() => parse(text + pool('cold') + pool('warn'))).not.toThrow();
    expect(() => parse(text + pool('warm'))).toThrow(
      'route[1].egress: there is no pool in [[egress]] "warn"; did you mean warm? allowed: warm; ' +
        'tenant[1].egress: there is no pool in [[egress]] "cold"; allowed: warm',
    );
    expect(() => parse(text)).toThrow('allowed: none, there is no pool in [[egress]]');
  });
});

describe('[[upstream]]', () => {
  it('gives groups of next hops', () => {
    const { upstream } = parse(`
      [[upstream]]
      name = "pair"
      hosts = ["smtp://a.example:2525?weight=2", "smtps://u:p@b.example"]
      order = "nearest"
    `);
    expect(upstream).toEqual([
      {
        name: 'pair',
        hosts: [
          expect.objectContaining({ host: 'a.example', port: 2525, weight: 2 }),
          expect.objectContaining({ host: 'b.example', port: 465, user: 'u', password: 'p' }),
        ],
        order: 'nearest',
      },
    ]);
  });

  it.each([
    ['[[upstream]]\nname = "a"', 'upstream[1].hosts: it is missing; allowed: a list'],
    [
      '[[upstream]]\nname = "a"\nhosts = []',
      'upstream[1].hosts: the given value (not shown) is not allowed; allowed: one host',
    ],
    [
      '[[upstream]]\nname = "default"\nhosts = ["smtp://a.example"]',
      'upstream[1].name: "default" is not allowed; allowed: another name',
    ],
    ['[[upstream]]\nname = "a"\nhosts = ["http://a.example"]', 'is not allowed; the scheme is not one of smtp'],
    [
      '[[upstream]]\nname = "a"\nhosts = ["smtp://a.example"]\norder = "x"',
      'upstream[1].order: "x" is not allowed; allowed: "balance"',
    ],
  ])('%j is a mistake', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });
});
