/**
 * From [[egress]] of the configuration file to pools of sources: passwords read, warm-up counts kept in the spool's
 * directory, addresses checked against those of this host.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_POOL, type EgressSettings } from './config/egress-table.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import type { EgressPool, EgressProxy } from './delivery/egress.js';
import { EgressPools } from './delivery/egress-pools.js';
import { ownAddressList, whyNotLocal } from './net/egress/local-address.js';
import { StateFile } from './security/state-file.js';
import type { Log } from './telemetry/log.js';

export interface Egress {
  /** The pool of that name, null when there is none; '' is the pool `default`, where there is one. */
  poolOf(name: string): EgressPool | null;
  /** A rule says: this source not to this site ('': to none) for `ms`. */
  readonly pause: EgressPool['pause'];
  /**
   * Reads what a table needs; what comes back makes it the one in use. Counts and pauses of sources that stay go on.
   * @throws SluiceError `bad-egress` where a password cannot be read.
   */
  prepare(table: readonly EgressSettings[]): () => void;
  /** Before the first delivery, when the spool's directory is there: what was sent today is remembered. Never rejects. */
  open(): Promise<void>;
  /** Facts of each pool, for listings. JSON-safe. */
  describe(): readonly Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** The counts of a crash may be this old, ms. */
const WRITE_INTERVAL = 1000;
const STATE_FILE = 'egress-state.json';
const MAX_FILE = 64 * 1024;

/** Pools without sources, until a table is prepared. `directory`: for the counts. */
export function egressPools(clock: Clock, directory: string, log: Pick<Log, 'warn'>): Egress {
  const pools = new EgressPools(() => file.changed());
  const file = new StateFile({
    path: join(directory, STATE_FILE),
    delay: WRITE_INTERVAL,
    snapshot: () => pools.snapshot(),
    warn: (fields, line) => log.warn(fields, line),
  });
  let current: readonly EgressSettings[] = [];
  let opened = false;
  const check = () => checkAddresses(current, log);
  return {
    poolOf: (name) => pools.get(name === '' ? DEFAULT_POOL : name),
    pause: (...told) => pools.pause(...told),
    prepare(table) {
      const members = table.map(({ warmup, pools: shares, proxy, ...source }) => ({
        source: { ...source, proxy: proxy === null ? null : proxyOf(source.name, proxy) },
        warmup,
        pools: shares,
      }));
      return () => {
        pools.configure(members);
        current = table;
        if (opened) void check();
      };
    },
    async open() {
      if (current.some(({ warmup }) => warmup !== null)) pools.restore(await file.read(), clock.now());
      opened = true;
      await check();
    },
    describe: () => pools.describe(clock.now()),
    close: () => file.close(),
  };
}

function proxyOf(source: string, { kind, host, port, user, passwordFile }: NonNullable<EgressSettings['proxy']>) {
  const password = passwordFile === '' ? '' : readPassword(source, passwordFile);
  return { kind, host, port, user, password } satisfies EgressProxy;
}

function readPassword(source: string, path: string): string {
  const refused = (why: string, cause?: unknown): SluiceError =>
    new SluiceError('bad-egress', `[[egress]] ${source}: password_file ${path}: ${why}`, { temporary: false, cause });
  let password: string;
  try {
    if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 64 KiB');
    password = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw refused(`it cannot be read (${messageOf(error)})`, error);
  }
  // RFC 1929 section 2: 1 to 255 octets.
  const length = Buffer.byteLength(password);
  if (length === 0 || length > 255) throw refused('the password has not 1 to 255 bytes');
  return password;
}

/** An address may come later (a floating one), so that it is not here is a warning. */
async function checkAddresses(table: readonly EgressSettings[], log: Pick<Log, 'warn'>): Promise<void> {
  for (const { name, address4, address6, proxy } of table) {
    if (proxy !== null) continue;
    for (const address of [address4, address6]) {
      const reason = address === '' ? '' : await whyNotLocal(address);
      if (reason !== '')
        log.warn(
          { source: name, address, reason, addresses: ownAddressList() },
          'an egress source cannot be used: correct [[egress]] or give this host the address',
        );
    }
  }
}
