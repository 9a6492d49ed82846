import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeSettings } from '../../src/config/describe-settings.js';
import { hasAccounts, listenProblems } from '../../src/config/listen-checks.js';
import type { ListenAddress } from '../../src/config/listen-type.js';
import { loadSchema, loadSettings } from '../../src/config/load-settings.js';
import { schema } from '../../src/config/schema.js';
import { type Machine, setting } from '../../src/config/setting.js';
import { text } from '../../src/config/value-type.js';

const machine: Machine = { hostname: 'relay.example.org', cores: 4, memory: 8 * 2 ** 30 };
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

/** What an smtp:// listener is where nothing else is said. */
const SMTP = {
  scheme: 'smtp',
  inherited: '',
  tls: 'optional',
  auth: 'optional',
  proxy: 'none',
  transparent: 'none',
  lane: null,
  name: '',
  limits: { messagesPerMinute: 0, recipientsPerMinute: 0, connections: 0, connectionsPerSecond: 0 },
} as const;

const load = (env: Record<string, string>, on: Machine = machine) => loadSettings(env, cwd, on);

describe('defaults', () => {
  it('are a configuration without problems', () => {
    const { settings, problems, warnings } = load({});
    expect(problems).toEqual([]);
    expect(warnings).toEqual([]);
    expect(settings.listen).toEqual([{ ...SMTP, host: '127.0.0.1', port: 2525 }]);
    expect(settings.tlsThreads).toBe(2);
    expect(settings.tlsCert).toBe('');
    expect(settings.upstream).toEqual([]);
    expect(settings.durability).toBe('fsync');
    expect(settings.hostname).toBe('relay.example.org');
    expect(settings.workers).toBe(4);
    expect(settings.connectTimeout).toBe(30_000);
    expect(settings.expire).toBe(5 * 86_400_000);
    expect(settings.bodyMemory).toBe(256 * 2 ** 20);
    expect(settings.spoolDir).toBe(join(cwd, 'var/spool'));
    expect(settings.controlSocket).toBe(join(cwd, 'var/spool/control.sock'));
    expect(settings.dkimDir).toBe('');
  });

  it.each([
    [{ hostname: 'my_host', cores: 1, memory: 2 ** 29 }, 'localhost', 1, 128 * 2 ** 20],
    [{ hostname: '', cores: 64, memory: 2 ** 26 }, 'localhost', 16, 64 * 2 ** 20],
  ])('follow the machine %j', (on, hostname, workers, bodyMemory) => {
    const { settings, problems } = load({}, on);
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({ hostname, workers, bodyMemory });
  });

  it('have names, groups and texts that are complete and unique', () => {
    const names = Object.values(schema).map((row) => row.name);
    expect(new Set(names).size).toBe(names.length);
    for (const row of Object.values(schema)) {
      expect(row.name).toMatch(/^SLUICE_[A-Z_]+$/);
      if (typeof row.default === 'function' || row.default === '') {
        expect((row as { defaultNote?: string }).defaultNote, row.name).toBeTruthy();
      }
    }
  });
});

