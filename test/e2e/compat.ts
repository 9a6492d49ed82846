/**
 * The end-to-end test of the drop-in commands: a real Postfix and Sluice are given the same command lines, and what they
 * print, how they end and what they made of the messages is compared. Run by run.sh compat.
 *
 * Both send to a port where nobody listens, so that everything stays in the queue. Compared after ids, dates, sizes and the
 * words of reasons are made alike; what differs on purpose is named in DIFFERENT.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startEngine } from '../helpers/engine.js';
import { Checks } from './checks.js';
import { postfixMissing, startPostfix } from './servers.js';

const TIME_LIMIT = 300_000;
const HOSTNAME = 'postfix.e2e.example';
const checks = new Checks('e2e-compat');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line of one of the two. */
type Run = (name: string, args: readonly string[], input?: string) => Promise<Ended>;

interface Both {
  readonly postfix: Run;
  readonly sluice: Run;
}

/** Message, arguments, text: what sendmail is called with. The subject names it. */
type Call = readonly [args: readonly string[], text: string];

const WORDS = 'Hello,\n\nworld\n';
const calls: Readonly<Record<string, Call>> = {
  plain: [['bob@b.example'], `Subject: plain\n\n${WORDS}`],
  several: [
    ['-f', 'ann@a.example', 'bob@b.example', 'carl@c.example,dora@d.example', 'Eve <eve@e.example>'],
    `Subject: several\n\n${WORDS}`,
  ],
  header: [
    ['-t', '-oi'],
    `From: Ann <ann@a.example>\nTo: Bob <bob@b.example>,\n\tteam: x@t.example, "Y, Z" <y@t.example>;\nCc: carl@c.example (Carl)\nBcc: hidden@h.example\nSubject: header\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <one@a.example>\n\n${WORDS}`,
  ],
  'header and words': [['-t', 'extra@x.example'], `To: bob@b.example\nSubject: header and words\n\n${WORDS}`],
  resent: [
    ['-t'],
    `From: a@a.example\nTo: never@n.example\nResent-To: bob@b.example\nResent-From: c@c.example\nResent-Bcc: d@d.example\nSubject: resent\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <two@a.example>\n\n${WORDS}`,
  ],
  cron: [
    ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'],
    `From: root (Cron Daemon)\nTo: root\nSubject: cron\nContent-Type: text/plain; charset=UTF-8\nAuto-Submitted: auto-generated\n\nGrüße\n.\nlast\n`,
  ],
  dot: [['bob@b.example'], 'Subject: dot\n\nfirst\n..two\n.three\n.\nnot this\n'],
  'dot kept': [['-i', 'bob@b.example'], 'Subject: dot kept\n\nfirst\n.\nlast\n'],
  mailbox: [['bob@b.example'], 'From ann@a.example Thu Jan  1 00:00:00 2026\n>From x\nSubject: mailbox\n\nFrom here\n'],
  crlf: [['-t', '-i'], 'To: bob@b.example\r\nSubject: crlf\r\n\r\none\r\ntwo\r\n'],
  'no end': [['bob@b.example'], 'Subject: no end\n\nlast line'],
  'no header': [['-f', 'no-header@a.example', 'bob@b.example'], 'only text\nand more\n'],
  null: [['-f', '<>', 'bob@b.example'], `Subject: null\n\n${WORDS}`],
  'empty sender': [['-f', '', 'bob@b.example'], `Subject: empty sender\n\n${WORDS}`],
  'local sender': [['-f', 'ann', '-F', 'Ann B. "Q" Example', 'bob'], `Subject: local sender\n\n${WORDS}`],
  notify: [['-N', 'success,delay', '-R', 'hdrs', '-V', 'id=7', 'bob@b.example'], `Subject: notify\n\n${WORDS}`],
  ignored: [
    ['-Am', '-U', '-m', '-h', '5', '-Llabel', '-Oa=b', '-o7', '-odb', 'bob@b.example'],
    `Subject: ignored\n\n${WORDS}`,
  ],
  gateway: [
    ['-G', 'bob@b.example'],
    `From: bob\nSubject: gateway\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <x@x>\n\n${WORDS}`,
  ],
  drops: [
    ['bob@b.example'],
    `Subject: drops\nBcc: x@x.example\nReturn-Path: <y@y.example>\nContent-Length: 7\n\n${WORDS}`,
  ],
  twice: [['bob@b.example', 'bob@b.example'], `Subject: twice\n\n${WORDS}`],
  quoted: [['"john doe"@b.example'], `Subject: quoted\n\n${WORDS}`],
};

