/**
 * Every command of `sluice`, by the table: its help, its examples, its exit codes. A new row is tested as it is added:
 * its first example is run where there is no engine and where the configuration is wrong.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EX_CONFIG, EX_UNAVAILABLE, EXIT_MEANINGS } from '../src/cli-command.js';
import { COMMANDS } from '../src/cli-commands.js';

const CLI = join(process.cwd(), 'dist/src/cli.js');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let root: string;
let cwd: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-commands-'));
  cwd = join(root, 'work');
  mkdirSync(cwd);
  mkdirSync(join(root, 'bin'));
  const shim = join(root, 'bin/sluice');
  writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
  chmodSync(shim, 0o755);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs a line as a shell does, with `sluice` in its path and no settings but those in the line. */
function shell(line: string): Promise<Ended> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const env = { ...Object.fromEntries(clean), PATH: `${join(root, 'bin')}:${process.env['PATH']}` };
  const child = spawn('sh', ['-c', line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

const rows = COMMANDS.map(({ help }) => [help.name, help] as const);

describe.each(rows)('sluice %s', { timeout: 60_000 }, (name, help) => {
  it('has a help with its exit codes and an example that is a command line of its own', async () => {
    const { code, out, err } = await shell(`sluice ${name} --help`);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`^Usage: sluice ${name}\\b`));
    for (const exit of help.exits) {
      expect(EXIT_MEANINGS.has(exit), `${exit} has a meaning`).toBe(true);
      expect(out).toMatch(new RegExp(`^ {2}${exit} {2}\\S`, 'm'));
    }
    expect(help.examples.length).toBeGreaterThan(0);
    for (const example of help.examples) {
      expect(example).toContain(`sluice ${name}`);
      expect(out).toContain(`\n  ${example}\n`);
    }
    expect((await shell(`sluice help ${name}`)).out).toBe(out);
  });

  it('takes no option that it does not know', async () => {
    const { code, out, err } = await shell(`sluice ${name} --no-such-option`);
    expect([code, out]).toEqual([64, '']);
    expect(err).toContain('--no-such-option');
    expect(err).toContain(`see: sluice ${name} --help`);
  });

  it('shows --json in its usage exactly where it can be given', () => {
    expect(help.usage.join('\n').includes('--json')).toBe(help.terms.some(([term]) => term === '--json'));
  });
});

const ending = (code: number) => rows.filter(([, { exits }]) => exits.includes(code));

describe('the first example', { timeout: 60_000 }, () => {
  it.each(ending(EX_UNAVAILABLE))('of sluice %s says where no engine is', async (_, help) => {
    const { code, out, err } = await shell(help.examples[0]!);
    expect([code, out]).toEqual([69, '']);
    expect(err).toContain('no engine');
  });

  it.each(ending(EX_CONFIG))('of sluice %s ends with 78 where the configuration is wrong', async (_, help) => {
    mkdirSync(join(cwd, '.env'));
    const { code, err } = await shell(help.examples[0]!);
    expect(code).toBe(78);
    expect(err).toContain('.env: ');
  });
});

describe('sluice', () => {
  it('lists every command once', async () => {
    const { code, out } = await shell('sluice --help');
    expect(code).toBe(0);
    for (const { help } of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${help.name} +\\S`, 'm'));
    expect(new Set(COMMANDS.map(({ help }) => help.name)).size).toBe(COMMANDS.length);
  });

  it('gives results as JSON without an engine', async () => {
    expect(JSON.parse((await shell('sluice version --json')).out)).toMatchObject({ version: expect.any(String) });
    const check = JSON.parse((await shell('SLUICE_WORKERS=x sluice check --json')).out);
    expect(check).toMatchObject({ good: false, problems: [expect.stringContaining('SLUICE_WORKERS')] });
    expect(check.settings.length).toBeGreaterThan(100);
    const good = await shell('sluice check --json');
    expect([good.code, JSON.parse(good.out).good]).toEqual([0, true]);
    const key = await shell('sluice dkim generate example.org s1 --dir keys --type ed25519 --json');
    expect(JSON.parse(key.out)).toMatchObject({ recordName: 's1._domainkey.example.org' });
    const added = await shell('echo secret | sluice user add ann --password-stdin --file accounts --json');
    expect(JSON.parse(added.out)).toEqual({ name: 'ann', done: 'add' });
    const removed = await shell('sluice user remove ann --file accounts --json');
    expect(JSON.parse(removed.out)).toEqual({ name: 'ann', done: 'remove' });
  });

  it('is stopped by a mistake only in settings that a command needs', async () => {
    expect((await shell('SLUICE_WORKERS=x sluice status')).code).toBe(69);
  });
});
