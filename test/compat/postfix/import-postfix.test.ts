/**
 * `sluice import-postfix` over configurations as they are met: the exact files, what was not carried over, and that
 * `sluice check` takes them. Expected files are in fixtures/<shape>/expected; WRITE_EXPECTED=1 writes them anew, to be read.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPostfix } from '../../../src/compat/postfix/import-postfix.js';
import { MainCf } from '../../../src/compat/postfix/main-cf.js';
import { parseConfigFile } from '../../../src/config/config-file.js';

const FIXTURES = 'test/compat/postfix/fixtures';
const CLI = resolve('dist/src/cli.js');
const shapes = readdirSync(FIXTURES).sort();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-import-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (one): one is [string, string] => one[1] !== undefined && !one[0].startsWith('SLUICE_'),
    ),
  );
}

function sluice(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    cwd,
    env: environment(),
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('sluice import-postfix', { timeout: 120_000 }, () => {
  it('has at least twelve shapes to read', () => expect(shapes.length).toBeGreaterThanOrEqual(12));

  it.each(shapes)('%s', (shape) => {
    const from = join(FIXTURES, shape);
    const imported = importPostfix(read(join(from, 'main.cf')), read(join(from, 'master.cf')), from);
    const expected = join(from, 'expected');
    if (process.env['WRITE_EXPECTED'] === '1') {
      mkdirSync(expected, { recursive: true });
      writeFileSync(join(expected, 'env.txt'), imported.env);
      writeFileSync(join(expected, 'sluice.toml'), imported.toml);
    }
    expect(imported.env).toBe(read(join(expected, 'env.txt')));
    expect(imported.toml).toBe(read(join(expected, 'sluice.toml')));
    // No line goes in silence.
    const told = new Set(imported.ledger.entries.map(({ what }) => what.split(' ')[0]));
    const given = [...new MainCf(read(join(from, 'main.cf'))).given.keys()];
    expect(given.filter((name) => !told.has(name))).toEqual([]);
  });

  it.each(shapes)('%s passes sluice check', (shape) => {
    const out = join(folder, shape);
    const written = sluice(process.cwd(), 'import-postfix', '--from', join(FIXTURES, shape), '--out', out, '--json');
    expect(written).toMatchObject({ code: 0, err: '' });
    const report: { readonly files: string[]; readonly entries: { readonly fate: string }[] } = JSON.parse(written.out);
    for (const file of report.files) expect(statSync(file).mode & 0o777).toBe(0o600);
    const checked = sluice(out, 'check');
    expect(checked.err).toMatch(/the configuration is good\n$/);
    expect(checked.code).toBe(0);
    expect(checked.out).not.toMatch(/p@ss|a-secret|b-secret|SG\.abc|BMG/);
  });

  it('overwrites nothing unless told to, and says what is missing', () => {
    const from = join(FIXTURES, 'null-client');
    const out = join(folder, 'twice');
    mkdirSync(out);
    writeFileSync(join(out, '.env'), 'MINE=1\n');
    const refused = sluice(process.cwd(), 'import-postfix', '--from', from, '--out', out);
    expect(refused.code).toBe(73);
    expect(refused.err).toContain('.env would be overwritten');
    expect(read(join(out, '.env'))).toBe('MINE=1\n');
    expect(sluice(process.cwd(), 'import-postfix', '--from', from, '--out', out, '--force').code).toBe(0);
    expect(read(join(out, '.env'))).toContain('SLUICE_HOSTNAME=web3.example.org');
    expect(sluice(process.cwd(), 'import-postfix', '--from', join(folder, 'none'), '--out', out)).toMatchObject({
      code: 66,
    });
    expect(sluice(process.cwd(), 'import-postfix', '--out', out)).toMatchObject({ code: 64 });
  });

  it('reads what postconf -n prints as it reads main.cf', ({ skip }) => {
    if (!existsSync('/usr/sbin/postconf')) return skip('postfix is not installed');
    const copy = join(folder, 'etc');
    cpSync(join(FIXTURES, 'smarthost-sasl'), copy, { recursive: true });
    writeFileSync(join(copy, 'master.cf'), '');
    const printed = execFileSync('/usr/sbin/postconf', ['-c', copy, '-n'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const settings = (text: string): string[] =>
      importPostfix(text, '', copy)
        .env.split('\n')
        .filter((line) => line.startsWith('SLUICE_'))
        .sort();
    const given = `${printed}\nconfig_directory = /etc/postfix\n`;
    expect(settings(given)).toEqual(settings(read(join(copy, 'main.cf'))));
  });
});

describe('what is imported', () => {
  const settings = (main: string): Record<string, string | undefined> => ({
    ...parseEnv(importPostfix(main, '', folder).env),
  });
  const tables = (main: string) => parseConfigFile(importPostfix(main, '', folder).toml, 'sluice.toml');

  it('keeps who may relay where a network is taken out of another: first fit there, last fit here', () => {
    expect(settings('mynetworks = !10.1.0.0/16 10.0.0.0/8 !127.0.0.2')['SLUICE_RELAY_NETWORKS']).toBe(
      '!127.0.0.2,10.0.0.0/8,!10.1.0.0/16',
    );
  });

  it('keeps values with quotes as node reads .env', () => {
    writeFileSync(join(folder, 'checks'), `/^X-A:/ REPLACE X-A: it's "b" # c\n/^X-B:/ REPLACE X-B: '"\`\n`);
    const main = `header_checks = regexp:${join(folder, 'checks')}`;
    expect(settings(main)['SLUICE_HEADER_REPLACE']).toBe(`X-A: it's "b" # c`);
    expect(
      importPostfix(main, '', folder)
        .ledger.of('left-out')
        .map(({ where }) => where),
    ).toEqual(['checks:2']);
  });

  it('refuses recipients that are not known, and sends known ones by their own transport', () => {
    const main = `relay_domains = a.example
relay_recipient_maps = inline:{ann@a.example=OK, bob@a.example=OK}
transport_maps = inline:{bob@a.example=smtp:[10.0.0.2], a.example=smtp:[10.0.0.1]}`;
    expect(
      tables(main).route.map(({ recipients, target }) => [
        recipients,
        target.kind === 'host' ? target.name : target.kind,
      ]),
    ).toEqual([
      [['bob@a.example'], '10.0.0.2:25'],
      [['ann@a.example'], '10.0.0.1:25'],
      [['@a.example'], 'refuse'],
    ]);
  });

  it('takes a login by sender only where Postfix does', () => {
    const main = `sender_dependent_relayhost_maps = inline:{@a.example=[10.0.0.1]}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{@a.example=u:secret}`;
    expect(tables(main).route[0]!.host!.user).toBe('');
    expect(tables(`${main}\nsmtp_sender_dependent_authentication = yes`).route[0]!.host!.user).toBe('u');
  });

  it('carries nothing that stands under a condition', () => {
    writeFileSync(
      join(folder, 'transport.pcre'),
      'if /@a/\n/x@a\\.example/ smtp:[10.0.0.1]\nendif\n!/y/ discard:\n/z@/ discard:\n',
    );
    const { ledger, toml } = importPostfix(`transport_maps = pcre:${join(folder, 'transport.pcre')}`, '', folder);
    expect(parseConfigFile(toml, '').route.map(({ recipients }) => recipients)).toEqual([['/z@/']]);
    expect(ledger.of('left-out').map(({ where }) => where)).toEqual(
      [1, 2, 3, 4].map((line) => `transport.pcre:${line}`),
    );
  });
});

describe('main.cf', () => {
  it('expands as postconf(5) says', () => {
    const cf = new MainCf(
      `a = x\nb = \${a}-$a-$(a) $$a\nc = \${a?yes}\${none?no}\${none:unset}\nd = \${none?{a}:{b $a}}\ne = 1\n\n# c\n  2\ne2 = $e\n`,
    );
    expect(['b', 'c', 'd', 'e2'].map((name) => cf.value(name))).toEqual(['x-x-x $a', 'yesunset', 'b x', '1 2']);
    expect(() => new MainCf('a = $b\nb = $a').value('a')).toThrow('without an end');
    expect(new MainCf('a = 1\na = 2').place('a')).toBe('main.cf:2');
  });
});