/** Command lines that fail, or do nothing. */
const failing: readonly (readonly [name: string, args: readonly string[], input?: string])[] = [
  ['sendmail', []],
  ['sendmail', ['-t'], 'Subject: nobody\n\n'],
  ['sendmail', ['-Z', 'a@b.example']],
  ['sendmail', ['-f']],
  ['sendmail', ['-B', '9BIT', 'a@b.example']],
  ['sendmail', ['-bx']],
  ['sendmail', ['-bp', 'x']],
  ['sendmail', ['-bp', '-t']],
  ['sendmail', ['-q', 'x']],
  ['sendmail', ['-q30m']],
  ['sendmail', ['-bh']],
  ['sendmail', ['-qX']],
  ['sendmail', ['-qRsite', 'x']],
  ['mailq', ['x']],
  ['postqueue', []],
  ['postqueue', ['-x']],
  ['postqueue', ['-p', 'x']],
  ['postqueue', ['-i', 'N!']],
  ['postqueue', ['-i', 'ABCDEF']],
  ['postqueue', ['-f']],
  ['postsuper', ['-h', 'ABCDEF0123']],
  ['postsuper', ['-d', 'NO/SUCH']],
  ['postsuper', ['-d', 'ALL', 'nowhere']],
  ['postcat', ['-q', 'ABCDEF0123']],
  ['newaliases', []],
];
/** What Sluice does otherwise on purpose: the command line, and the codes of both. */
const DIFFERENT: readonly (readonly [line: string, postfix: number, sluice: number, why: string])[] = [
  ['sendmail -n bob@b.example', 75, 0, 'sendmail(1) says that it is ignored, which Postfix does not do'],
  ['postqueue -s b.example', 69, 0, 'any domain can be flushed; Postfix needs fast_flush_domains'],
  ['sendmail -XV bob@b.example', 0, 75, 'the engine makes envelope senders of its own (SLUICE_VERP)'],
];

function program(command: string, args: readonly string[], env: Record<string, string>, input = ''): Promise<Ended> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_') && name !== 'NAME');
  const child = spawn(command, args, { env: { ...Object.fromEntries(clean), ...env }, timeout: 60_000 });
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

