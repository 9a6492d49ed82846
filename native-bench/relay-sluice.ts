/**
 * Purpose: runs Sluice for a benchmark.
 * Contract: see relay.ts. Starts the compiled engine with environment variables only; durability is its default
 *   (fsync). The limit of messages per connection is off, as the load keeps its connections. Logs go to a file.
 * Limits: needs `npm run build` first. A run of another checkout names its folder.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, freePort, projectRoot, sleep } from './programs.js';
import type { Need, RelayDriver, RelayStart, RunningRelay } from './relay.js';

/** Whether a compiled engine knows an environment variable. */
function knowsSetting(folder: string, variable: string): boolean {
  const room = join(folder, 'dist/src/config');
  return readdirSync(room).some(
    (file) => file.endsWith('.js') && readFileSync(join(room, file), 'utf8').includes(variable),
  );
}

/** Everything of the delivery brain that a message meets on its way, none of which stops it. */
const BRAIN = `
[lanes]
default = "bulk"
reserve = 0.1

[[tenant]]
name = "bench"
clients = ["127.0.0.0/8"]
weight = 2
messages_per_hour = 1000000000

[[route]]
recipient = ["@nowhere.example", "@*.nowhere.example"]
discard = true

[[route]]
header = { "X-Campaign" = "spring*" }
discard = true

[[route]]
name = "all"
tenant = "bench"
upstream = "default"
add_tags = ["load"]

[[shaping]]
upstream = "default"
messages_per_second = 1000000
recipients_per_minute = 100000000
connections = 1000

[[shaping]]
tenant = "*"
messages_per_hour = 1000000000
`;

/** A driver of Sluice with tenants, routes, lanes, limits, learning and suppression all in use. */
export function sluiceBrainRelay(name = 'sluice-brain', folder = projectRoot): RelayDriver {
  const file = join(projectRoot, 'var/bench/brain.toml');
  const driver = sluiceRelay(name, folder, {
    SLUICE_CONFIG: file,
    SLUICE_SUPPRESSION: 'all',
    SLUICE_CLIENT_LIMITS: 'all',
    SLUICE_CLIENT_MESSAGES_PER_MINUTE: '100000000',
  });
  return {
    ...driver,
    start: (options) => {
      mkdirSync(join(projectRoot, 'var/bench'), { recursive: true });
      writeFileSync(file, BRAIN);
      return driver.start(options);
    },
  };
}

/** A driver of the Sluice in `folder`, shown as `name`; `extra` is added to its environment. */
export function sluiceRelay(
  name = 'sluice',
  folder = projectRoot,
  extra: Readonly<Record<string, string>> = {},
): RelayDriver {
  const entry = join(folder, 'dist/src/main.js');
  return {
    name,
    missing: () => (existsSync(entry) ? undefined : `${entry} is missing: run npm run build`),
    unfit(need: Need) {
      if (need === 'lanes') return existsSync(join(folder, 'dist/src/queue/lanes.js')) ? undefined : 'knows no lanes';
      if (need === 'http')
        return knowsSetting(folder, 'SLUICE_HTTP_MAX_MESSAGES_BODY') ? undefined : 'takes no mail over HTTP';
      const speaks = need !== 'tls' && need !== 'tls-out' ? true : knowsSetting(folder, 'SLUICE_TLS_CERT');
      return speaks ? undefined : 'is of a time before TLS';
    },
    async start(options: RelayStart): Promise<RunningRelay> {
      mkdirSync(options.directory, { recursive: true });
      const port = await freePort();
      const immediatePort = options.lanes === true ? await freePort() : undefined;
      const httpPort = options.http === true ? await freePort() : undefined;
      const log = join(options.directory, `sluice-${port}.log`);
      const environment: Record<string, string> = {
        SLUICE_LISTEN:
          immediatePort === undefined
            ? `smtp://127.0.0.1:${port}`
            : `smtp://127.0.0.1:${port}?lane=bulk,smtp://127.0.0.1:${immediatePort}?lane=immediate`,
        SLUICE_UPSTREAM: `smtp://127.0.0.1:${options.sinkPort}?pool=50${options.tlsOut ? '&tls=required&verify=no' : ''}`,
        SLUICE_HTTP: httpPort === undefined ? 'off' : `http://127.0.0.1:${httpPort}`,
        SLUICE_SPOOL_DIR: join(options.directory, 'spool'),
        SLUICE_SPOOL_ALLOW_TMPFS: 'yes',
        SLUICE_HOSTNAME: 'sluice.bench.example',
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
        ...(httpPort === undefined ? {} : { SLUICE_HTTP: `http://127.0.0.1:${httpPort}` }),
        ...(options.signing === undefined ? {} : { SLUICE_DKIM_DIR: options.signing.directory }),
        ...(options.tls === undefined
          ? {}
          : { SLUICE_TLS_CERT: options.tls.certificate, SLUICE_TLS_KEY: options.tls.key }),
        ...(options.maxMessageBytes === undefined ? {} : { SLUICE_MAX_MESSAGE_SIZE: String(options.maxMessageBytes) }),
        ...(options.holdDeferred === true ? { SLUICE_RETRY_MIN: '4h', SLUICE_RETRY_MAX: '4h' } : {}),
        ...(options.clientConnections === undefined
          ? {}
          : {
              SLUICE_MAX_CONNECTIONS: String(options.clientConnections + 100),
              SLUICE_MAX_CONNECTIONS_PER_CLIENT: String(options.clientConnections + 100),
            }),
        ...extra,
      };
      const began = performance.now();
      const child = new Child(options.account.command([...(options.prefix ?? []), process.execPath, entry]), {
        log,
        environment,
        // Not the project folder: a .env file there must not change what is measured.
        directory: options.directory,
      });
      options.account.addRoot(child.pid);
      while (!readFileSync(log, 'utf8').includes('sluice ready')) {
        if (!child.running || performance.now() - began > 120_000) {
          throw new Error(`sluice did not become ready: ${readFileSync(log, 'utf8').slice(-1000)}`);
        }
        await sleep(10);
      }
      const startMilliseconds = performance.now() - began;
      return {
        port,
        ...(immediatePort === undefined ? {} : { immediatePort }),
        ...(httpPort === undefined ? {} : { httpPort }),
        startMilliseconds,
        mainPid: child.pid,
        stop: () => child.stop(60_000),
      };
    },
  };
}
