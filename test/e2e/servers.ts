/**
 * Real mail servers for the end-to-end test: Postfix and Exim, each from a folder of its own on a port of loopback.
 *
 * Contract: `missing` says why a server cannot be had, '' when it can. A started server takes mail for accept.example
 * into a Maildir (or relays all of it, for Postfix in front) and is stopped by its own process id.
 * Limits: both must be started by root.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ended } from '../helpers/background.js';
import { freePort } from '../helpers/conformance.js';
import type { IssuedPair } from './authority.js';

/** What a server with TLS has, and accounts where it demands them. */
export interface SecureAccess {
  readonly pair: IssuedPair;
  /** Of a SaslService; without it STARTTLS is offered and nothing demanded. */
  readonly saslSocket?: string;
}

export interface MailServer {
  readonly port: number;
  /** The messages that arrived. */
  arrived(): Buffer[];
  /** What it logged, for the report of a failure. */
  log(): string;
  stop(): Promise<void>;
}

const EXIM = join(process.cwd(), 'var/e2e/exim/usr/sbin/exim4');
const POSTFIX_SERVICES = '/usr/share/postfix/master.cf.dist';
const PROGRAMS = {
  postfix: '/usr/sbin/postfix',
  smtpSource: '/usr/sbin/smtp-source',
};
const NOBODY = 65534;

const isRoot = (): boolean => process.getuid?.() === 0;

export function postfixMissing(): string {
  if (!existsSync(PROGRAMS.postfix) || !existsSync(POSTFIX_SERVICES)) return 'postfix is not installed';
  return isRoot() ? '' : 'postfix must be started by root';
}

export function eximMissing(): string {
  if (!existsSync(EXIM)) return 'exim is not unpacked';
  return isRoot() ? '' : 'exim must be started by root';
}

/** Ids of a name in /etc/passwd. */
export function userOf(name: string): [number, number] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`there is no user ${name}`);
  const [, , user, group] = line.split(':');
  return [Number(user), Number(group)];
}

function secureSettings({ pair, saslSocket }: SecureAccess): Record<string, string> {
  return {
    smtpd_tls_cert_file: pair.cert,
    smtpd_tls_key_file: pair.key,
    smtpd_tls_security_level: saslSocket === undefined ? 'may' : 'encrypt',
    smtpd_tls_received_header: 'yes',
    ...(saslSocket === undefined
      ? {}
      : {
          smtpd_sasl_auth_enable: 'yes',
          smtpd_sasl_type: 'dovecot',
          smtpd_sasl_path: saslSocket,
          smtpd_sasl_authenticated_header: 'yes',
          smtpd_sasl_security_options: 'noanonymous',
          smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
        }),
  };
}

function readMaildir(folder: string): Buffer[] {
  const fresh = join(folder, 'new');
  return existsSync(fresh) ? readdirSync(fresh).map((name) => readFileSync(join(fresh, name))) : [];
}

function readLog(file: string): string {
  return existsSync(file) ? readFileSync(file, 'latin1').slice(-3000) : '';
}

