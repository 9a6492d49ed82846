import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';

const egress = (text: string) => parseConfigFile(text, 'x.toml').egress;
const source = (lines: string, name = 'a') => `[[egress]]\nname = "${name}"\n${lines}\n`;
/** UTC days from 1970-01-01 to 2026-12-01. */
const FIRST_OF_DECEMBER = 20_788;

describe('[[egress]]', () => {
  it('gives sources in canonical form', () => {
    expect(
      egress(`
        [[egress]]
        name = "a"
        address = "192.0.2.10"
        address6 = "2001:DB8:0::10"
        helo = "A.Mail.Example.org"
        pools = ["default", "news:3"]
        weight = 2
        warmup = { start = "2026-12-01", messages_per_day = 50, growth = 1.5, until = 200 }

        [[egress]]
        name = "b"
        address = "192.0.2.11"
        pool = "news"
        [egress.warmup]
        start = 2026-12-01
        schedule = [50, 0, 500]

        [[egress]]
        name = "c"
        proxy = "socks5://me%40here@[2001:db8::1]"
        password_file = "secret"

        [[egress]]
        name = "d"
        address = "192.0.2.10"
        proxy = "haproxy://lb.example:443"
      `),
    ).toEqual([
      {
        name: 'a',
        address4: '192.0.2.10',
        address6: '2001:db8::10',
        helo: 'a.mail.example.org',
        pools: [
          { name: 'default', weight: 2 },
          { name: 'news', weight: 3 },
        ],
        proxy: null,
        warmup: { startDay: FIRST_OF_DECEMBER, allowances: [50, 75, 112, 168] },
      },
      {
        name: 'b',
        address4: '192.0.2.11',
        address6: '',
        helo: '',
        pools: [{ name: 'news', weight: 1 }],
        proxy: null,
        warmup: { startDay: FIRST_OF_DECEMBER, allowances: [50, 0, 500] },
      },
      {
        name: 'c',
        address4: '',
        address6: '',
        helo: '',
        pools: [{ name: 'default', weight: 1 }],
        proxy: { kind: 'socks5', host: '2001:db8::1', port: 1080, user: 'me@here', passwordFile: 'secret' },
        warmup: null,
      },
      {
        name: 'd',
        address4: '192.0.2.10',
        address6: '',
        helo: '',
        pools: [{ name: 'default', weight: 1 }],
        proxy: { kind: 'haproxy', host: 'lb.example', port: 443, user: '', passwordFile: '' },
        warmup: null,
      },
    ]);
    expect(egress('')).toEqual([]);
  });

  const a4 = 'address = "192.0.2.10"';
  it.each([
    ['[[egress]]\naddress = "192.0.2.10"', 'egress[1].name: it is missing; allowed: a name of letters'],
    [source('', 'a@b'), 'egress[1].name: "a@b" is not allowed; allowed: letters, digits and . _ - , at most 64'],
    [source(''), 'egress[1].address: it is missing; allowed: at least one of address, address6, proxy and helo'],
    [source('adress = "192.0.2.1"'), 'egress[1].adress: unknown key; did you mean address? allowed: name, address'],
    [source('address = "2001:db8::1"'), 'egress[1].address: "2001:db8::1" is not allowed; allowed: an IPv4 address'],
    [source('address = "0.0.0.0"'), 'allowed: an IPv4 address such as 192.0.2.10'],
    [source('address6 = "192.0.2.1"'), 'allowed: an IPv6 address such as 2001:db8::10'],
    [source(`${a4}\nhelo = "not a name"`), 'allowed: a host name such as a.mail.example.org'],
    [source(`${a4}\npool = "x"\npools = ["y"]`), 'egress[1].pool: "x" is not allowed; allowed: either pool or pools'],
    [source(`${a4}\npools = ["x:0"]`), 'egress[1].pools[1]: "x:0" is not allowed; allowed: "pool" or "pool:weight"'],
    [source(`${a4}\npools = ["x:1001"]`), 'the weight from 1 to 1000'],
    [source(`${a4}\npools = []`), 'allowed: at least one pool'],
    [source(`${a4}\npools = ["x", "x:2"]`), 'allowed: each pool once; x is there twice'],
    [source(`${a4}\nweight = 0`), 'allowed: a whole number from 1 to 1000'],
    [
      source('proxy = "http://h:1"'),
      'egress[1].proxy: "http://h:1" is not allowed; allowed: "socks5://user@host:1080"',
    ],
    [source('proxy = "socks5://user:secret@h:1"'), 'the password in password_file'],
    [source('proxy = "socks5://user@h:1"'), 'egress[1].password_file: it is missing'],
    [source('proxy = "socks5://h:1"\npassword_file = "x"'), 'allowed: with a user in proxy'],
    [source('proxy = "socks5://h:99999"'), 'allowed: "socks5://user@host:1080"'],
    [source('proxy = "socks5://h:1/path"'), 'allowed: "socks5://user@host:1080"'],
    [source('proxy = "haproxy://h:1"'), 'allowed: with address or address6, which the balancer is told to use'],
    [source(`${a4}\nproxy = "haproxy://h"`), 'or "haproxy://host:port"'],
    [source(a4) + source(a4, 'b'), 'egress[2].address: "192.0.2.10" is not allowed; allowed: once; egress[1] has it'],
    [source(a4) + source('helo = "x.example"'), 'egress[2].name: "a" is not allowed; allowed: once; egress[1] has it'],
  ])('refuses %j and says what is allowed', (text, message) => {
    expect(() => egress(text)).toThrow(message);
  });

  it.each([
    ['start = "2026-12-01"', 'warmup.messages_per_day: it is missing; allowed: the messages of the first day'],
    ['messages_per_day = 5', 'warmup.start: it is missing; allowed: a day such as "2026-12-01"'],
    ['start = "2026-02-30", messages_per_day = 5', 'allowed: a day such as "2026-12-01"'],
    ['start = 2026-12-01T10:00:00Z, messages_per_day = 5', 'allowed: a day such as "2026-12-01"'],
    ['start = "2026-12-01", messages_per_day = 5, growth = 1', 'allowed: a number from 1.01 to 10'],
    ['start = "2026-12-01", messages_per_day = 5, until = 5', 'allowed: more than messages_per_day (5)'],
    ['start = "2026-12-01", messages_per_day = 1, growth = 1.01, until = 1000000', 'reaches until (1000000) within'],
    ['start = "2026-12-01", messages_per_day = 1, schedule = [1]', 'either schedule or messages_per_day'],
    ['start = "2026-12-01", schedule = [-1]', 'allowed: a whole number from 0 to'],
    ['start = "2026-12-01", schedule = []', 'allowed: at least one day'],
    ['start = "2026-12-01", shedule = [1]', 'did you mean schedule?'],
  ])('refuses warmup = { %s }', (fields, message) => {
    expect(() => egress(source(`${a4}\nwarmup = { ${fields} }`))).toThrow(message);
  });
});
