/**
 * Purpose: runs Exim, unpacked from Debian's package by install.sh, for a benchmark.
 * Contract: see relay.ts. A private instance with immediate delivery. Beyond its defaults: the number of connections
 *   (20 would not take the load) and immediate delivery of every message of a connection (by default it stops doing
 *   so after ten, and leaves the rest to queue runners).
 * Limits: needs root; does not sign here.
 */
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, freePort, projectRoot } from './programs.js';
import { type Need, type RelayDriver, type RelayStart, type RunningRelay, waitForGreeting } from './relay.js';
import { userId } from './relay-postfix.js';

const program = join(projectRoot, 'native-bench/bin/exim/usr/sbin/exim4');

export const eximRelay: RelayDriver = {
  name: 'exim',
  missing() {
    if (!existsSync(program)) return 'exim is not unpacked: run native-bench/install.sh';
    return process.getuid?.() === 0 ? undefined : 'exim must be started by root';
  },
  unfit(need: Need) {
    if (need === 'lanes') return 'knows no lanes';
    if (need === 'http') return 'takes no mail over HTTP';
    if (need === 'rsa' || need === 'ed25519') return 'is measured without signing only';
    if (need === 'tls' || need === 'tls-out') return 'is measured without TLS only';
    return need === 'idle' ? 'runs one process per connection' : undefined;
  },
  async start(options: RelayStart): Promise<RunningRelay> {
    const { user, group } = userId('Debian-exim');
    for (const folder of ['spool', 'log']) {
      mkdirSync(join(options.directory, folder), { recursive: true });
      chownSync(join(options.directory, folder), user, group);
    }
    const port = await freePort();
    const configuration = join(options.directory, 'exim.conf');
    const lines = [
      'primary_hostname = exim.bench.example',
      'exim_user = Debian-exim',
      `spool_directory = ${join(options.directory, 'spool')}`,
      `log_file_path = ${join(options.directory, 'log')}/%slog`,
      `pid_file_path = ${join(options.directory, 'exim.pid')}`,
      `daemon_smtp_ports = ${port}`,
      'local_interfaces = 127.0.0.1',
      'tls_advertise_hosts =',
      'acl_smtp_rcpt = accept',
      'host_lookup =',
      'deliver_drop_privilege = true',
      `smtp_accept_max = ${(options.clientConnections ?? 0) + 200}`,
      'smtp_accept_queue_per_connection = 0',
      ...(options.maxMessageBytes === undefined ? [] : [`message_size_limit = ${options.maxMessageBytes}`]),
      'begin routers',
      'all:',
      '  driver = manualroute',
      `  route_list = * 127.0.0.1::${options.sinkPort}`,
      '  self = send',
      '  transport = smarthost',
      'begin transports',
      'smarthost:',
      '  driver = smtp',
      '  allow_localhost = true',
      '  hosts_try_fastopen =',
      'begin retry',
      options.holdDeferred === true ? '* * F,5d,4h' : '* * F,2h,15m; G,16h,1h,1.5; F,4d,6h',
      '',
    ];
    writeFileSync(configuration, lines.join('\n'));
    const began = performance.now();
    const child = new Child(
      options.account.command([...(options.prefix ?? []), program, '-C', configuration, '-bdf', '-q30m']),
      { log: join(options.directory, 'exim.out') },
    );
    options.account.addRoot(child.pid);
    await waitForGreeting(port);
    return { port, startMilliseconds: performance.now() - began, stop: () => child.stop() };
  },
};
