/**
 * Real mail clients for the end-to-end test. Each sends one message, given as a file, and rejects when it is refused.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';

export interface Submission {
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** With CRLF line ends. */
  readonly file: string;
  /** The same with LF. */
  readonly unixFile: string;
}

export interface MailClient {
  readonly name: string;
  /** Why it cannot be had, '' when it can. */
  missing(): string;
  send(submission: Submission): Promise<void>;
}

const LIMIT = 30_000;

function run(program: string, args: readonly string[], input?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: LIMIT, encoding: 'utf8' }, (error, out, err) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed: ${error.message}\n${out}\n${err}`));
    });
    child.stdin!.end(input);
  });
}

function commandMissing(name: string): string {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0 ? '' : `${name} is not installed`;
}

const SMTPLIB = `
import smtplib, sys
port, sender, recipient, file = sys.argv[1:]
with smtplib.SMTP('127.0.0.1', int(port), timeout=20) as server:
    server.sendmail(sender, [recipient], open(file, 'rb').read(), mail_options=['BODY=8BITMIME'])
`;

export const clients: readonly MailClient[] = [
  {
    name: 'swaks',
    missing: () => commandMissing('swaks'),
    // It puts a line end behind what it is given.
    send: ({ port, from, to, unixFile }) =>
      run(
        'swaks',
        ['--server', '127.0.0.1', '--port', String(port), '-f', from, '-t', to, '--data', '-'],
        readFileSync(unixFile).subarray(0, -1),
      ),
  },
  {
    name: 'curl',
    missing: () => commandMissing('curl'),
    send: ({ port, from, to, file }) =>
      run('curl', ['-sS', '--url', `smtp://127.0.0.1:${port}`, '--mail-from', from, '--mail-rcpt', to, '-T', file]),
  },
  {
    name: 'msmtp',
    missing: () => commandMissing('msmtp'),
    send: ({ port, from, to, unixFile }) =>
      run(
        'msmtp',
        ['--host=127.0.0.1', `--port=${port}`, '--tls=off', '--auth=off', '-f', from, to],
        readFileSync(unixFile),
      ),
  },
  {
    name: 'Python smtplib',
    missing: () => commandMissing('python3'),
    send: ({ port, from, to, file }) => run('python3', ['-c', SMTPLIB, String(port), from, to, file]),
  },
  {
    name: 'nodemailer',
    missing: () => '',
    send: async ({ port, from, to, file }) => {
      const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
      try {
        await transport.sendMail({ envelope: { from, to }, raw: readFileSync(file) });
      } finally {
        transport.close();
      }
    },
  },
];
