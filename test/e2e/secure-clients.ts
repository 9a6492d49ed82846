/**
 * Real mail clients that speak TLS and authenticate, each with the mechanisms it knows, against each kind of listener.
 *
 * Contract: the certificate of the server is verified against `ca` by all that can. A client rejects when the server
 * refuses it. Those that send no mail of their own choice (`sends` false) only log in.
 * Limits: what each of them knows is that of Debian 12.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';
import type { IssuedPair } from './authority.js';

export type ListenerKind = 'smtp' | 'submission' | 'smtps';

export interface SecureSubmission {
  readonly kind: ListenerKind;
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** The message with CRLF line ends. */
  readonly file: string;
  /** The same with LF. */
  readonly unixFile: string;
  /** PEM file of the authority. */
  readonly ca: string;
  readonly user: string;
  readonly password: string;
  /** Bearer token of the same user. */
  readonly token: string;
  /** Client certificate of the same user. */
  readonly certificate: IssuedPair;
}

export interface SecureClient {
  readonly name: string;
  readonly mechanisms: readonly string[];
  /** It cannot begin with TLS (smtps), or only so. */
  readonly kinds?: readonly ListenerKind[];
  /** False: it logs in and sends nothing. */
  readonly sends?: false;
  /** Why it cannot be had, '' when it can. */
  missing(): string;
  send(submission: SecureSubmission, mechanism: string): Promise<void>;
}

const LIMIT = 30_000;

