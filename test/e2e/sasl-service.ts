/**
 * Dovecot as nothing but the SASL service of a Postfix: one account, its own folder, one socket, stopped by process id.
 *
 * Limits: must be started by root.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended } from '../helpers/background.js';
import { until } from './checks.js';

const DOVECOT = '/usr/sbin/dovecot';

export interface SaslService {
  /** Where Postfix asks (smtpd_sasl_path). */
  readonly socket: string;
  stop(): Promise<void>;
}

export function saslMissing(): string {
  if (!existsSync(DOVECOT)) return 'dovecot-core is not installed';
  return process.getuid?.() === 0 ? '' : 'dovecot must be started by root';
}

export async function startSasl(
  folder: string,
  account: { readonly user: string; readonly password: string; readonly mechanisms: readonly string[] },
): Promise<SaslService> {
  mkdirSync(folder, { recursive: true });
  const [base, state] = [join(folder, 'run'), join(folder, 'state')];
  for (const path of [base, state]) mkdirSync(path);
  const [configuration, users, log] = [
    join(folder, 'dovecot.conf'),
    join(folder, 'users'),
    join(folder, 'dovecot.log'),
  ];
  const socket = join(folder, 'sasl');
  writeFileSync(users, `${account.user}:{PLAIN}${account.password}\n`);
  writeFileSync(
    configuration,
    `protocols =
listen = 127.0.0.1
base_dir = ${base}
state_dir = ${state}
log_path = ${log}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = ${account.mechanisms.join(' ').toLowerCase()}
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${users}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  unix_listener ${socket} {
    mode = 0666
  }
}
`,
  );
  const child = spawn(DOVECOT, ['-F', '-c', configuration], { stdio: 'ignore' });
  const stop = (): Promise<void> => ended(child);
  await until('SASL service', 15, () => (existsSync(socket) ? true : undefined)).catch(async (error: unknown) => {
    await stop();
    throw new Error(`${error}\n${existsSync(log) ? readFileSync(log, 'latin1').slice(-2000) : ''}`);
  });
  return { socket, stop };
}
