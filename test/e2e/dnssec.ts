/**
 * DNS with DNSSEC on loopback: Knot, which signs the zones, and Unbound, which validates them from a trust anchor.
 *
 * One zone, `example`, is signed. Of its children `bogus` names those whose keys are not the ones that the parent vouches
 * for, and `unsigned` those that it says nothing about.
 * Contract: both programs run from the folder given, unprivileged ports, and are stopped by process id.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended } from '../helpers/background.js';
import { freePort } from '../helpers/conformance.js';
import { until } from './checks.js';

const PROGRAMS = { knotd: '/usr/sbin/knotd', keymgr: '/usr/sbin/keymgr', unbound: '/usr/sbin/unbound' };
const SERIAL = 'SOA ns.example. hostmaster.example. 1 3600 600 86400 60';
/** A digest of nothing that is a key here. */
const WRONG_DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** DS: algorithm 13 is ECDSAP256SHA256, digest type 2 SHA-256. */
const DS_SHA256 = /^\S+ DS (\d+ 13 2 [0-9a-f]+)$/m;

export interface Zones {
  /** Records of `example`, a line each, names relative to it. */
  readonly records: readonly string[];
  /** Children with signatures that nobody can verify, and their records. */
  readonly bogus?: Readonly<Record<string, readonly string[]>>;
  /** Children that are not signed. */
  readonly unsigned?: Readonly<Record<string, readonly string[]>>;
}

export interface SignedDns {
  /** Of the validating resolver, for SLUICE_DNS_SERVERS. */
  readonly address: string;
  log(): string;
  stop(): Promise<void>;
}

export function dnssecMissing(): string {
  const missing = Object.values(PROGRAMS).filter((program) => spawnSync(program, ['-V']).error !== undefined);
  return missing.length === 0 ? '' : `not installed: ${missing.join(', ')}`;
}

function zoneText(origin: string, records: readonly string[]): string {
  return [`$ORIGIN ${origin}.`, '$TTL 60', `@ ${SERIAL}`, '@ NS ns.example.', ...records, ''].join('\n');
}

function knotConfiguration(folder: string, port: number, signed: readonly string[], plain: readonly string[]): string {
  return `server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}
database:
    storage: ${join(folder, 'keys')}
log:
  - target: stderr
    any: warning
policy:
  - id: own
    manual: on
    algorithm: ECDSAP256SHA256
    single-type-signing: on
template:
  - id: default
    storage: ${folder}
    file: "%s.zone"
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
    dnssec-policy: own
zone:
${signed.map((zone) => `  - domain: ${zone}\n    dnssec-signing: on\n`).join('')}${plain
  .map((zone) => `  - domain: ${zone}\n`)
  .join('')}`;
}

function unboundConfiguration(folder: string, port: number, authority: number, anchor: string): string {
  return `server:
    username: ""
    chroot: ""
    directory: "${folder}"
    pidfile: ""
    interface: 127.0.0.1@${port}
    access-control: 127.0.0.0/8 allow
    do-ip6: no
    do-daemonize: no
    use-syslog: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor: "${anchor}"
stub-zone:
    name: "example"
    stub-addr: 127.0.0.1@${authority}
remote-control:
    control-enable: no
`;
}

export async function startSignedDns(folder: string, zones: Zones): Promise<SignedDns> {
  mkdirSync(join(folder, 'keys'), { recursive: true });
  const [authority, port] = [await freePort(), await freePort()];
  const { records, bogus = {}, unsigned = {} } = zones;
  const configuration = join(folder, 'knot.conf');
  writeFileSync(
    configuration,
    knotConfiguration(folder, authority, ['example', ...Object.keys(bogus)], Object.keys(unsigned)),
  );
  for (const [name, list] of Object.entries({ ...bogus, ...unsigned }))
    writeFileSync(join(folder, `${name}.zone`), zoneText(name, list));
  const children = [
    ...Object.keys(bogus).flatMap((name) => [`${name}. NS ns.example.`, `${name}. DS 1 13 2 ${WRONG_DIGEST}`]),
    ...Object.keys(unsigned).map((name) => `${name}. NS ns.example.`),
  ];
  writeFileSync(join(folder, 'example.zone'), zoneText('example', ['ns A 127.0.0.1', ...records, ...children]));
  const keymgr = (...args: string[]): string =>
    execFileSync(PROGRAMS.keymgr, ['-c', configuration, ...args], { encoding: 'utf8', timeout: 20_000 });
  for (const zone of ['example', ...Object.keys(bogus)])
    keymgr(`${zone}.`, 'generate', 'algorithm=ECDSAP256SHA256', 'ksk=yes', 'zsk=yes');
  const anchor = DS_SHA256.exec(keymgr('example.', 'ds'))?.[1];
  if (anchor === undefined) throw new Error('keymgr gave no DS');
  const resolver = join(folder, 'unbound.conf');
  writeFileSync(resolver, unboundConfiguration(folder, port, authority, `example. DS ${anchor}`));

  let log = '';
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr!.setEncoding('utf8').on('data', (part: string) => {
      log += part;
    });
    return child;
  };
  const running = [start(PROGRAMS.knotd, ['-c', configuration]), start(PROGRAMS.unbound, ['-d', '-c', resolver])];
  const stop = async (): Promise<void> => void (await Promise.all(running.map(ended)));
  await until('validated answers', 15, () => {
    const asked = spawnSync('kdig', [
      '@127.0.0.1',
      '-p',
      `${port}`,
      '+adflag',
      '+time=1',
      '+retry=0',
      'ns.example',
      'A',
    ]);
    return /;; Flags:[^;]* ad[ ;]/.test(asked.stdout?.toString() ?? '') ? true : undefined;
  }).catch(async (error: unknown) => {
    await stop();
    throw new Error(`${error}\n${log}`);
  });
  return { address: `127.0.0.1:${port}`, log: () => log, stop };
}