function run(program: string, args: readonly string[], input?: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: LIMIT, encoding: 'utf8' }, (error, out, err) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed: ${error.message}\n${out}\n${err}`.slice(0, 3000)));
    });
    // A program that ends early has not read its input.
    child.stdin!.on('error', () => undefined).end(input);
  });
}

function commandMissing(name: string): string {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0 ? '' : `${name} is not installed`;
}

const python = (program: string, one: SecureSubmission, mechanism: string): Promise<void> =>
  run('python3', [program, JSON.stringify({ ...one, mechanism })]);

export const secureClients: readonly SecureClient[] = [
  {
    name: 'swaks',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
    missing: () => commandMissing('swaks'),
    send: (one, mechanism) =>
      run(
        'swaks',
        ['--server', '127.0.0.1', '--port', `${one.port}`, one.kind === 'smtps' ? '--tlsc' : '--tls'].concat(
          ['--tls-verify', '--tls-ca-path', one.ca, '--auth', mechanism, '--auth-user', one.user],
          ['--auth-password', one.password, '-f', one.from, '-t', one.to, '--data', '-'],
        ),
        // It puts a line end behind what it is given.
        readFileSync(one.unixFile).subarray(0, -1),
      ),
  },
  {
    name: 'msmtp',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'XOAUTH2', 'OAUTHBEARER', 'EXTERNAL'],
    missing: () => commandMissing('msmtp'),
    send: (one, mechanism) =>
      run(
        'msmtp',
        ['--host=127.0.0.1', `--port=${one.port}`, '--tls=on', `--tls-trust-file=${one.ca}`].concat(
          [`--tls-starttls=${one.kind === 'smtps' ? 'off' : 'on'}`, `--auth=${mechanism.toLowerCase()}`],
          [`--user=${one.user}`, `--passwordeval=echo ${/OAUTH/.test(mechanism) ? one.token : one.password}`],
          mechanism === 'EXTERNAL'
            ? [`--tls-cert-file=${one.certificate.cert}`, `--tls-key-file=${one.certificate.key}`]
            : [],
          ['-f', one.from, one.to],
        ),
        readFileSync(one.unixFile),
      ),
  },
  {
    name: 'curl',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER', 'EXTERNAL'],
    missing: () => commandMissing('curl'),
    send: (one, mechanism) =>
      run(
        'curl',
        ['-sS', '--ssl-reqd', '--cacert', one.ca, '--login-options', `AUTH=${mechanism}`].concat(
          ['--url', `${one.kind === 'smtps' ? 'smtps' : 'smtp'}://127.0.0.1:${one.port}`],
          /OAUTH/.test(mechanism)
            ? ['--user', one.user, '--oauth2-bearer', one.token]
            : ['--user', `${one.user}:${mechanism === 'EXTERNAL' ? '' : one.password}`],
          mechanism === 'EXTERNAL' ? ['--cert', one.certificate.cert, '--key', one.certificate.key] : [],
          ['--mail-from', one.from, '--mail-rcpt', one.to, '-T', one.file],
        ),
      ),
  },
  {
    name: 'Python smtplib',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'XOAUTH2', 'OAUTHBEARER', 'EXTERNAL'],
    missing: () => commandMissing('python3'),
    send: (one, mechanism) => python('test/e2e/submit.py', one, mechanism),
  },
  {
    name: 'nodemailer',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'],
    missing: () => '',
    send: async (one, mechanism) => {
      const transport = createTransport({
        host: '127.0.0.1',
        port: one.port,
        secure: one.kind === 'smtps',
        requireTLS: one.kind !== 'smtps',
        tls: { ca: readFileSync(one.ca) },
        authMethod: mechanism,
        auth:
          mechanism === 'XOAUTH2'
            ? { type: 'OAuth2', user: one.user, accessToken: one.token }
            : { user: one.user, pass: one.password },
      });
      try {
        await transport.sendMail({ envelope: { from: one.from, to: one.to }, raw: readFileSync(one.file) });
      } finally {
        transport.close();
      }
    },
  },
  {
    name: 'openssl s_client',
    mechanisms: ['PLAIN', 'EXTERNAL'],
    missing: () => commandMissing('openssl'),
    send: (one, mechanism) => python('test/e2e/s_client.py', one, mechanism),
  },
  {
    name: 'gsasl',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256'],
    // It has no implicit TLS.
    kinds: ['smtp', 'submission'],
    sends: false,
    missing: () => commandMissing('gsasl'),
    send: (one, mechanism) =>
      run(
        'gsasl',
        ['--client', '--smtp', `--connect=127.0.0.1:${one.port}`, '--starttls', `--x509-ca-file=${one.ca}`].concat(
          [`--mechanism=${mechanism}`, `--authentication-id=${one.user}`, `--password=${one.password}`],
          // Its channel binding under TLS 1.3 ends in an error of its own.
          mechanism === 'PLAIN' ? ['--authorization-id='] : ['--no-cb'],
        ),
      ),
  },
  {
    name: 'Perl Net::SMTP',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
    missing: () =>
      spawnSync('perl', ['-MNet::SMTP', '-MIO::Socket::SSL', '-MAuthen::SASL', '-e', '1']).status === 0
        ? ''
        : 'Net::SMTP with IO::Socket::SSL and Authen::SASL is not installed',
    send: (one, mechanism) =>
      run('perl', [
        'test/e2e/submit.pl',
        ...[`${one.port}`, one.kind, one.ca, mechanism, one.user, one.password, one.from, one.to, one.file],
      ]),
  },
  {
    name: 's-nail',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'OAUTHBEARER', 'EXTERNAL'],
    missing: () => commandMissing('s-nail'),
    send: (one, mechanism) => {
      const secret = mechanism === 'OAUTHBEARER' ? one.token : one.password;
      const login = `${encodeURIComponent(one.user)}:${encodeURIComponent(secret)}`;
      const scheme = one.kind === 'smtps' ? 'smtps' : 'smtp';
      const settings = [
        'v15-compat',
        'tls-verify=strict',
        `tls-ca-file=${one.ca}`,
        ...(one.kind === 'smtps' ? [] : ['smtp-use-starttls']),
        `mta=${scheme}://${login}@localhost:${one.port}`,
        `smtp-auth=${mechanism === 'CRAM-MD5' ? 'cram-md5' : mechanism.toLowerCase()}`,
        ...(mechanism === 'EXTERNAL'
          ? [`tls-config-pairs=Certificate=${one.certificate.cert},PrivateKey=${one.certificate.key}`]
          : []),
      ];
      const subject = /^Subject: (.*)$/m.exec(readFileSync(one.unixFile, 'utf8'))![1]!;
      return run(
        's-nail',
        ['-:/', ...settings.map((text) => `-S${text}`), '-r', one.from, '-s', subject, one.to],
        'x\n',
      );
    },
  },
  {
    name: 'mutt',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256'],
    missing: () => commandMissing('mutt'),
    send: (one, mechanism) => {
      const subject = /^Subject: (.*)$/m.exec(readFileSync(one.unixFile, 'utf8'))![1]!;
      const commands = [
        `smtp_url=${one.kind === 'smtps' ? 'smtps' : 'smtp'}://${one.user}@127.0.0.1:${one.port}`,
        `smtp_pass=${one.password} ssl_starttls=yes ssl_force_tls=yes certificate_file=${one.ca}`,
        `smtp_authenticators=${mechanism.toLowerCase()} from=${one.from} copy=no`,
      ];
      return run('mutt', ['-n', '-F', '/dev/null', '-e', `set ${commands.join(' ')}`, '-s', subject, one.to], 'x\n');
    },
  },
  {
    name: 'git send-email',
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
    missing: () =>
      spawnSync('git', ['send-email', '--dump-aliases']).status === 0 ? '' : 'git-email is not installed',
    send: (one, mechanism) =>
      run('git', [
        ...['send-email', '--smtp-server=127.0.0.1', `--smtp-server-port=${one.port}`, `--smtp-auth=${mechanism}`],
        ...[`--smtp-encryption=${one.kind === 'smtps' ? 'ssl' : 'tls'}`, `--smtp-ssl-cert-path=${one.ca}`],
        ...[`--smtp-user=${one.user}`, `--smtp-pass=${one.password}`, `--from=${one.from}`, `--to=${one.to}`],
        ...['--confirm=never', '--suppress-cc=all', '--quiet', one.unixFile],
      ]),
  },
];