async function start(): Promise<Both> {
  const folder = join(checks.folder, 'postfix');
  checks.own(await startPostfix(folder, { relayhost: '[127.0.0.1]:9' }));
  const engine = checks.own(
    await startEngine({ settings: { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9', SLUICE_HOSTNAME: HOSTNAME } }),
  );
  const bin = join(checks.folder, 'bin');
  const made = await engine.command(['install-compat', bin]);
  if (made.code !== 0) throw new Error(made.err);
  const places: Readonly<Record<string, string>> = { mailq: '/usr/bin/mailq', newaliases: '/usr/bin/newaliases' };
  return {
    postfix: (name, args, input) =>
      program(places[name] ?? `/usr/sbin/${name}`, args, { MAIL_CONFIG: join(folder, 'etc') }, input),
    sluice: (name, args, input) => program(join(bin, name), args, {}, input),
  };
}

interface Queued {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly Readonly<Record<string, string>>[];
}

async function queued(run: Run): Promise<Queued[]> {
  const { out, err, code } = await run('postqueue', ['-j']);
  if (code !== 0) throw new Error(err);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Queued);
}

/** Each message by its subject, when `count` are there and all were tried. */
async function settled(run: Run, count: number): Promise<Map<string, Queued & { readonly text: string }>> {
  for (const end = Date.now() + 60_000; ; ) {
    const all = await queued(run);
    if (all.length === count && all.every((one) => one.queue_name === 'deferred')) {
      const found = new Map<string, Queued & { readonly text: string }>();
      for (const one of all) {
        const { out } = await run('postcat', ['-bhq', one.queue_id]);
        found.set(/^Subject: (.*)$/m.exec(out)?.[1] ?? 'no header', { ...one, text: out });
      }
      return found;
    }
    if (Date.now() > end) throw new Error(`${all.length} of ${count} are queued and deferred`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The name of the null sender has a domain with Sluice, for without one it is no address (RFC 5322 section 3.4.1). */
const DAEMON = `From: MAILER-DAEMON@${HOSTNAME}`;

/** Header without Received, with fields of today made alike, sorted; and the body. */
function normalised(text: string): { readonly header: readonly string[]; readonly body: string } {
  const end = text.indexOf('\n\n');
  const fields = text.slice(0, end).split(/\n(?![ \t])/);
  const today = new Date().getUTCFullYear();
  return {
    header: fields
      .filter((field) => !/^Received:/i.test(field))
      .map((field) => (field === DAEMON ? 'From: MAILER-DAEMON' : field))
      .map((field) => field.replace(/^((?:resent-)?message-id): <\d{14}\.[^@]+@/i, '$1: <MADE@'))
      .map((field) =>
        new Date(field.slice(field.indexOf(':') + 1)).getUTCFullYear() === today
          ? field.replace(/^((?:resent-)?date): .*/i, '$1: NOW')
          : field,
      )
      .sort(),
    body: text.slice(end + 2),
  };
}

function same(what: string, postfix: unknown, sluice: unknown): void {
  const [one, other] = [JSON.stringify(postfix), JSON.stringify(sluice)];
  if (one !== other) throw new Error(`${what}: Postfix ${one}, Sluice ${other}`);
}

/** Ids, sizes, dates and reasons made alike; recipients in order of their names. */
function shape(listing: string): string[] {
  // The heading stands on the first message.
  const blocks = listing
    .replace(/^(-Queue ID-.*\n)/, '$1\n')
    .split('\n\n')
    .map((block) =>
      block
        .split('\n')
        .map((line) => line.replace(/^[0-9A-Z]{8,11}([*! ]) *\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d {2}/, 'ID$1 '))
        .map((line) => line.replace(/^ *\((?!.*@).*\)$/, '(REASON)'))
        .map((line) => line.replace(/^-- \d+ Kbytes/, '-- N Kbytes')),
    );
  return blocks
    .map((lines) =>
      [...lines.filter((line) => !/^ {41}/.test(line)), ...lines.filter((line) => /^ {41}/.test(line)).sort()].join(
        '\n',
      ),
    )
    .sort();
}

/** What postsuper says, with ids made alike. */
function told(err: string): string[] {
  return err
    .split('\n')
    .map((line) => line.replace(/^postsuper: [0-9A-Z]+: /, 'postsuper: ID: '))
    .filter((line) => line !== '');
}

async function sending({ postfix, sluice }: Both): Promise<void> {
  for (const [title, [args, text]] of Object.entries(calls))
    await checks.check(`sendmail, ${title}: exit code`, async () => {
      const [one, other] = [await postfix('sendmail', args, text), await sluice('sendmail', args, text)];
      same('exit code', [one.code, one.out], [other.code, other.out]);
      if (one.code !== 0) throw new Error(`${one.err}${other.err}`);
      return String(one.code);
    });
  const count = Object.keys(calls).length;
  const [theirs, ours] = [await settled(postfix, count), await settled(sluice, count)];
  for (const title of Object.keys(calls))
    await checks.check(`sendmail, ${title}: what is queued`, async () => {
      const [one, other] = [theirs.get(title), ours.get(title)];
      if (one === undefined || other === undefined)
        throw new Error(`not there: ${one === undefined ? 'Postfix' : 'Sluice'}`);
      same('keys', Object.keys(one), Object.keys(other));
      same('sender', one.sender, other.sender);
      const to = ({ recipients }: Queued) => recipients.map(({ address }) => address).sort();
      same('recipients', to(one), to(other));
      same('keys of a recipient', Object.keys(one.recipients[0]!), Object.keys(other.recipients[0]!));
      const [a, b] = [normalised(one.text), normalised(other.text)];
      same('header', a.header, b.header);
      same('body', a.body, b.body);
      return `${to(one).length} recipients, ${a.header.length} fields, body byte for byte`;
    });
}

async function listing({ postfix, sluice }: Both): Promise<void> {
  await checks.check('mailq: shape of the whole list', async () => {
    const [one, other] = [shape((await postfix('mailq', [])).out), shape((await sluice('mailq', [])).out)];
    for (const [i, block] of one.entries()) same('block', block, other[i]);
    same('blocks', one.length, other.length);
    return `${one.length} blocks alike`;
  });
  await checks.check('postcat: marks and records', async () => {
    const marks = async (run: Run): Promise<string[]> => {
      const mail = (await queued(run)).find((one) => one.sender === 'ann@a.example' && one.recipients.length === 4)!;
      const { out } = await run('postcat', ['-q', mail.queue_id]);
      return out
        .split('\n')
        .filter((line) => /^\*\*\*|^(?:message_size|message_arrival_time|create_time|sender|recipient): /.test(line))
        .map((line) =>
          line
            .replace(/(?<= )\w+\/(?:\w\/)?\w+ \*\*\*$/, 'NAME ***')
            .replace(/\d+/g, 'N')
            .replace(/ +/g, ' '),
        )
        .map((line) => line.replace(/^(\w+_time): .*/, '$1: TIME'));
    };
    same('lines', await marks(postfix), await marks(sluice));
    return 'alike';
  });
}

async function changing({ postfix, sluice }: Both): Promise<void> {
  const id = async (run: Run, sender: string): Promise<string> =>
    (await queued(run)).find((one) => one.sender === sender)!.queue_id;
  const step = (title: string, work: (run: Run) => Promise<readonly [string, readonly string[], string?]>) =>
    checks.check(title, async () => {
      const results: Ended[] = [];
      for (const run of [postfix, sluice]) results.push(await run(...(await work(run))));
      const [one, other] = results as [Ended, Ended];
      same('exit code', one.code, other.code);
      same('words', told(one.err), told(other.err));
      same('list', shape((await postfix('mailq', [])).out), shape((await sluice('mailq', [])).out));
      return told(one.err).join('; ') || 'nothing said';
    });
  const ann = 'ann@a.example';
  await step('postsuper -h ID', async (run) => ['postsuper', ['-h', await id(run, ann)]]);
  await step('postsuper -h ID that is held', async (run) => ['postsuper', ['-h', await id(run, ann)]]);
  await step('postsuper -H ID', async (run) => ['postsuper', ['-H', await id(run, ann)]]);
  await step('postsuper -h ALL', async () => ['postsuper', ['-h', 'ALL']]);
  await step('postsuper -d ALL deferred, all held', async () => ['postsuper', ['-d', 'ALL', 'deferred']]);
  await step('postsuper -d - with ids and noise', async (run) => [
    'postsuper',
    ['-d', '-'],
    `${await id(run, ann)}\nABCDEF0123\n`,
  ]);
  await step('postsuper -d ALL hold', async () => ['postsuper', ['-d', 'ALL', 'hold']]);
  await step('mailq of an empty queue', async () => ['mailq', []]);
  await step('postqueue -j of an empty queue', async () => ['postqueue', ['-j']]);
}

async function refusals({ postfix, sluice }: Both): Promise<void> {
  for (const [name, args, input] of failing)
    await checks.check(`${name} ${args.join(' ')}`, async () => {
      const [one, other] = [await postfix(name, args, input), await sluice(name, args, input)];
      same('exit code', one.code, other.code);
      // Of several lines the last says why.
      const last = ({ err }: Ended) => err.trimEnd().split('\n').pop()!.replace('/usr/sbin/', '');
      if (!last(one).includes('usage:')) same('words', last(one), last(other));
      return `${one.code}${last(one) === '' ? '' : `, ${last(one)}`}`;
    });
  for (const [line, theirs, ours, why] of DIFFERENT)
    await checks.check(`${line}, otherwise on purpose`, async () => {
      const [name, ...args] = line.split(' ');
      const text = 'Subject: x\n\n';
      const codes = [(await postfix(name!, args, text)).code, (await sluice(name!, args, text)).code];
      same('exit codes', [theirs, ours], codes);
      return `${codes.join(' and ')}: ${why}`;
    });
}

async function cost({ postfix, sluice }: Both): Promise<void> {
  await checks.check('how long a message takes', async () => {
    const took = async (run: () => unknown): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 7; i++) {
        const began = performance.now();
        await run();
        times.push(performance.now() - began);
      }
      return Math.round(times.sort((a, b) => a - b)[3]!);
    };
    const text = 'Subject: x\n\n';
    const node = await took(() => spawnSync(process.execPath, ['-e', '0']));
    const theirs = await took(() => postfix('sendmail', ['a@b.example'], text));
    const ours = await took(() => sluice('sendmail', ['a@b.example'], text));
    return `Postfix ${theirs} ms, Sluice ${ours} ms, of which node alone ${node} ms (medians of 7)`;
  });
}

await checks.run(TIME_LIMIT, async () => {
  if (postfixMissing() !== '') {
    checks.skip('the commands of Postfix', postfixMissing());
    return;
  }
  const both = await start();
  await sending(both);
  await listing(both);
  await changing(both);
  await refusals(both);
  await cost(both);
});
