/**
 * The log of a real engine in Postfix's form, read by the programs that people point at mail.log; and what we ship for others,
 * checked by theirs. Run by `run.sh operators`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addAccount } from '../helpers/account-file.js';
import { startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { startSink } from '../helpers/smtp-sink.js';
import { mail } from '../wire/stage.js';
import { Checks, until } from './checks.js';

const TIME_LIMIT = 200_000;
const FAIL2BAN = '/etc/fail2ban';
const LOGWATCH = '/usr/share/logwatch';

const checks = new Checks('e2e operators');
const log = join(checks.folder, 'mail.log');

/** Runs a program; its output, also where it fails. */
function output(program: string, args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000, ...options });
  if (error !== undefined) throw error;
  return { status, text: `${stdout}${stderr}` };
}

function expectIn(text: string, ...patterns: readonly RegExp[]): void {
  const missing = patterns.filter((pattern) => !pattern.test(text));
  if (missing.length > 0) throw new Error(`not found: ${missing.join(', ')} in\n${text.slice(0, 4000)}`);
}

/** Two delivered, one refused (of a null sender, that nobody is told), one put off, two failed logins. */
async function makeLog(): Promise<void> {
  const sink = await startSink({
    reply: (moment, line) => {
      if (moment !== 'RCPT') return undefined;
      if (line.includes('<nobody@')) return '550 5.1.1 no such user here';
      return line.includes('<later@') ? '451 4.3.0 try again later' : undefined;
    },
  });
  checks.own({ stop: () => sink.close() });
  const accounts = join(checks.folder, 'accounts');
  addAccount(accounts, 'ann', 'secret');
  const engine = checks.own(
    await startEngine({
      settings: {
        SLUICE_LISTEN: 'smtp://127.0.0.1:0?auth=optional&tls=none',
        SLUICE_AUTH_FILE: accounts,
        // The one that fail2ban knows and that is offered without TLS.
        SLUICE_AUTH_MECHANISMS: 'CRAM-MD5',
        SLUICE_UPSTREAM: sink.url,
        SLUICE_LOG_FILE: log,
        SLUICE_LOG_FORMAT: 'postfix',
      },
    }),
  );
  const client = await SmtpTestClient.open(engine.port);
  for (const to of ['bob', 'eve', 'nobody', 'later'])
    await client.send(to === 'nobody' ? '<>' : '<ann@client.example>', [`<${to}@accept.example>`], mail());
  for (let i = 0; i < 2; i++) {
    await client.expect('AUTH CRAM-MD5', 334);
    await client.expect(Buffer.from(`ann ${'0'.repeat(32)}`).toString('base64'), 535);
  }
  client.destroy();
  const read = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  await until('the log', 20, () => {
    const text = read();
    return text.split(' authentication failed: ').length === 3 &&
      text.split(': removed\n').length === 4 &&
      text.includes('status=deferred')
      ? true
      : undefined;
  });
}

async function exporterReads(): Promise<string> {
  const copy = join(checks.folder, 'copy.log');
  writeFileSync(copy, '');
  const port = 20_000 + (process.pid % 10_000);
  const args = [
    `--postfix.logfile_path=${copy}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--postfix.showq_path=/none',
  ];
  const child = spawn('prometheus-postfix-exporter', args, { stdio: 'ignore' });
  try {
    const scrape = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null);
      return answer === null ? '' : answer.text();
    };
    for (let i = 0; i < 100 && (await scrape()) === ''; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    appendFileSync(copy, readFileSync(log));
    let text = '';
    for (let i = 0; i < 100 && !/removed_total 3\n/.test(text); i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      text = await scrape();
    }
    expectIn(
      text,
      /postfix_smtpd_messages_processed_total\{sasl_method=""\} 4\n/,
      /postfix_qmgr_messages_inserted_receipients_count 4\n/,
      /postfix_qmgr_messages_removed_total 3\n/,
      /postfix_smtp_status_deferred 1\n/,
      /postfix_smtp_delivery_delay_seconds_count\{stage=""\} 16\n/,
      /postfix_smtpd_sasl_authentication_failures_total 2\n/,
    );
    return '4 messages, 3 removed, 1 deferred, 2 failed logins';
  } finally {
    child.kill('SIGKILL');
  }
}

async function main(): Promise<void> {
  await makeLog();
  const here = (program: string): boolean => spawnSync('which', [program]).status === 0;
  const part = async (name: string, isHere: boolean, work: () => Promise<string>): Promise<void> =>
    isHere ? checks.check(name, work) : checks.skip(name, 'not installed');
  await part('pflogsumm', here('pflogsumm'), async () => {
    const { text } = output('pflogsumm', [log]);
    expectIn(text, /\b4 +received/, /\b2 +delivered/, /\b1 +deferred/, /\b1 +bounced/, /550 5\.1\.1 no such user here/);
    return '4 received, 2 delivered, 1 deferred, 1 bounced';
  });
  await part('logwatch', existsSync(join(LOGWATCH, 'scripts/services/postfix')), async () => {
    const args = ['-I', join(LOGWATCH, 'lib'), join(LOGWATCH, 'scripts/services/postfix')];
    const env = { ...process.env, LOGWATCH_DETAIL_LEVEL: '10' };
    const { text } = output('perl', args, { input: readFileSync(log, 'utf8'), env });
    expectIn(text, /\b4 +Accepted/, /\b2 +Sent via SMTP/, /\b1 +Bounced/, /\b2 +SASL authentication failed/);
    return 'accepted, sent, bounced and failed logins as they were';
  });
  await part('fail2ban', here('fail2ban-regex'), async () => {
    const { text } = output('fail2ban-regex', [log, `${FAIL2BAN}/filter.d/postfix.conf[mode=auth]`]);
    expectIn(text, /, 2 matched,/);
    return '2 failed logins matched';
  });
  await part('postfix_exporter', here('prometheus-postfix-exporter'), exporterReads);
  await part('promtool', here('promtool'), async () => {
    const { status, text } = output('promtool', ['check', 'rules', 'src/packaging/prometheus/alerts.yml']);
    if (status !== 0) throw new Error(text);
    return text.trim().split('\n').at(-1)!.trim();
  });
  await part('mandoc', here('mandoc'), async () => {
    const { status, text } = output('mandoc', ['-Tlint', '-W', 'warning', 'src/packaging/man/sluice.1']);
    if (status !== 0) throw new Error(text);
    return 'no warning';
  });
}

await checks.run(TIME_LIMIT, main);
