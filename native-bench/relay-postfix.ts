/**
 * Purpose: runs Postfix of Debian's package for a benchmark, with OpenDKIM as a milter where mail is signed.
 * Contract: see relay.ts. A private instance: own configuration, queue and data folders, nothing of /etc/postfix is
 *   touched. Settings are Postfix's defaults but for what a private relay needs: its address, its relayhost, its
 *   folders. Its log goes to syslog as by default, and so nowhere where no syslog daemon runs. With TLS towards the
 *   sink connections are reused (smtp_tls_connection_reuse), which is not its default: they are kept without TLS, too.
 * Limits: needs root. OpenDKIM signs with RSA only here: that is what the figures to beat were taken with.
 */
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, commandExists, commandPath, freePort } from './programs.js';
import { type Need, type RelayDriver, type RelayStart, type RunningRelay, waitForGreeting } from './relay.js';

/** The user id of a name in /etc/passwd; throws where there is none. */
export function userId(name: string): { user: number; group: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`there is no user ${name}`);
  const fields = line.split(':');
  return { user: Number(fields[2]), group: Number(fields[3]) };
}

async function startOpenDkim(options: RelayStart, file: string): Promise<number> {
  const port = await freePort();
  // A copy that its user alone can read: OpenDKIM refuses keys which others can.
  const key = join(options.directory, 'opendkim.pem');
  const { user, group } = userId('opendkim');
  copyFileSync(file, key);
  chownSync(key, user, group);
  chmodSync(key, 0o600);
  const configuration = join(options.directory, 'opendkim.conf');
  writeFileSync(
    configuration,
    [
      `Socket inet:${port}@127.0.0.1`,
      `Domain ${options.signing?.domain}`,
      `Selector ${options.signing?.selector}`,
      `KeyFile ${key}`,
      'Canonicalization relaxed/relaxed',
      'OversignHeaders From',
      'Mode s',
      'InternalHosts 127.0.0.1',
      'UserID opendkim',
      '',
    ].join('\n'),
  );
  const child = new Child(options.account.command([commandPath('opendkim')!, '-f', '-x', configuration]));
  options.account.addRoot(child.pid);
  return port;
}

export const postfixRelay: RelayDriver = {
  name: 'postfix',
  missing() {
    if (!commandExists('postfix')) return 'postfix is not installed: run native-bench/install.sh';
    return process.getuid?.() === 0 ? undefined : 'postfix must be started by root';
  },
  unfit(need: Need) {
    if (need === 'lanes') return 'knows no lanes';
    if (need === 'http') return 'takes no mail over HTTP';
    if (need === 'rsa' && !commandExists('opendkim')) return 'opendkim is not installed: run native-bench/install.sh';
    if (need === 'ed25519') return 'is compared with OpenDKIM by RSA only';
    if (need === 'idle') return 'runs one process per connection, 100 at most by default';
    return undefined;
  },
  async start(options: RelayStart): Promise<RunningRelay> {
    const configuration = join(options.directory, 'etc');
    const queue = join(options.directory, 'queue');
    const data = join(options.directory, 'data');
    for (const folder of [configuration, queue, data]) mkdirSync(folder, { recursive: true });
    const { user, group } = userId('postfix');
    chownSync(data, user, group);
    const port = await freePort();
    const settings: Record<string, string> = {
      compatibility_level: '3.6',
      queue_directory: queue,
      data_directory: data,
      daemon_directory: '/usr/lib/postfix/sbin',
      command_directory: '/usr/sbin',
      mail_owner: 'postfix',
      setgid_group: 'postdrop',
      myhostname: 'postfix.bench.example',
      mydestination: '',
      alias_maps: '',
      mynetworks: '127.0.0.0/8',
      inet_interfaces: '127.0.0.1',
      inet_protocols: 'ipv4',
      relayhost: `[127.0.0.1]:${options.sinkPort}`,
    };
    if (options.maxMessageBytes !== undefined) settings['message_size_limit'] = String(options.maxMessageBytes);
    if (options.tls !== undefined) {
      settings['smtpd_tls_security_level'] = 'may';
      settings['smtpd_tls_chain_files'] = `${options.tls.key}, ${options.tls.certificate}`;
    }
    if (options.tlsOut === true) {
      settings['smtp_tls_security_level'] = 'encrypt';
      settings['smtp_tls_connection_reuse'] = 'yes';
    }
    if (options.holdDeferred === true) {
      settings['minimal_backoff_time'] = '4h';
      settings['maximal_backoff_time'] = '4h';
    }
    const began = performance.now();
    if (options.signing !== undefined) {
      settings['smtpd_milters'] = `inet:127.0.0.1:${await startOpenDkim(options, options.signing.file)}`;
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(join(configuration, 'main.cf'), lines.join(''));
    const services = readFileSync('/usr/share/postfix/master.cf.dist', 'utf8');
    // Kept connections under TLS live in tlsproxy, which Debian's file has as a comment.
    const proxy = options.tlsOut === true ? 'tlsproxy unix - - y - 0 tlsproxy\n' : '';
    writeFileSync(join(configuration, 'master.cf'), services.replace(/^smtp(?=\s+inet)/m, `127.0.0.1:${port}`) + proxy);
    const log = join(options.directory, 'postfix.log');
    const control = (command: string, prefix: readonly string[] = []) =>
      new Child(options.account.command([...prefix, commandPath('postfix')!, '-c', configuration, command]), { log });
    // Under strace the command ends only when Postfix does, so readiness is the greeting, not the exit.
    const start = control('start', options.prefix);
    await waitForGreeting(port).catch((error: unknown) => {
      throw new Error(`postfix did not start: ${readFileSync(log, 'utf8').slice(-1000)}`, { cause: error });
    });
    const startMilliseconds = performance.now() - began;
    options.account.addRoot(Number(readFileSync(join(queue, 'pid/master.pid'), 'utf8').trim()));
    return {
      port,
      startMilliseconds,
      async stop() {
        await control('stop').exited;
        await start.exited;
      },
    };
  },
};
