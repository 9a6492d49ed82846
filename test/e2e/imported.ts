/**
 * Imported configurations against the original: the same main.cf in a real Postfix and, imported, in an engine; the same
 * mail through both; each recipient must come to the same sink, with the same login, or to none. Run by
 * `test/e2e/run.sh import`.
 *
 * Each Postfix is an instance of its own: configuration, queue and data in a folder of this run, loopback only. What is
 * changed in its main.cf is what helpers/postfix-shapes.ts says, its folders, and names looked up in /etc/hosts.
 */
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { importPostfix } from '../../src/compat/postfix/import-postfix.js';
import { readMasterCf } from '../../src/compat/postfix/master-cf.js';
import { freePort } from '../helpers/conformance.js';
import { startDnsServer } from '../helpers/dns-server.js';
import { startEngine } from '../helpers/engine.js';
import { type Arrival, type Shape, StagedShape, shapes } from '../helpers/postfix-shapes.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { TestAuthority } from '../helpers/test-authority.js';
import { Checks, until } from './checks.js';
import { postfixMissing, runPostfix, userOf } from './servers.js';

const TIME_LIMIT = 540_000;
/** Mail that is to come nowhere has this long to come somewhere, ms. */
const QUIET = 1500;

const checks = new Checks('e2e import');
const authority = new TestAuthority();

interface Relay {
  readonly port: number;
  stop(): Promise<unknown>;
  log(): string;
}