/** Resolves when a server greets; rejects after 30 seconds, of which a busy machine needs many. */
async function greeting(port: number, log: () => string): Promise<void> {
  for (const end = Date.now() + 30_000; ; ) {
    const greeted = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      const done = (result: boolean): void => {
        socket.destroy();
        resolve(result);
      };
      socket.setTimeout(2000, () => done(false));
      socket.once('data', () => done(true));
      socket.once('error', () => done(false));
      socket.once('close', () => done(false));
    });
    if (greeted) return;
    if (Date.now() > end) throw new Error(`no greeting on port ${port}: ${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface PostfixOptions {
  /** Where everything is sent; without it mail is delivered locally. */
  readonly relayhost?: string;
  readonly secure?: SecureAccess;
  /** Mail for every domain is taken, not only for accept.example. */
  readonly everyDomain?: boolean;
}

/**
 * Starts the Postfix of a folder that has main.cf and gives it its master.cf. With `services`, which come behind the usual
 * ones, nothing runs in a change root.
 */
export async function runPostfix(of: {
  readonly etc: string;
  readonly queue: string;
  readonly port: number;
  readonly logFile: string;
  readonly services?: string;
}): Promise<Pick<MailServer, 'log' | 'stop'>> {
  const { etc, queue, port, logFile, services } = of;
  const usual = readFileSync(POSTFIX_SERVICES, 'utf8');
  // Not in a change root, where the accounts could not be read.
  const master = usual.replace(/^smtp(\s+inet\s+n\s+-\s+)y/m, `127.0.0.1:${port}$1n`);
  const free = services === undefined ? master : master.replace(/^(\S+\s+unix\s+\S+\s+\S+\s+)y/gm, '$1n');
  writeFileSync(join(etc, 'master.cf'), `${free}${services ?? ''}`);
  const control = (command: string) =>
    spawnSync(PROGRAMS.postfix, ['-c', etc, command], { encoding: 'utf8', timeout: 60_000 });
  const started = control('start');
  const log = (): string => `${started.stderr}\n${readLog(logFile)}`;
  const stop = async (): Promise<void> => {
    const pidFile = join(queue, 'pid/master.pid');
    if (control('stop').status === 0 || !existsSync(pidFile)) return;
    process.kill(Number(readFileSync(pidFile, 'utf8').trim()), 'SIGKILL');
  };
  await greeting(port, log).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { log, stop };
}

export async function startPostfix(folder: string, options: PostfixOptions = {}): Promise<MailServer> {
  const { relayhost, secure, everyDomain = false } = options;
  const [etc, queue, data, mail] = ['etc', 'queue', 'data', 'mail'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const path of [etc, queue, data, mail]) mkdirSync(path, { recursive: true });
  chownSync(data, ...userOf('postfix'));
  chownSync(mail, NOBODY, NOBODY);
  const port = await freePort();
  const logFile = join(folder, 'postfix.log');
  const settings: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: queue,
    data_directory: data,
    daemon_directory: '/usr/lib/postfix/sbin',
    command_directory: '/usr/sbin',
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    myhostname: 'postfix.e2e.example',
    mydestination: '',
    alias_maps: '',
    mynetworks: '127.0.0.0/8',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    maillog_file: logFile,
    maillog_file_prefixes: '/tmp, /var',
    ...(relayhost === undefined
      ? {
          virtual_mailbox_domains: everyDomain ? 'static:all' : 'accept.example',
          virtual_mailbox_base: mail,
          virtual_mailbox_maps: 'static:all/',
          virtual_uid_maps: `static:${NOBODY}`,
          virtual_gid_maps: `static:${NOBODY}`,
        }
      : { relayhost }),
    ...(secure === undefined ? {} : secureSettings(secure)),
  };
  writeFileSync(
    join(etc, 'main.cf'),
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
  );
  const { log, stop } = await runPostfix({ etc, queue, port, logFile });
  return { port, arrived: () => readMaildir(join(mail, 'all')), log, stop };
}

/** Exim, delivering locally; with `pair` it offers STARTTLS. */
export async function startExim(folder: string, { pair }: { readonly pair?: IssuedPair } = {}): Promise<MailServer> {
  const paths = { spool: join(folder, 'spool'), log: join(folder, 'log'), mail: join(folder, 'mail') };
  for (const path of Object.values(paths)) {
    mkdirSync(path, { recursive: true });
    chownSync(path, ...userOf('Debian-exim'));
  }
  const port = await freePort();
  const configuration = join(folder, 'exim.conf');
  const tls =
    pair === undefined
      ? 'tls_advertise_hosts ='
      : `tls_advertise_hosts = *\ntls_certificate = ${pair.cert}\ntls_privatekey = ${pair.key}`;
  writeFileSync(
    configuration,
    `primary_hostname = exim.e2e.example
exim_user = Debian-exim
spool_directory = ${paths.spool}
log_file_path = ${paths.log}/%slog
pid_file_path = ${join(folder, 'exim.pid')}
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
${tls}
acl_smtp_rcpt = accept
host_lookup =
deliver_drop_privilege = true
begin routers
local:
  driver = accept
  domains = accept.example
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format = true
  directory = ${join(paths.mail, 'all')}
  create_directory = true
`,
  );
  const child = spawn(EXIM, ['-C', configuration, '-bdf'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  const log = (): string =>
    `${errors}\n${readLog(join(paths.log, 'mainlog'))}\n${readLog(join(paths.log, 'paniclog'))}`;
  const stop = (): Promise<void> => ended(child);
  await greeting(port, log).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { port, arrived: () => readMaildir(join(paths.mail, 'all')), log, stop };
}

/** smtp-source of Postfix: `count` messages over `sessions` connections. Rejects when one is refused. */
export async function smtpSource(port: number, count: number, sessions: number): Promise<void> {
  const args = ['-s', String(sessions), '-m', String(count), '-l', '4000', '-f', 'ann@client.example'];
  const child = spawn(PROGRAMS.smtpSource, [...args, '-t', 'bob@accept.example', `127.0.0.1:${port}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`smtp-source ended with ${code}: ${errors}`);
}
