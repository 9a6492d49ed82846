/**
 * The end-to-end test: real clients in front, real servers behind, signatures checked by others. Run by run.sh.
 *
 * Prints a line for each check and ends with 1 when one failed. All of it on loopback, in a temporary folder; what was
 * started is stopped by process id, also when the time limit strikes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SigningKeyPem } from '../../src/message/dkim/key-store.js';
import { startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { startSink } from '../helpers/smtp-sink.js';
import { makeKey } from '../message/dkim-keys.js';
import { parsed, values } from '../wire/stage.js';
import { Checks, until } from './checks.js';
import { clients } from './clients.js';
import { corpus, fromDomain, isSignable } from './corpus.js';
import { eximMissing, type MailServer, postfixMissing, smtpSource, startExim, startPostfix } from './servers.js';
import { dkimpyMissing, type Verdicts, verifyWithDkimpy, verifyWithMailauth } from './verify.js';

const TIME_LIMIT = 300_000;
const MESSAGES_THROUGH_POSTFIX = 500;

const checks = new Checks('e2e');
const { folder } = checks;

function writeKeys(directory: string, keys: readonly SigningKeyPem[]): void {
  for (const { domain, selector, pem } of keys) {
    mkdirSync(join(directory, domain), { recursive: true });
    writeFileSync(join(directory, domain, `${selector}.pem`), pem, { mode: 0o600 });
  }
}

/** What each client sends: 8-bit text, lines that begin with dots, blanks at line ends, lines up to 990 bytes. */
function testMessage(token: string): string {
  const lines = ['Grüße', '.', '..', '.dot', 'blanks  \t', '', 'x'.repeat(990), 'From here', '', 'end'];
  return [
    'From: Ann <ann@client.example>',
    'To: bob@accept.example',
    `Subject: ${token}`,
    `Message-ID: <${token}@client.example>`,
    'Date: Thu, 1 Jan 2026 00:00:00 +0000',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    ...lines,
    '',
  ].join('\r\n');
}

