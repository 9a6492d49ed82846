/**
 * Certificates of listeners as clients see them: one pair per name in a folder like certbot's, chosen by SNI, renewed
 * while a session goes on.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { startEngine } from '../helpers/engine.js';
import { type IssuedPair, TestAuthority } from './authority.js';
import { type Checks, until } from './checks.js';

const NAMES = ['mail.one.example', 'mail.two.example'] as const;

/** Puts a pair where certbot does; each file is replaced at once. */
function install(directory: string, name: string, pair: IssuedPair): void {
  const place = join(directory, name);
  mkdirSync(place, { recursive: true });
  for (const [from, file] of [
    [pair.key, 'privkey.pem'],
    [pair.cert, 'fullchain.pem'],
  ] as const) {
    copyFileSync(from, join(place, `${file}.new`));
    renameSync(join(place, `${file}.new`), join(place, file));
  }
}

/** What `openssl s_client` is shown when it asks for a name: subject and serial number. */
function shown(port: number, name: string, starttls: boolean): string {
  const options = ['-connect', `127.0.0.1:${port}`, '-servername', name, ...(starttls ? ['-starttls', 'smtp'] : [])];
  const client = spawnSync('openssl', ['s_client', ...options], {
    input: 'QUIT\r\n',
    encoding: 'latin1',
    timeout: 10_000,
  });
  const [pem = ''] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(client.stdout) ?? [];
  const read = spawnSync('openssl', ['x509', '-noout', '-subject', '-serial'], { input: pem, encoding: 'latin1' });
  return read.stdout.replace(/\s*\n/g, ' ').trim();
}

function serialOf(pair: IssuedPair): string {
  const read = spawnSync('openssl', ['x509', '-noout', '-serial'], {
    input: readFileSync(pair.cert),
    encoding: 'latin1',
  });
  return read.stdout.trim();
}

/** Sends a line and resolves to what comes. */
function ask(socket: TLSSocket, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (data: Buffer) => resolve(data.toString()));
    socket.once('close', () => reject(new Error('the session was closed')));
    if (line !== '') socket.write(`${line}\r\n`);
  });
}

export async function certificates(checks: Checks): Promise<void> {
  const place = join(checks.folder, 'certificates');
  const authority = new TestAuthority(join(place, 'ca'), 'Certificate authority');
  const directory = join(place, 'live');
  const pairs = NAMES.map((name) => authority.issue([name]));
  for (const [i, name] of NAMES.entries()) install(directory, name, pairs[i]!);
  const engine = checks.own(
    await startEngine({
      settings: {
        SLUICE_LISTEN: 'smtp://127.0.0.1:0,smtps://127.0.0.1:0?auth=none',
        SLUICE_TLS_DIR: directory,
        SLUICE_TLS_THREADS: '1',
      },
    }),
  );
  const [smtp, smtps] = engine.ports as [number, number];
  for (const [i, name] of NAMES.entries())
    await checks.check(`openssl s_client asks for ${name} and is shown its certificate`, async () => {
      const serial = serialOf(pairs[i]!);
      const seen = [shown(smtp, name, true), shown(smtps, name, false)];
      if (!seen.every((one) => one.includes(serial))) throw new Error(`${seen.join(' and ')} instead of ${serial}`);
      return 'by STARTTLS and from the first byte';
    });
  const session = connect({ port: smtps, host: '127.0.0.1', servername: NAMES[0], ca: readFileSync(authority.file) });
  session.on('error', () => undefined);
  checks.own({ stop: async () => session.destroy() });
  await ask(session, '');
  for (const how of ['the change of a file', 'SIGHUP'] as const)
    await checks.check(`a renewed certificate is shown after ${how}, and a session goes on`, async () => {
      const renewed = authority.issue([NAMES[0]]);
      install(directory, NAMES[0], renewed);
      if (how === 'SIGHUP') engine.signal('SIGHUP');
      const serial = serialOf(renewed);
      await until('the new certificate', 15, () => (shown(smtps, NAMES[0], false).includes(serial) ? true : undefined));
      const reply = await ask(session, 'NOOP');
      if (!reply.startsWith('250 ')) throw new Error(`NOOP was answered ${reply}`);
      return 'NOOP answered in the old session';
    });
  await checks.check('a key that does not fit its certificate changes nothing and is logged', async () => {
    copyFileSync(pairs[1]!.key, join(directory, NAMES[0], 'privkey.pem'));
    engine.signal('SIGHUP');
    await until(
      'a word about it',
      15,
      () => engine.logged((line) => JSON.stringify(line).includes(NAMES[0]) && Number(line['level']) >= 40)[0],
    );
    if (!shown(smtps, NAMES[0], false).includes(NAMES[0])) throw new Error('no certificate for it is shown any more');
    return 'the old pair stays';
  });
}
