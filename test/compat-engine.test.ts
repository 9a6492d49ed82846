/**
 * The commands of Postfix as shims in front of a real engine: mail by SMTP and by the maildrop, the queue by the control
 * socket, as who may and as who may not.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { type SmtpSink, startSink } from './helpers/smtp-sink.js';

const CLI = join(process.cwd(), 'dist/src/cli.js');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Nothing takes mail there, so it stays in the queue. */
const NOWHERE = 'smtp://127.0.0.1:9';

let root: string;
let engine: EngineProcess | undefined;
let sink: SmtpSink | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-compat-'));
  chmodSync(root, 0o755);
});
afterEach(async () => {
  await engine?.stop();
  await sink?.close();
  [engine, sink] = [undefined, undefined];
  rmSync(root, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(command: string, args: readonly string[], input = '', uid?: number): Promise<Ended> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_') && name !== 'NAME');
  const child = spawn(command, args, {
    cwd: root,
    env: { ...Object.fromEntries(clean), SLUICE_SPOOL_DIR: join(root, 'spool'), SLUICE_HOSTNAME: 'relay.example' },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

const install = (...args: readonly string[]) => run(process.execPath, [CLI, 'install-compat', ...args]);
const shim = (name: string, args: readonly string[] = [], input = '', uid?: number) =>
  run(join(root, 'bin', name), args, input, uid);
const maildrop = () => join(root, 'spool/maildrop');
const dropped = () => readdirSync(maildrop()).filter((name) => name.startsWith('drop.'));

async function start(upstream = NOWHERE, settings: Readonly<Record<string, string>> = {}): Promise<void> {
  engine = await startEngine({ spoolDir: join(root, 'spool'), settings: { SLUICE_UPSTREAM: upstream, ...settings } });
}

async function until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not seen: ${what}\n${engine?.transcript()}`);
}

async function listed(): Promise<Record<string, unknown>[]> {
  const { out } = await shim('postqueue', ['-j']);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('sluice install-compat', { timeout: 60_000 }, () => {
  it('writes shims that anybody may run, over its own and over nothing else', async () => {
    const first = await install('bin', '--json');
    expect(first.code, first.err).toBe(0);
    const { files, maildrop: folder } = JSON.parse(first.out) as { files: string[]; maildrop: string };
    expect(files.map((file) => file.slice(root.length))).toContain('/bin/sendmail');
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o755);
    expect([folder, statSync(folder).mode & 0o7777]).toEqual([maildrop(), 0o1733]);
    expect((await install('bin')).code).toBe(0);
    writeFileSync(join(root, 'bin/mailq'), '#!/bin/sh\n');
    const refused = await install('bin');
    expect([refused.code, refused.out]).toEqual([73, '']);
    expect(refused.err).toContain(`${join(root, 'bin/mailq')} would be overwritten`);
    expect(readFileSync(join(root, 'bin/mailq'), 'utf8')).toBe('#!/bin/sh\n');
    expect((await install('bin', '--force')).code).toBe(0);
    expect((await shim('newaliases')).code).toBe(0);
  });

  it('says which folder keeps others out', async () => {
    mkdirSync(join(root, 'closed'), { mode: 0o700 });
    const { code, err } = await run('/bin/sh', [
      '-c',
      `SLUICE_MAILDROP_DIR=closed/drop exec '${process.execPath}' '${CLI}' install-compat bin`,
    ]);
    expect(code).toBe(0);
    expect(err).toContain(`other users cannot pass ${join(root, 'closed')}`);
  });
});

describe('sendmail', { timeout: 90_000 }, () => {
  it('hands a message to the engine, and it goes on as it was meant', async () => {
    sink = await startSink();
    await start(sink.url);
    await install('bin');
    const text = 'To: Bob <bob@b.example>, carl\nBcc: dora@d.example\nSubject: s\n\n.dot\nlast\n.\nnot this\n';
    const sent = await shim('sendmail', ['-t', '-f', 'ann@a.example', '-F', 'Ann A', '-N', 'never', 'eve'], text);
    expect(sent).toEqual({ code: 0, out: '', err: '' });
    await until('arrival', () => sink!.messages.length > 0);
    const [message] = sink!.messages;
    expect(message!.mail).toContain('ann@a.example');
    expect(message!.rcpts.map((one) => /<([^>]*)>/.exec(one)?.[1] ?? one)).toEqual([
      'eve@relay.example',
      'bob@b.example',
      'carl@relay.example',
      'dora@d.example',
    ]);
    const content = message!.content.toString();
    expect(content).toContain('To: Bob <bob@b.example>, carl@relay.example\r\n');
    expect(content).toContain('From: Ann A <ann@a.example>\r\n');
    expect(content).toMatch(/^Message-Id: <\S+@relay\.example>\r$/m);
    expect(content).not.toContain('dora');
    expect(content.endsWith('\r\n\r\n.dot\r\nlast\r\n')).toBe(true);
    expect(dropped()).toEqual([]);
  });

  it('speaks SMTP with -bs', async () => {
    await start();
    await install('bin');
    const { code, out } = await shim('sendmail', ['-bs'], 'EHLO me\r\nQUIT\r\n');
    expect(code).toBe(0);
    expect(out).toMatch(/^220 relay\.example .*\r\n250-[\s\S]*\r\n221 /);
  });

  it('keeps mail while the engine is down, also of nobody, and the engine takes it when it is up again', async () => {
    sink = await startSink();
    const uids = isRoot ? [undefined, NOBODY] : [undefined];
    await install('bin');
    // Twice: before the engine ever ran, and when it is down.
    for (const round of ['first', 'second']) {
      for (const uid of uids) {
        const kept = await shim('sendmail', ['-i', 'bob@b.example'], `Subject: ${round} ${uid}\n\n.\n`, uid);
        expect(kept, 'kept').toEqual({ code: 0, out: '', err: '' });
      }
      expect(dropped()).toHaveLength(uids.length);
      const before = sink.messages.length;
      await start(sink.url);
      await until('arrival', () => sink!.messages.length === before + uids.length);
      await until('an empty maildrop', () => dropped().length === 0);
      await engine!.stop();
      engine = undefined;
    }
    const subjects = sink.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())![1]);
    expect([...new Set(subjects)].length).toBe(2 * uids.length);
    expect(sink.messages.every(({ content }) => content.toString().endsWith('\r\n\r\n.\r\n'))).toBe(true);
  });

  it('loses nothing where the engine is killed between drop and pick-up', async () => {
    await install('bin');
    await start();
    const all = new Set<string>();
    for (let round = 0; round < 3; round++) {
      engine!.signal('SIGSTOP');
      engine!.signal('SIGKILL');
      await engine!.exited;
      await engine!.stop();
      await Promise.all(
        Array.from({ length: 3 }, async (_, i) => {
          const subject = `${round}-${i}`;
          all.add(subject);
          expect((await shim('sendmail', ['bob@b.example'], `Subject: ${subject}\n\nx\n`)).code).toBe(0);
        }),
      );
      await start();
      // Killed while it takes them: sooner in each round.
      await until('some taken', () => engine!.logged('taken from the maildrop').length >= 3 - round);
    }
    await until('an empty maildrop', () => dropped().length === 0);
    const found = new Set<string>();
    for (const { queue_id } of await listed()) {
      const { out } = await shim('postcat', ['-qh', String(queue_id)]);
      found.add(/^Subject: (.*)$/m.exec(out)![1]!);
    }
    expect(found).toEqual(all);
  });

  it('sets aside what is no message, follows no link and goes on', async () => {
    await install('bin');
    const hex = (digit: string) => join(maildrop(), `drop.${digit.repeat(32)}`);
    writeFileSync(hex('1'), 'not a message');
    writeFileSync(join(root, 'secret'), 'SLUICE-MAILDROP 1\n{}\n');
    symlinkSync(join(root, 'secret'), hex('2'));
    linkSync(join(root, 'secret'), hex('3'));
    mkdirSync(hex('4'));
    expect((await run('mkfifo', [hex('5')])).code).toBe(0);
    writeFileSync(join(maildrop(), 'other'), 'x');
    const envelope = { sender: '', recipients: ['b@x.example'], notify: [], ret: '', envelopeId: '', body: '7BIT' };
    const file = (size: number, content: string) =>
      `SLUICE-MAILDROP 1\n${JSON.stringify({ ...envelope, smtpUtf8: false, size })}\n${content}`;
    writeFileSync(hex('6'), file(99, 'Subject: short\r\n\r\n'));
    writeFileSync(hex('7'), file(20, 'Subject: bare\n\nx\r\n\r\n'));
    writeFileSync(join(maildrop(), `tmp.${'8'.repeat(32)}`), 'being written');
    const good = 'Subject: good\r\n\r\nx\r\n';
    writeFileSync(hex('9'), file(good.length, good));
    await start();
    await until('the good one', () => engine!.logged('taken from the maildrop').length === 1);
    await until('the others', () => readdirSync(join(maildrop(), 'corrupt')).length === 8);
    expect(readdirSync(maildrop()).sort()).toEqual(['corrupt', 'engine.json', `tmp.${'8'.repeat(32)}`]);
    expect(readFileSync(join(root, 'secret'), 'utf8')).toContain('SLUICE');
    const told = engine!.logged((line) => line.msg.startsWith('set aside')).map((line) => String(line['reason']));
    expect(told.join('\n')).toMatch(/it has a bare CR or LF/);
    expect((await listed()).map((one) => one['sender'])).toEqual(['MAILER-DAEMON']);
  });

  it('tells of a recipient that is refused for good and sends to the others', async () => {
    await start();
    await install('bin');
    const { code, err } = await shim('sendmail', ['b@x.example', 'c..c@x.example'], 'Subject: s\n\nx\n');
    expect(code).toBe(69);
    expect(err).toContain('c..c@x.example');
    expect((await listed()).map((one) => one['recipients'])).toMatchObject([[{ address: 'b@x.example' }]]);
  });

  it('ends with 75 where a message can neither be sent nor kept', async () => {
    await install('bin');
    rmSync(maildrop(), { recursive: true });
    const { code, err } = await shim('sendmail', ['b@x.example'], 'Subject: s\n\nx\n');
    expect(code).toBe(75);
    expect(err).toMatch(/^sendmail: fatal: \S+\(\d+\): cannot be kept in .*maildrop/);
    expect((await shim('sendmail', ['-t'], 'Subject: s\n\n')).err).toContain('No recipient addresses found');
    expect((await shim('sendmail', [])).code).toBe(75);
  });

  it('without a maildrop finds the engine where the settings say, and keeps nothing', async () => {
    const line = `SLUICE_MAILDROP_DIR=off SLUICE_LISTEN=smtp://127.0.0.1:9 exec '${process.execPath}' '${CLI}' install-compat bin`;
    expect((await run('/bin/sh', ['-c', line])).code).toBe(0);
    const { code, err } = await shim('sendmail', ['b@x.example'], 'Subject: s\n\nx\n');
    expect([code, err]).toEqual([75, expect.stringContaining('there is no maildrop')]);
    expect(readdirSync(root)).toEqual(['bin']);
    await start(NOWHERE, { SLUICE_MAILDROP_DIR: 'off' });
    const there = line.replace('smtp://127.0.0.1:9', `smtp://127.0.0.1:${engine!.port}`);
    expect((await run('/bin/sh', ['-c', there])).code).toBe(0);
    expect((await shim('sendmail', ['b@x.example'], 'Subject: s\n\nx\n')).code).toBe(0);
    expect(await listed()).toHaveLength(1);
  });

  it.skipIf(!isRoot)('of anybody: others can neither list nor change what waits (needs root)', async () => {
    await install('bin');
    await shim('sendmail', ['b@x.example'], 'Subject: s\n\nx\n');
    const as = (line: string) => run('/bin/sh', ['-c', line], '', NOBODY);
    expect((await as(`ls '${maildrop()}'`)).code).not.toBe(0);
    const [name] = dropped();
    expect((await as(`rm -f '${maildrop()}/${name}'`)).code).not.toBe(0);
    expect((await as(`mv '${maildrop()}/${name}' '${maildrop()}/other'`)).code).not.toBe(0);
    expect((await as(`ls '${root}/spool'`)).code).not.toBe(0);
    await start();
    const { code, err } = await shim('mailq', [], '', NOBODY);
    expect(code).toBe(69);
    expect(err).toMatch(/^mailq: fatal: Queue report unavailable - mail system is down \(no engine: .*EACCES/);
    // Who wants mail of others to go elsewhere cannot say that the engine is somewhere else.
    expect((await as(`echo x > '${maildrop()}/engine.json'`)).code).not.toBe(0);
  });
});

describe('the queue', { timeout: 90_000 }, () => {
  it('is listed, held, released, shown and deleted as scripts for Postfix do it', async () => {
    await start();
    await install('bin');
    expect((await shim('mailq')).out).toBe('Mail queue is empty\n');
    const big = 'y'.repeat(70);
    const body = Array.from({ length: 12_000 }, (_, i) => `.${i} ${big}`).join('\n');
    for (const subject of ['one', 'two', 'three'])
      await shim(
        'sendmail',
        ['-f', `${subject}@a.example`, 'b@x.example', 'c@y.example'],
        `Subject: ${subject}\n\n.x\n`,
      );
    await shim('sendmail', ['-f', 'large@a.example', 'b@x.example'], `Subject: large\n\n${body}\n`);
    await until('all deferred', async () => (await listed()).every((one) => one['queue_name'] === 'deferred'));
    const all = await listed();
    expect(all.map((one) => one['sender'])).toEqual(
      ['one', 'two', 'three', 'large'].map((name) => `${name}@a.example`),
    );
    expect(Object.keys(all[0]!)).toEqual([
      ...['queue_name', 'queue_id', 'arrival_time', 'message_size', 'forced_expire', 'sender', 'recipients'],
    ]);
    const bin = join(root, 'bin');
    const script = (line: string) => run('/bin/sh', ['-c', `PATH="${bin}:$PATH"; ${line}`]);
    expect((await script('mailq | tail -1')).out).toMatch(/^-- \d+ Kbytes in 4 Requests\.\n$/);
    expect((await script("mailq | grep -c '^[0-9A-Z]'")).out).toBe('4\n');
    expect((await script("mailq | awk '/^[0-9A-Z]/ {print $7}' | sort | uniq -c | wc -l")).out.trim()).toBe('4');
    expect((await script('mailq | head -1')).code).toBe(0);
    const hold = await script("mailq | awk '/two@a.example/ {print $1}' | tr -d '*!' | postsuper -h -");
    expect(hold.err).toMatch(/^postsuper: \w+: placed on hold\npostsuper: Placed on hold: 1 message\n$/);
    expect((await shim('mailq')).out).toMatch(/^\w{10}! .* two@a\.example$/m);
    expect((await shim('postqueue', ['-f'])).code).toBe(0);
    expect((await listed()).filter((one) => one['queue_name'] === 'hold')).toHaveLength(1);
    expect((await shim('postsuper', ['-h', 'ALL'])).err).toBe('postsuper: Placed on hold: 3 messages\n');
    expect((await shim('postsuper', ['-H', 'ALL'])).err).toBe('postsuper: Released from hold: 4 messages\n');
    const id = String(all[0]!['queue_id']);
    const shown = (await shim('postcat', ['-q', id])).out;
    expect(shown).toMatch(
      /^\*\*\* ENVELOPE RECORDS \w+\/\w+ \*\*\*\nmessage_size:[\s\S]*\nsender: one@a\.example\n[\s\S]*\n\*\*\* MESSAGE CONTENTS/,
    );
    expect(shown).toContain('\n\n.x\n*** HEADER EXTRACTED');
    expect(shown.match(/^recipient: .*$/gm)).toEqual(['recipient: b@x.example', 'recipient: c@y.example']);
    // In several pieces, and every line begins with a dot.
    expect((await shim('postcat', ['-qb', String(all[3]!['queue_id'])])).out).toBe(`\n${body}\n`);
    const gone = await shim('postcat', ['-q', 'NOPE']);
    expect([gone.code, gone.err]).toEqual([1, 'postcat: fatal: open queue file NOPE: No such file or directory\n']);
    expect((await shim('qshape', ['deferred', 'active'])).out).toMatch(
      /TOTAL +7 +7 .*\n +x\.example +4 +4 .*\n +y\.example +3 /,
    );
    expect((await shim('postsuper', ['-r', id, '-d', id])).err).toBe(
      `postsuper: ${id}: requeued\npostsuper: ${id}: removed\npostsuper: Requeued: 1 message\npostsuper: Deleted: 1 message\n`,
    );
    expect((await shim('postsuper', ['-d', 'ALL', 'hold'])).err).toBe('postsuper: Deleted: 0 messages\n');
    expect((await shim('postsuper', ['-d', 'ALL'])).err).toBe('postsuper: Deleted: 3 messages\n');
    await until('an empty queue', async () => (await shim('mailq')).out === 'Mail queue is empty\n');
  });

  it('that nobody keeps cannot be shown', async () => {
    await install('bin');
    for (const [name, args] of [
      ['mailq', []],
      ['postqueue', ['-f']],
      ['postsuper', ['-d', 'ALL']],
      ['postcat', ['-q', 'A']],
    ] as const) {
      const { code, out, err } = await shim(name, args);
      expect([code, out], name).toEqual([69, '']);
      expect(err).toMatch(new RegExp(`^${name}: fatal: .*mail system is down`));
    }
    expect(existsSync(join(root, 'spool/control.sock'))).toBe(false);
  });
});