/** Fails unless `arrived` is what was sent, with Sluice's and the server's fields on top and a good signature. */
async function compare(arrived: Buffer, sent: string, keys: readonly SigningKeyPem[]): Promise<void> {
  const content = Buffer.from(arrived.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
  const wanted = parsed(Buffer.from(sent));
  const got = parsed(content);
  if (got.body !== wanted.body) throw new Error(`body differs: ${JSON.stringify(got.body.slice(0, 300))}`);
  const tail = got.header.slice(-wanted.header.length);
  if (JSON.stringify(tail) !== JSON.stringify(wanted.header))
    throw new Error(`header differs: ${JSON.stringify(tail)}`);
  const received = values(content, 'Received');
  if (received.length !== 2) throw new Error(`${received.length} Received fields: ${received.join('|')}`);
  if (!/^from \S+ \(\[127\.0\.0\.1\]\)\s+by relay\.example with E?SMTP /.test(received[1]!))
    throw new Error(`second Received is not ours: ${received[1]}`);
  if (!/^from .*\brelay\.example\b.*\bby (?:postfix|exim)\.e2e\.example /.test(received[0]!))
    throw new Error(`first Received is not its own: ${received[0]}`);
  const all = keys.map((key) => `${key.selector} ${key.domain} pass`).sort();
  const verdicts: [string, Verdicts][] = [['mailauth', await verifyWithMailauth(content, keys)]];
  if (dkimpyMissing() === '') verdicts.push(['dkimpy', verifyWithDkimpy([content], keys)[0]!]);
  for (const [name, list] of verdicts)
    if (list.join() !== all.join()) throw new Error(`${name} says ${list.join() || 'no signature'}`);
}

/** Every client through Sluice to one server. */
async function clientsThrough(name: string, start: (folder: string) => Promise<MailServer>): Promise<void> {
  const place = join(folder, name);
  const server = checks.own(await start(place));
  const keys = [makeKey('client.example', 'rsa', 'rsa'), makeKey('client.example', 'ed', 'ed25519')];
  writeKeys(join(place, 'keys'), keys);
  const engine = checks.own(
    await startEngine({
      settings: { SLUICE_UPSTREAM: `smtp://127.0.0.1:${server.port}`, SLUICE_DKIM_DIR: join(place, 'keys') },
    }),
  );
  for (const client of clients) {
    const title = `${client.name} -> Sluice -> ${name}`;
    if (client.missing() !== '') {
      checks.skip(title, client.missing());
      continue;
    }
    await checks.check(title, async () => {
      const token = `${name}-${client.name.replace(/\W/g, '-')}-${Date.now().toString(36)}`;
      const text = testMessage(token);
      const [file, unixFile] = [join(place, `${token}.eml`), join(place, `${token}.txt`)];
      writeFileSync(file, text);
      writeFileSync(unixFile, text.replaceAll('\r\n', '\n'));
      await client.send({ port: engine.port, from: 'ann@client.example', to: 'bob@accept.example', file, unixFile });
      const arrived = await until('arrival', 20, () =>
        server.arrived().find((message) => message.includes(`Subject: ${token}`)),
      ).catch((error: unknown) => {
        throw new Error(`${error}\n${server.log()}\n${engine.transcript()}`);
      });
      await compare(arrived, text, keys);
      return 'byte for byte, both signatures good';
    });
  }
}

async function postfixInFront(): Promise<void> {
  const sink = await startSink();
  checks.own({ stop: () => sink.close() });
  const engine = checks.own(
    await startEngine({ settings: { SLUICE_UPSTREAM: sink.url, SLUICE_MAX_MESSAGES_PER_CONNECTION: '0' } }),
  );
  const postfix = checks.own(await startPostfix(join(folder, 'front'), { relayhost: `[127.0.0.1]:${engine.port}` }));
  await checks.check(`Postfix -> Sluice, ${MESSAGES_THROUGH_POSTFIX} messages of smtp-source`, async () => {
    await smtpSource(postfix.port, MESSAGES_THROUGH_POSTFIX, 20);
    await until('all messages', 60, () => sink.messages[MESSAGES_THROUGH_POSTFIX - 1]).catch((error: unknown) => {
      throw new Error(`${error}: ${sink.messages.length} arrived\n${postfix.log()}`);
    });
    const ids = new Set(
      sink.messages.map(({ content }) => / id (\w+)/.exec(values(content, 'Received')[1] ?? '')?.[1]),
    );
    if (sink.messages.length !== MESSAGES_THROUGH_POSTFIX || ids.size !== MESSAGES_THROUGH_POSTFIX)
      throw new Error(`${sink.messages.length} messages arrived with ${ids.size} ids of Postfix`);
    return 'each arrived once';
  });
}

/** Signs the outside messages, each with the keys of its own From domain, and has others verify them. */
async function signCorpus(): Promise<void> {
  const title = 'signatures on the outside messages';
  const messages = corpus();
  if (messages.length === 0) {
    checks.skip(title, '../shared/conformance/messages is not here');
    return;
  }
  const sink = await startSink();
  checks.own({ stop: () => sink.close() });
  const [rsa, ed] = [makeKey('x.example', 'rsa', 'rsa'), makeKey('x.example', 'ed', 'ed25519')];
  const domains = new Set(messages.map(({ content }) => fromDomain(content)).filter((domain) => domain !== ''));
  const keys = [...domains].flatMap((domain) => [
    { ...rsa, domain },
    { ...ed, domain },
  ]);
  writeKeys(join(folder, 'corpus-keys'), keys);
  const engine = checks.own(
    await startEngine({
      settings: {
        SLUICE_UPSTREAM: sink.url,
        SLUICE_DKIM_DIR: join(folder, 'corpus-keys'),
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
        SLUICE_MAX_ERRORS: '0',
      },
    }),
  );
  const client = await SmtpTestClient.open(engine.port);
  let taken = 0;
  const refused: string[] = [];
  for (const [i, { path, content }] of messages.entries()) {
    const sender = `<m${i}@client.example> BODY=8BITMIME`;
    const reply =
      i % 2 === 0
        ? await client.send(sender, ['<bob@accept.example>'], content)
        : await client.sendChunk(sender, ['<bob@accept.example>'], content);
    if (reply.code === 250) taken++;
    else refused.push(`${path}: ${reply.text.trim()}`);
  }
  client.destroy();
  await until('all messages', 60, () => sink.messages[taken - 1]);
  const arrived = sink.messages.map((message) => {
    const { path, content } = messages[Number(/<m(\d+)@/.exec(message.mail)![1])]!;
    return { path, sent: content, content: message.content };
  });
  const verifiers: [string, (contents: readonly Buffer[]) => Promise<Verdicts[]>][] = [
    ['mailauth', (contents) => Promise.all(contents.map((content) => verifyWithMailauth(content, keys)))],
  ];
  if (dkimpyMissing() === '') verifiers.push(['dkimpy', async (contents) => verifyWithDkimpy(contents, keys)]);
  else checks.skip(`${title} by dkimpy`, dkimpyMissing());
  const exceptions = JSON.parse(readFileSync(join(process.cwd(), 'test/e2e/dkim-exceptions.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  for (const [name, verify] of verifiers) {
    await checks.check(`${title} by ${name}`, async () => {
      const known = exceptions[name] ?? {};
      const results = await verify(arrived.map(({ content }) => content));
      const bad: string[] = [];
      const excused = new Set<string>();
      let [good, unsigned] = [0, 0];
      for (const [i, { path, sent }] of arrived.entries()) {
        const verdicts = results[i]!;
        const two = verdicts.length === 2 && verdicts.every((verdict) => verdict.endsWith(' pass'));
        if (two) good++;
        else if (verdicts.length === 0 && !isSignable(sent)) unsigned++;
        else if (known[path] === undefined) bad.push(`${path}: ${verdicts.join() || 'no signature'}`);
        else excused.add(path);
      }
      const stale = Object.keys(known).filter((path) => !excused.has(path));
      if (stale.length > 0) throw new Error(`exceptions that are none: ${stale.join(', ')}`);
      if (bad.length > 0) throw new Error(`${bad.length} of ${arrived.length}\n  ${bad.join('\n  ')}`);
      return `${good} verified, ${unsigned} without a usable From unsigned, ${excused.size} excused, ${refused.length} refused`;
    });
  }
}

async function main(): Promise<void> {
  if (postfixMissing() === '') await clientsThrough('Postfix', startPostfix);
  else checks.skip('clients to Postfix', postfixMissing());
  await checks.cleanUp();
  if (eximMissing() === '') await clientsThrough('Exim', startExim);
  else checks.skip('clients to Exim', eximMissing());
  await checks.cleanUp();
  if (postfixMissing() === '') await postfixInFront();
  else checks.skip('Postfix in front', postfixMissing());
  await checks.cleanUp();
  await signCorpus();
}

await checks.run(TIME_LIMIT, main);
