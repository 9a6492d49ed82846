/**
 * Purpose: runs Haraka with its outbound queue for a benchmark.
 * Contract: see relay.ts. Uses the copy that install.sh put into native-bench/bin/haraka. Its configuration is made
 *   here: everything is relayed, and a plugin names the sink as the only mail exchanger.
 * Limits: one process, as Haraka starts by default; does not sign here.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, freePort, projectRoot } from './programs.js';
import { type Need, type RelayDriver, type RelayStart, type RunningRelay, waitForGreeting } from './relay.js';

const packageFolder = join(projectRoot, 'native-bench/bin/haraka/node_modules/Haraka');
const program = join(packageFolder, 'bin/haraka');

function plugin(sinkPort: number): string {
  return `exports.register = function () {
  this.register_hook('rcpt', 'relay_all');
  this.register_hook('get_mx', 'to_sink');
};
exports.relay_all = function (next, connection) {
  connection.relaying = true;
  next(OK);
};
exports.to_sink = function (next) {
  next(OK, { exchange: '127.0.0.1', port: ${sinkPort}, priority: 0 });
};
`;
}

export const harakaRelay: RelayDriver = {
  name: 'haraka',
  missing: () => (existsSync(program) ? undefined : 'haraka is not installed: run native-bench/install.sh --haraka'),
  unfit(need: Need) {
    if (need === 'lanes') return 'knows no lanes';
    if (need === 'http') return 'takes no mail over HTTP';
    if (need === 'tls' || need === 'tls-out') return 'is measured without TLS only';
    return need === 'rsa' || need === 'ed25519' ? 'is measured without signing only' : undefined;
  },
  async start(options: RelayStart): Promise<RunningRelay> {
    for (const folder of ['config', 'plugins', 'queue']) {
      mkdirSync(join(options.directory, folder), { recursive: true });
    }
    const port = await freePort();
    const files: Record<string, string> = {
      'config/smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`,
      'config/me': 'haraka.bench.example\n',
      'config/plugins': 'bench\n',
      'config/loglevel': 'WARN\n',
      'config/outbound.ini': 'concurrency_max=100\nlocal_mx_ok=true\n',
      'plugins/bench.js': plugin(options.sinkPort),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(options.directory, name), text);
    // Haraka 3.3 does not start a session without this file.
    const connection = readFileSync(join(packageFolder, 'config/connection.ini'), 'utf8');
    const largest = options.maxMessageBytes ?? 26_214_400;
    writeFileSync(
      join(options.directory, 'config/connection.ini'),
      connection.replace(/^bytes=\d+/m, `bytes=${largest}`),
    );
    const began = performance.now();
    const child = new Child(
      options.account.command([...(options.prefix ?? []), process.execPath, program, '-c', options.directory]),
      { log: join(options.directory, 'haraka.log') },
    );
    options.account.addRoot(child.pid);
    await waitForGreeting(port);
    return { port, startMilliseconds: performance.now() - began, stop: () => child.stop() };
  },
};
