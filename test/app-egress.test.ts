/**
 * Pools from the configuration file: what the state file keeps over restarts, and what the start says of mistakes.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { egressPools } from '../src/app-egress.js';
import { parseConfigFile } from '../src/config/config-file.js';
import type { EgressPool, EgressSource } from '../src/delivery/egress.js';
import type { SiteHost } from '../src/delivery/site.js';
import { opportunistic } from '../src/delivery/tls-policy.js';
import type { Log } from '../src/telemetry/log.js';
import { until } from './helpers/smtp-peer.js';

const NOON = Date.parse('2026-12-01T12:00:00Z');
const HOST: SiteHost = { name: 'mx', address: '198.51.100.1', port: 25, weight: 1, limit: 1, tls: opportunistic('mx') };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-egress-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(text: string, now = NOON) {
  const warnings: Record<string, unknown>[] = [];
  const log = { warn: (fields: Record<string, unknown>) => void warnings.push(fields) } as unknown as Log;
  const clock = { now: () => now, wall: () => now };
  const egress = egressPools(clock, folder, log);
  egress.prepare(parseConfigFile(text, 'x.toml').egress)();
  return { ...egress, warnings };
}

function send(pool: EgressPool, count: number, now = NOON): number {
  const source = pool.pick(HOST, 's', now) as EgressSource;
  let sent = 0;
  while (sent < count && 'name' in source && pool.admit(source, 's', now) === null) sent++;
  return sent;
}

const WARM = `[[egress]]
name = "a"
address = "127.0.0.2"
warmup = { start = "2026-12-01", schedule = [5] }
`;

describe('egress pools of the configuration', () => {
  it('are found by name; none is the pool "default", where there is one', () => {
    const { poolOf, describe: facts } = start(
      `${WARM}[[egress]]\nname = "b"\naddress = "127.0.0.3"\npools = ["news:2"]\n`,
    );
    expect(facts()).toMatchObject([{ name: 'default' }, { name: 'news' }]);
    expect(poolOf('')?.name).toBe('default');
    expect(poolOf('news')?.name).toBe('news');
    expect(poolOf('other')).toBeNull();
    expect(start('[[egress]]\nname = "b"\naddress = "127.0.0.3"\npool = "news"\n').poolOf('')).toBeNull();
    expect(start('').poolOf('')).toBeNull();
  });

  it('remember over a restart what was sent today', async () => {
    const first = start(WARM);
    await first.open();
    expect(first.warnings).toEqual([]);
    expect(send(first.poolOf('')!, 3)).toBe(3);
    await first.close();
    expect(JSON.parse(readFileSync(join(folder, 'egress-state.json'), 'utf8'))).toEqual({
      a: { day: NOON / 86_400_000 - 0.5, sent: 3 },
    });
    const second = start(WARM);
    await second.open();
    expect(send(second.poolOf('')!, 9)).toBe(2);
    await second.close();
    const third = start(WARM);
    await third.open();
    expect(send(third.poolOf('')!, 9)).toBe(0);
    await third.close();
  });

  it('start without the counts when their file is damaged, and say so', async () => {
    writeFileSync(join(folder, 'egress-state.json'), '{');
    const egress = start(WARM);
    await egress.open();
    expect(egress.warnings).toHaveLength(1);
    expect(send(egress.poolOf('')!, 9)).toBe(5);
    await egress.close();
  });

  it('change while the engine runs; a mistake changes nothing', async () => {
    const egress = start(WARM);
    await egress.open();
    const pool = egress.poolOf('')!;
    expect(send(pool, 2)).toBe(2);
    const bad = '[[egress]]\nname = "b"\nproxy = "socks5://me@127.0.0.1"\npassword_file = "nowhere"\n';
    expect(() => egress.prepare(parseConfigFile(bad, 'x.toml').egress)).toThrow('it cannot be read');
    egress.prepare(
      parseConfigFile(`${WARM}[[egress]]\nname = "b"\naddress = "192.0.2.77"\npool = "news"\n`, 'x').egress,
    )();
    expect(egress.poolOf('')).toBe(pool);
    expect(send(pool, 9)).toBe(3);
    expect(egress.poolOf('news')?.name).toBe('news');
    await until('the new address was checked', () => egress.warnings.length > 0);
    expect(egress.warnings).toMatchObject([{ source: 'b', address: '192.0.2.77' }]);
    await egress.close();
  });

  it('warn of an address that this host has not, and name those it has', async () => {
    const egress = start('[[egress]]\nname = "b"\naddress = "192.0.2.77"\n');
    await egress.open();
    expect(egress.warnings).toMatchObject([
      { source: 'b', address: '192.0.2.77', reason: 'this host has no such address', addresses: expect.any(Array) },
    ]);
    expect(egress.warnings[0]!['addresses']).toContain('127.0.0.1');
    await egress.close();
  });

  it('read the password of a proxy, or name the file that cannot be used', () => {
    const path = join(folder, 'password');
    const text = `[[egress]]\nname = "b"\nproxy = "socks5://me@127.0.0.1"\npassword_file = "${path}"\n`;
    expect(() => start(text)).toThrow(`[[egress]] b: password_file ${path}: it cannot be read (ENOENT`);
    writeFileSync(path, '\n');
    expect(() => start(text)).toThrow('the password has not 1 to 255 bytes');
    writeFileSync(path, 'secret\n');
    expect(start(text).poolOf('')!.pick(HOST, 's', NOON)).toEqual({
      name: 'b',
      helo: '',
      address4: '',
      address6: '',
      proxy: { kind: 'socks5', host: '127.0.0.1', port: 1080, user: 'me', password: 'secret' },
    });
  });
});