async function startOriginal(staged: StagedShape, folder: string): Promise<Relay> {
  const [queue, data] = ['queue', 'data'].map((name) => join(folder, name)) as [string, string];
  for (const path of [queue, data]) mkdirSync(path, { recursive: true });
  chownSync(data, ...userOf('postfix'));
  const port = await freePort();
  const logFile = join(folder, 'postfix.log');
  const settings: Record<string, string> = {
    ...{ compatibility_level: '3.6', queue_directory: queue, data_directory: data },
    ...{ daemon_directory: '/usr/lib/postfix/sbin', command_directory: '/usr/sbin' },
    ...{ mail_owner: 'postfix', setgid_group: 'postdrop', alias_maps: '', alias_database: '' },
    ...{ inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', smtp_host_lookup: 'native' },
    // PLAIN under TLS, which is all that the sinks offer; its default (noplaintext) logs in nowhere then.
    ...{ smtp_sasl_security_options: 'noanonymous', smtp_sasl_tls_security_options: 'noanonymous' },
    ...{ smtpd_tls_security_level: 'none', maillog_file: logFile, maillog_file_prefixes: '/tmp, /var' },
    // These ask the DNS of the world.
    ...{ smtpd_recipient_restrictions: '', smtpd_helo_restrictions: '', smtpd_sender_restrictions: '' },
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  // Postfix warns of each parameter that is given twice, at every start of a process.
  const given = Object.keys(settings).reduce(
    (text, name) => text.replace(new RegExp(`^${name}[ \\t]*=.*\\n(?:[ \\t].*\\n)*`, 'gm'), ''),
    `${staged.main()}\n`,
  );
  writeFileSync(join(staged.folder, 'main.cf'), `${given}${lines.join('')}`);
  const own = readMasterCf(staged.master())
    .filter(({ type, program, name }) => type === 'unix' && program === 'smtp' && !['smtp', 'relay'].includes(name))
    .map(({ name, processes, options }) => {
      const given = [...options].map(([option, value]) => `\n  -o ${option}=${value}`).join('');
      return `${name} unix - - n - ${processes || '-'} smtp${given}\n`;
    });
  return { port, ...(await runPostfix({ etc: staged.folder, queue, port, logFile, services: own.join('') })) };
}

async function startImported(staged: StagedShape): Promise<Relay> {
  const { env, toml } = importPostfix(staged.main(), staged.master(), staged.folder);
  const file = join(staged.folder, 'sluice.toml');
  writeFileSync(file, toml);
  const imported = Object.fromEntries(
    Object.entries(parseEnv(env)).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const dns = await startDnsServer({ localhost: { A: ['127.0.0.1'] } });
  const engine = await startEngine({
    settings: {
      ...imported,
      ...{ SLUICE_LISTEN: 'smtp://127.0.0.1:0', SLUICE_CONFIG: file, SLUICE_DNS_SERVERS: dns.address },
    },
  });
  const stop = async (): Promise<void> => {
    await engine.stop();
    await dns.close();
  };
  return { port: engine.port, stop, log: () => engine.transcript() };
}

/** Sends the cases and waits until what is to arrive has, and for a while for what is not. */
async function arrivalsOf(staged: StagedShape, relay: Relay): Promise<Arrival[]> {
  try {
    const client = await SmtpTestClient.open(relay.port);
    for (const { from, to } of staged.shape.cases) {
      await client.expect(`MAIL FROM:<${from}>`, 250);
      if ((await client.command(`RCPT TO:<${to}>`)).code === 250) {
        await client.expect('DATA', 354);
        client.write('From: a@sender.example\r\nSubject: x\r\n\r\ntext\r\n.\r\n');
        const reply = await client.reply();
        if (reply.code !== 250) throw new Error(`${to}: ${reply.text}`);
      } else await client.expect('RSET', 250);
    }
    await client.quit();
    const count = staged.expected().filter(({ at }) => at !== 'mx').length;
    await until(`${count} arrivals`, 30, () => (staged.arrivals().length >= count ? true : undefined)).catch(
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, QUIET));
    return staged.arrivals();
  } catch (error) {
    throw new Error(`${String(error)}\n${relay.log().slice(-3000)}`);
  } finally {
    await relay.stop();
    await staged.close();
  }
}

/**
 * One line for each case, the same for both. `mx`: there is no DNS for it here, so it comes nowhere in both. Where Postfix
 * goes in the clear Sluice may use TLS: unless told not to it does where it is offered.
 */
function told(shape: Shape, arrivals: readonly Arrival[], original: readonly Arrival[]): string[] {
  return shape.cases
    .filter(({ differs }) => differs === undefined)
    .map(({ from, to }) => {
      const found = arrivals.filter((one) => one.to === to);
      const clear = original.some((one) => one.to === to && !one.secure);
      const places = found.map(
        ({ at, login, secure }) => `${at}${login === '' ? '' : ` as ${login}`}${secure && !clear ? ' by TLS' : ''}`,
      );
      return `${from} to ${to}: ${places.join(' and ') || 'nowhere'}`;
    });
}

async function compare(shape: Shape): Promise<string> {
  const folder = join(checks.folder, shape.name.replace(/\W+/g, '-'));
  const before = await StagedShape.open(shape, join(folder, 'original', 'etc'), authority);
  const after = await StagedShape.open(shape, join(folder, 'imported'), authority);
  const original = await arrivalsOf(before, await startOriginal(before, join(folder, 'original')));
  const imported = await arrivalsOf(after, await startImported(after));
  const theirs = told(shape, original, original);
  const mine = told(shape, imported, original);
  const other = theirs.flatMap((line, place) =>
    line === mine[place] ? [] : [`Postfix: ${line}; Sluice: ${mine[place]}`],
  );
  if (other.length > 0) {
    const log = readFileSync(join(folder, 'original', 'postfix.log'), 'utf8').split('\n');
    throw new Error([...other, ...log.filter((line) => /warning|fatal|status=/.test(line)).slice(-15)].join('\n'));
  }
  const left = shape.cases
    .filter(({ differs }) => differs !== undefined)
    .map(({ to, differs }) => `${to} left out: ${differs}`);
  return [`${mine.length} alike`, ...left].join('; ');
}

async function main(): Promise<void> {
  const missing = postfixMissing();
  const wanted = process.argv.slice(2);
  for (const shape of shapes) {
    if (wanted.length > 0 && !wanted.includes(shape.fixture)) continue;
    const why = missing === '' ? shape.withoutPostfix : missing;
    if (why === undefined) await checks.check(`${shape.name}: as Postfix`, () => compare(shape));
    else checks.skip(shape.name, why);
  }
}

await checks.run(TIME_LIMIT, main);