describe('values', () => {
  it.each([
    ['SLUICE_RETRY_MIN', '500ms', 'retryMin', 500],
    ['SLUICE_RETRY_MIN', '30', 'retryMin', 30_000],
    ['SLUICE_RETRY_MIN', '1.5m', 'retryMin', 90_000],
    ['SLUICE_EXPIRE', '6D', 'expire', 6 * 86_400_000],
    ['SLUICE_MAX_MESSAGE_SIZE', '25m', 'maxMessageSize', 25 * 2 ** 20],
    ['SLUICE_MAX_MESSAGE_SIZE', '26214400', 'maxMessageSize', 26_214_400],
    ['SLUICE_MAX_MESSAGES_PER_CONNECTION', '0', 'maxMessagesPerConnection', 0],
    ['SLUICE_DURABILITY', 'Commit', 'durability', 'commit'],
    [
      'SLUICE_LISTEN',
      'smtp://[::1]:2525, smtp://0.0.0.0',
      'listen',
      [
        { ...SMTP, host: '::1', port: 2525 },
        { ...SMTP, host: '0.0.0.0', port: 25 },
      ],
    ],
    [
      'SLUICE_RELAY_NETWORKS',
      '10.0.0.0/8,!10.1.0.0/16, 2001:db8::1',
      'relayNetworks',
      [
        { network: '10.0.0.0/8', excluded: false },
        { network: '10.1.0.0/16', excluded: true },
        { network: '2001:db8::1/128', excluded: false },
      ],
    ],
    ['SLUICE_RELAY_DOMAINS', 'Example.ORG, bücher.example', 'relayDomains', ['example.org', 'xn--bcher-kva.example']],
    [
      'SLUICE_DNS_SERVERS',
      '127.0.0.1:5353,::1,[::1]:54,9.9.9.9',
      'dnsServers',
      [
        { address: '127.0.0.1', port: 5353 },
        { address: '::1', port: 53 },
        { address: '::1', port: 54 },
        { address: '9.9.9.9', port: 53 },
      ],
    ],
    [
      'SLUICE_HEADER_ADD',
      'X-Relay: one, two; three | X-Other: http://x',
      'headerAdd',
      [
        { name: 'X-Relay', value: 'one, two; three' },
        { name: 'X-Other', value: 'http://x' },
      ],
    ],
    [
      'SLUICE_REWRITE_DOMAINS',
      'old.example=new.example',
      'rewriteDomains',
      [{ from: 'old.example', to: 'new.example' }],
    ],
    ['SLUICE_REWRITE_FIELDS', 'From, Sender', 'rewriteFields', ['from', 'sender']],
    ['SLUICE_TLS_MIN_VERSION', 'tlsv1.3', 'tlsMinVersion', 'TLSv1.3'],
    ['SLUICE_TLS_THREADS', '0', 'tlsThreads', 0],
    ['SLUICE_WORKERS', '   ', 'workers', 4],
  ] as const)('%s=%s', (name, given, key, expected) => {
    const { settings, problems } = load({ [name]: given });
    expect(problems).toEqual([]);
    expect(settings[key]).toEqual(expected);
  });

  it.each([
    ['SLUICE_RETRY_MIN', '5 parsecs'],
    ['SLUICE_RETRY_MIN', '-1'],
    ['SLUICE_RETRY_MIN', '0'],
    ['SLUICE_MAX_MESSAGE_SIZE', '1e9'],
    ['SLUICE_WORKERS', '0'],
    ['SLUICE_WORKERS', '1.5'],
    ['SLUICE_MX_PORT', '65536'],
    ['SLUICE_LISTEN', '127.0.0.1:2525'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1:99999'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1:2525?pool=3'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1:2525/x'],
    ['SLUICE_LISTEN', ','],
    ['SLUICE_LISTEN', 'smtp://:2525'],
    ['SLUICE_LISTEN', 'lmtp://127.0.0.1:24'],
    ['SLUICE_LISTEN', 'smtps://127.0.0.1?tls=none'],
    ['SLUICE_LISTEN', 'smtps://127.0.0.1?tls=optional'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1?auth=maybe'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1?auth=none&auth=required'],
    ['SLUICE_LISTEN', 'smtp://127.0.0.1?proxy=v3'],
    ['SLUICE_LISTEN', 'smtp://fd/'],
    ['SLUICE_LISTEN', 'smtp://fd:2525/3'],
    ['SLUICE_LISTEN', 'smtp://fd/3/4'],
    ['SLUICE_LISTEN', 'smtp://fd/a:b'],
    ['SLUICE_TLS_MIN_VERSION', 'TLSv1.1'],
    ['SLUICE_TLS_RELAY_CLIENTS', 'backup.example.org'],
    ['SLUICE_TLS_RELAY_CLIENTS', 'sha256:abcd'],
    ['SLUICE_TLS_RELAY_CLIENTS', 'subject: '],
    ['SLUICE_UPSTREAM', 'smtp://a.example:0'],
    ['SLUICE_UPSTREAM', 'smtp://a.example?pool=0'],
    ['SLUICE_UPSTREAM', 'smtp://a.example?weigth=2'],
    ['SLUICE_UPSTREAM', 'smtp://1.2.3.4.5'],
    ['SLUICE_RELAY_NETWORKS', '10.0.0.0/33'],
    ['SLUICE_RELAY_NETWORKS', '10.0.0/8'],
    ['SLUICE_RELAY_NETWORKS', '010.0.0.0/8'],
    ['SLUICE_RELAY_NETWORKS', '::1::/32'],
    ['SLUICE_RELAY_DOMAINS', 'exa mple.org'],
    ['SLUICE_RELAY_DOMAINS', '-a.example'],
    ['SLUICE_HOSTNAME', 'my_host'],
    ['SLUICE_HOSTNAME', '192.0.2.1'],
    ['SLUICE_DNS_SERVERS', 'dns.example'],
    ['SLUICE_HEADER_ADD', 'no colon'],
    ['SLUICE_HEADER_ADD', 'Sub ject: x'],
    ['SLUICE_HEADER_ADD', 'X-A: a\u0001'],
    ['SLUICE_HEADER_REMOVE', 'Received'],
    ['SLUICE_REWRITE_DOMAINS', 'a.example'],
    ['SLUICE_REWRITE_FIELDS', 'to'],
    ['SLUICE_BARE_NEWLINE', 'keep'],
  ])('%s=%s is refused in one line that names it, what was given and what is allowed', (name, given) => {
    const { problems } = load({ [name]: given });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: .*allowed: .`));
    expect(problems[0]).not.toMatch(/[\r\n]/);
  });

  it('are read back from the form they are shown in', () => {
    for (const row of Object.values(schema)) {
      const standard = typeof row.default === 'string' ? row.default : row.default(machine);
      const parsed = row.type.parse(standard) as { value: never };
      expect(row.type.parse(row.type.format(parsed.value)), row.name).toEqual(parsed);
    }
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 86_400_000 }), (ms) => {
        const { type } = schema.retryMin;
        expect(type.parse(type.format(ms))).toEqual({ value: ms });
      }),
    );
  });

  it('never make the loader throw', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(schema)), fc.string({ unit: 'binary' }), (row, given) => {
        load({ [row.name]: given });
      }),
    );
  });
});

describe('mistakes', () => {
  it('are all told at once', () => {
    const { problems } = load({
      SLUICE_WORKERS: 'many',
      SLUICE_DURABILITY: 'maybe',
      SLUICE_RETRY_MIN: '5h',
      SLUICE_MAX_MESSAGE_SIZE: '512m',
      SLUICE_DELAY_WARNING: '9d',
    });
    expect(problems.map((line) => line.split(':')[0])).toEqual([
      'SLUICE_WORKERS',
      'SLUICE_DURABILITY',
      'SLUICE_RETRY_MIN',
      'SLUICE_DELAY_WARNING',
      'SLUICE_MAX_MESSAGE_SIZE',
    ]);
    expect(problems[0]).toBe('SLUICE_WORKERS: "many" is not allowed; allowed: a whole number from 1 to 64');
  });

  it('never show a password', () => {
    const { problems } = load({ SLUICE_LISTEN: 'smtp://me:hunter2/x@a.example:25' });
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain('hunter2');
    expect(problems[0]).toContain('smtp://me:***@a.example:25');
  });

  it.each([
    ['SLUICE_LISTNE', 'did you mean SLUICE_LISTEN?'],
    ['SLUICE_MAX_MESAGE_SIZE', 'did you mean SLUICE_MAX_MESSAGE_SIZE?'],
    ['SLUICE_RELAY_NETWORK', 'did you mean SLUICE_RELAY_NETWORKS?'],
    ['SLUICE_QQQQQQQQQQQQQQQQQQQQQQQQQQ', 'see tuning.md'],
  ])('in the name %s are a warning', (name, hint) => {
    const { problems, warnings } = load({ [name]: 'x', OTHER: 'y' });
    expect(problems).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(name);
    expect(warnings[0]).toContain(hint);
  });
});

describe('listeners and TLS', () => {
  it.each([
    [{ SLUICE_TLS_RELAY_CLIENTS: 'subject:a' }, 'SLUICE_TLS_RELAY_CLIENTS: ', 'set SLUICE_TLS_CLIENT_CA'],
    [{ SLUICE_TLS_CERT: 'a.pem' }, 'SLUICE_TLS_CERT: ', 'SLUICE_TLS_KEY'],
    [{ SLUICE_TLS_KEY: 'a.pem' }, 'SLUICE_TLS_KEY: ', 'SLUICE_TLS_CERT'],
    [{ SLUICE_LISTEN: 'submission://127.0.0.1' }, 'SLUICE_LISTEN: submission://127.0.0.1:587 ', 'add ?auth=none'],
    [{ SLUICE_LISTEN: 'smtps://[::1]:4650' }, 'SLUICE_LISTEN: smtps://[::1]:4650 ', 'SLUICE_AUTH_FILE'],
    [{ SLUICE_LISTEN: 'smtp://[::1]?auth=required' }, 'SLUICE_LISTEN: smtp://[::1]:25?auth=required ', 'SLUICE_AUTH'],
    [{ SLUICE_LISTEN: 'smtp://[::1]?proxy=v1' }, 'SLUICE_LISTEN: ', 'SLUICE_PROXY_NETWORKS'],
    [
      { SLUICE_LISTEN: 'smtp://[::1]?proxy=v2', SLUICE_PROXY_NETWORKS: '!10.0.0.0/8' },
      'SLUICE_LISTEN: ',
      'SLUICE_PROXY_NETWORKS',
    ],
    [{ SLUICE_LISTEN: 'smtp://[::1]:1,smtps://[::1]:1?auth=none' }, 'SLUICE_LISTEN: [::1]:1 ', 'twice'],
    [{ SLUICE_LISTEN: 'smtp://fd/3,smtp://fd/3?tls=none' }, 'SLUICE_LISTEN: fd/3 ', 'twice'],
  ])('%j is a contradiction, told in one line with its mend', (env, start, mend) => {
    const { problems } = load(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]!.slice(0, start.length)).toBe(start);
    expect(problems[0]).toContain(mend);
  });

  it('may stand together', () => {
    const { settings, problems } = load({
      SLUICE_LISTEN: 'smtp://127.0.0.1:0,smtp://127.0.0.1:0,smtps://127.0.0.1:0?auth=none,smtp://[::1]:26?proxy=v1',
      SLUICE_PROXY_NETWORKS: '10.0.0.1',
      SLUICE_TLS_CERT: 'tls/cert.pem',
      SLUICE_TLS_KEY: '/etc/key.pem',
      SLUICE_TLS_DIR: 'live',
      SLUICE_TLS_CLIENT_CA: 'ca.pem',
      SLUICE_TLS_RELAY_CLIENTS: `SHA256:${'0A:'.repeat(31)}FF, subject:Backup.example.org`,
    });
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({
      tlsCert: join(cwd, 'tls/cert.pem'),
      tlsKey: '/etc/key.pem',
      tlsDir: join(cwd, 'live'),
      tlsClientCa: join(cwd, 'ca.pem'),
      tlsRelayClients: [`sha256:${'0a'.repeat(31)}ff`, 'subject:backup.example.org'],
    });
  });

  it('that require authentication start once there are accounts', () => {
    const listen = schema.listen.type.parse('submission://127.0.0.1') as { value: readonly ListenAddress[] };
    expect(listenProblems(listen.value, { accounts: true, proxies: false })).toEqual([]);
    for (const key of ['authFile', 'authUrl', 'oauthJwks', 'oauthIntrospectUrl']) {
      expect(hasAccounts({ [key]: '/etc/x' }), key).toBe(true);
      expect(hasAccounts({ [key]: '' }), key).toBe(false);
    }
    expect(hasAccounts({ authFile: [], authUrl: null })).toBe(false);
  });

  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [8, 4],
    [64, 4],
  ])('TLS threads on %d cores: %d', (cores, threads) => {
    expect(load({}, { ...machine, cores }).settings.tlsThreads).toBe(threads);
  });
});

describe('.env', () => {
  it('gives values that the environment overrides, and warns of unknown names', () => {
    writeFileSync(join(cwd, '.env'), '# comment\nSLUICE_WORKERS=7\nSLUICE_MX_PORT="2600"\nSLUICE_HOTSNAME=x\n');
    const { settings, warnings, sources } = load({ SLUICE_WORKERS: '2' });
    expect(settings).toMatchObject({ workers: 2, mxPort: 2600 });
    expect(sources.get('SLUICE_WORKERS')).toBe('environment');
    expect(sources.get('SLUICE_MX_PORT')).toBe('.env');
    expect(sources.get('SLUICE_EXPIRE')).toBe('default');
    expect(warnings).toEqual(['SLUICE_HOTSNAME: unknown setting in the .env file; did you mean SLUICE_HOSTNAME?']);
  });
});

describe('secrets', () => {
  const rows = {
    token: setting({
      name: 'SLUICE_TOKEN',
      group: 'Operation',
      type: text('a token', 20),
      default: '',
      defaultNote: 'none',
      purpose: 'p',
      trades: 't',
      secret: true,
    }),
    plain: setting({
      name: 'SLUICE_PLAIN',
      group: 'Operation',
      type: text('a text'),
      default: 'smtp://u:hunter2@h',
      purpose: 'p',
      trades: 't',
    }),
  };
  const loadRows = (env: Record<string, string>) => loadSchema(rows, env, cwd, machine);

  it('are read from the file that _FILE names, without its last line end', () => {
    writeFileSync(join(cwd, 'token'), 's3cret\n');
    const loaded = loadRows({ SLUICE_TOKEN_FILE: 'token' });
    expect(loaded).toMatchObject({ settings: { token: 's3cret' }, problems: [], warnings: [] });
    expect(loaded.sources.get('SLUICE_TOKEN')).toBe(join(cwd, 'token'));
  });

  it('are masked in what is printed, as are passwords in URLs', () => {
    const loaded = loadRows({ SLUICE_TOKEN: 's3cret' });
    expect(describeSettings(rows, loaded)).toEqual([
      'SLUICE_TOKEN=***  # environment',
      'SLUICE_PLAIN=smtp://u:***@h  # default',
    ]);
  });

  it('that are wrong are not shown', () => {
    const { problems } = loadRows({ SLUICE_TOKEN: 's3cret'.repeat(10) });
    expect(problems).toEqual(['SLUICE_TOKEN: the given value (not shown) is not allowed; allowed: a token']);
  });

  it('given twice, or in a file that is not there, are problems', () => {
    writeFileSync(join(cwd, 'token'), 'x');
    expect(loadRows({ SLUICE_TOKEN: 'x', SLUICE_TOKEN_FILE: 'token' }).problems[0]).toContain('give one of the two');
    expect(loadRows({ SLUICE_TOKEN_FILE: 'gone' }).problems[0]).toMatch(/^SLUICE_TOKEN_FILE: "gone" .*ENOENT/);
  });

  it('have no _FILE form for settings that are not secret', () => {
    expect(loadRows({ SLUICE_PLAIN_FILE: 'x' }).warnings).toHaveLength(1);
  });
});
