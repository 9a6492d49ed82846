/** `sluice user` as a process of its own: what it does to the file, what it says, how it ends. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccountFile } from '../src/accounts/account-file.js';
import { verifyPassword } from '../src/accounts/password-hash.js';
import { pythonOrSkip } from './helpers/python.js';

const CLI = resolve('dist/src/cli.js');
let cwd: string;
let file: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-user-'));
  file = join(cwd, 'accounts');
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function environment(env: Record<string, string>): Record<string, string | undefined> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  return { ...Object.fromEntries(clean), SLUICE_AUTH_FILE: 'accounts', ...env };
}

function user(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, 'user', ...args], { cwd, env: environment(env) });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  // A command that is refused does not wait for its input.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((done) => child.on('close', (code) => done({ code, out, err })));
}

const add = (name: string, ...flags: string[]) => user(['add', name, '--password-stdin', ...flags], 'secret\n');

// Many processes one after the other, on machines that may be busy.
describe('sluice user', { timeout: 90_000 }, () => {
  it('adds accounts to a file for its owner only', async () => {
    expect(await add('Ann@example.org')).toEqual({ code: 0, out: '', err: 'sluice: Ann@example.org added\n' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await add('bob', '--scram', '--cram', '--scrypt')).code).toBe(0);
    const { accounts } = await readAccountFile(file);
    const ann = accounts.get('ann@example.org')!;
    expect(ann).toMatchObject({ scram: null, cram: null });
    expect(await verifyPassword(ann.hash!, 'secret')).toBe(true);
    expect(accounts.get('bob')!.hash).toMatch(/^\$scrypt\$/);
    expect(accounts.get('bob')!.scram).not.toBeNull();
    expect(accounts.get('bob')!.cram).not.toBeNull();
    expect(readdirSync(cwd)).toEqual(['accounts']);
    const again = await add('ANN@example.org');
    expect(again.code).toBe(73);
    expect(again.err).toContain('already');
  });

  it('lists names and mechanisms, never a hash', async () => {
    await add('ann', '--scram');
    await add('bob');
    const text = await user(['list']);
    expect(text).toEqual({ code: 0, out: 'ann  SCRAM-SHA-256 PLAIN LOGIN\nbob  PLAIN LOGIN\n', err: '' });
    const json = await user(['list', '--json']);
    expect(
      json.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { name: 'ann', hash: 'argon2id', mechanisms: ['SCRAM-SHA-256', 'PLAIN', 'LOGIN'] },
      { name: 'bob', hash: 'argon2id', mechanisms: ['PLAIN', 'LOGIN'] },
    ]);
  });

  it('changes and removes one line, keeps comments, order, kinds, mode and link', async () => {
    await add('ann', '--cram');
    await add('bob');
    const before = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, `# head\n\n  Ann ${before[0]!.slice(4)}\n# between\n${before[1]}`);
    chmodSync(file, 0o640);
    symlinkSync('accounts', join(cwd, 'link'));
    const passwd = await user(['passwd', 'ANN', '--password-stdin', '--file', 'link'], 'new one\r\n');
    expect(passwd).toMatchObject({ code: 0, out: '' });
    const lines = readFileSync(file, 'utf8').split('\n');
    expect(lines).toEqual([
      '# head',
      '',
      expect.stringMatching(/^Ann \$argon2id\$\S+ CRAM-MD5\$\S+$/),
      '# between',
      before[1],
      '',
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    const { accounts } = await readAccountFile(file);
    expect(await verifyPassword(accounts.get('ann')!.hash!, 'new one')).toBe(true);
    expect((await user(['remove', 'ann'])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(`# head\n\n# between\n${before[1]}\n`);
    expect((await user(['passwd', 'bob', '--password-stdin', '--scram'], 'x')).code).toBe(0);
    expect((await readAccountFile(file)).accounts.get('bob')!.scram).not.toBeNull();
  });

  it.each([
    [[], 64, 'an action is missing'],
    [['frob'], 64, '"frob" is not an action'],
    [['add'], 64, '<name> is missing'],
    [['add', 'a b', '--password-stdin'], 64, 'a space'],
    [['add', 'ann', 'secret'], 64, 'one argument too many'],
    [['remove', 'ann', '--scram'], 64, '--scram is not for remove'],
    [['list', '--scram'], 64, '--scram is not for list'],
    [['add', 'ann'], 64, 'give --password-stdin'],
    [['add', 'ann', '--password-stdin'], 64, 'the password is empty'],
    [['remove', 'ann'], 78, 'cannot be read'],
    [['passwd', 'ann', '--password-stdin'], 64, 'the password is empty'],
    [['list'], 78, '`sluice user add` makes one'],
    [['add', 'ann', '--password-stdin', '--file', 'none/accounts'], 64, 'the password is empty'],
  ])('refuses %j', async (args, code, message) => {
    const ended = await user(args);
    expect(ended).toMatchObject({ code, out: '' });
    expect(ended.err).toContain(message);
    expect(existsSync(file)).toBe(false);
  });

  it('says what else is in the way', async () => {
    const nowhere = await user(['add', 'ann', '--password-stdin'], 'x\n', { SLUICE_AUTH_FILE: '' });
    expect(nowhere).toMatchObject({ code: 78, err: expect.stringContaining('SLUICE_AUTH_FILE is not set') });
    const folder = await user(['add', 'ann', '--password-stdin', '--file', 'none/accounts'], 'x\n');
    expect(folder).toMatchObject({ code: 73, err: expect.stringContaining('cannot be written') });
    const long = await user(['add', 'ann', '--password-stdin'], 'x'.repeat(3000));
    expect(long).toMatchObject({ code: 64, err: expect.stringContaining('longer than 1024') });
    await add('ann');
    expect(await user(['remove', 'bob'])).toMatchObject({ code: 66, err: 'sluice: there is no account bob\n' });
    const text = `${readFileSync(file, 'utf8')}bob hunter2\n`;
    writeFileSync(file, text);
    const damaged = await user(['remove', 'ann']);
    expect(damaged).toMatchObject({ code: 78, err: expect.stringContaining('line 2') });
    expect(damaged.err).not.toContain('hunter2');
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('does not lose changes made at the same time: one is refused', async () => {
    const ended = await Promise.all([add('a'), add('b'), add('c')]);
    const done = ended.filter(({ code }) => code === 0).length;
    expect((await readAccountFile(file)).accounts.size).toBe(done);
    expect(done).toBeGreaterThan(0);
    for (const { code, err } of ended)
      if (code !== 0) expect([code, err]).toEqual([73, expect.stringContaining('another')]);
    expect(readdirSync(cwd)).toEqual(['accounts']);
  });

  it('asks on a terminal and shows nothing of the password', async (ctx) => {
    pythonOrSkip(ctx);
    const script = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
answers = [(b'Password for ann: ', b'sx\\x7fecret\\r'), (b'Again: ', b'secret\\r')]
while True:
    try:
        data = os.read(fd, 1024)
    except OSError:
        break
    if not data:
        break
    seen += data
    if answers and seen.endswith(answers[0][0]):
        os.write(fd, answers.pop(0)[1])
print(seen.decode(), end='')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
    const child = spawn('python3', ['-c', script, process.execPath, CLI, 'user', 'add', 'ann'], {
      cwd,
      env: environment({}),
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      out += part;
    });
    const code = await new Promise((done) => child.on('close', done));
    expect(out.replaceAll('\r', '')).toBe('Password for ann: \nAgain: \nsluice: ann added\n');
    expect(code).toBe(0);
    expect(await verifyPassword((await readAccountFile(file)).accounts.get('ann')!.hash!, 'secret')).toBe(true);
  });
});

describe('sluice check', { timeout: 90_000 }, () => {
  const check = (env: Record<string, string>): Promise<Ended> => {
    const child = spawn(process.execPath, [CLI, 'check'], { cwd, env: environment(env) });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      out += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      err += part;
    });
    return new Promise((done) => child.on('close', (code) => done({ code, out, err })));
  };

  it('reads accounts and the configuration file', async () => {
    await add('ann');
    writeFileSync(join(cwd, 's.toml'), '[[account]]\nname = "ann"\n');
    const env = {
      SLUICE_CONFIG: 's.toml',
      SLUICE_OAUTH_INTROSPECT_URL: 'http://id:pw@192.0.2.1/',
      SLUICE_OAUTH_CLIENT_ID: 'x',
      SLUICE_OAUTH_CLIENT_SECRET: 'hunter2',
    };
    const good = await check(env);
    expect(good.code).toBe(0);
    expect(good.err).toContain('1 accounts can be read');
    expect(good.err).toContain('settings for 1 accounts');
    expect(good.err).toContain('warning: SLUICE_OAUTH_INTROSPECT_URL: tokens go there in the clear');
    expect(good.out).toContain('SLUICE_OAUTH_CLIENT_SECRET=***');
    expect(good.out + good.err).not.toMatch(/hunter2|:pw@/);
  });

  it('names every mistake in them', async () => {
    writeFileSync(file, 'ann\n');
    writeFileSync(join(cwd, 's.toml'), '[[account]]\nnmae = "ann"\n');
    const bad = await check({ SLUICE_CONFIG: 's.toml', SLUICE_OAUTH_JWKS: 'keys.json' });
    expect(bad.code).toBe(78);
    for (const part of [
      'line 1: "ann" has no credential',
      'account[1].nmae: unknown key; did you mean name?',
      'SLUICE_OAUTH_ISSUER',
      'SLUICE_OAUTH_AUDIENCE',
    ])
      expect(bad.err).toContain(part);
  });
});
