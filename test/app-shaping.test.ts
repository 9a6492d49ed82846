/** The shaping as the app opens it: rules of SLUICE_CONFIG, lines of the log, suspended tenants, counts on disk. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpenShaping, openShaping } from '../src/app-shaping.js';
import { readConfigFile } from '../src/config/config-file.js';
import { loadSettings } from '../src/config/load-settings.js';
import { StandingOrders } from '../src/delivery/standing-orders.js';
import type { Log } from '../src/telemetry/log.js';
import { host, job, START, verdict } from './delivery/shaping/shaping-world.js';

let folder: string;
let now: number;
let lines: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-shaping-'));
  now = START;
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const clock = { now: () => now, wall: () => now };
const MX = host('mx.example.test');

function config(text: string): void {
  writeFileSync(join(folder, 'sluice.toml'), text);
}

async function open(pauseSource: (...told: unknown[]) => void = () => {}) {
  const environment = { SLUICE_CONFIG: join(folder, 'sluice.toml'), SLUICE_SPOOL_DIR: folder };
  const { settings, problems } = loadSettings(environment, folder);
  expect(problems).toEqual([]);
  const tell = (fields: object, line: string) => lines.push({ ...fields, line });
  const log = { info: tell, warn: tell, error: tell } as unknown as Log;
  const orders = new StandingOrders({ clock, changed: () => {} });
  const opened = await openShaping(settings, readConfigFile(settings.configFile), log, clock, orders, pauseSource);
  return { orders, opened, control: opened.shaping.controlOf('mx/example.test', [MX]) };
}

/** As the app does: a file with a mistake is not handed on. */
function reload(opened: OpenShaping): boolean {
  try {
    opened.configure(readConfigFile(join(folder, 'sluice.toml')));
    return true;
  } catch {
    return false;
  }
}

describe('the shaping of the app', () => {
  it('keeps the counts of an hour over a restart', async () => {
    config('[[shaping]]\nsite = "*"\nmessages_per_hour = 2');
    const first = await open();
    for (let i = 0; i < 2; i++) expect(first.control.admitJob(job(), '', now)).toBeNull();
    await first.opened.close();
    now += 60_000;
    const second = await open();
    expect(second.control.admitJob(job(), '', now)?.reason).toBe('site mx.example.test: 2 messages an hour');
    now += 3_600_000;
    expect(second.control.admitJob(job(), '', now)).toBeNull();
    await second.opened.close();
    expect(lines).toEqual([]);
  });

  it('reads rules anew, and keeps the old ones where the file has a mistake', async () => {
    config('[[shaping]]\nsite = "*"\nmessages_per_hour = 1');
    const { control, opened } = await open();
    control.admitJob(job(), '', now);
    config('[[shaping]]\nsite = "*"\nmessages_per_hour = "many"');
    expect(reload(opened)).toBe(false);
    expect(control.admitJob(job(), '', now)?.reason).toContain('1 message an hour');
    config('[[shaping]]\nsite = "*"\nmessages_per_hour = 5');
    expect(reload(opened)).toBe(true);
    expect(control.admitJob(job(), '', now)).toBeNull();
    await opened.close();
  });

  it('suspends a tenant once, tells the pools of sources, and logs each action and lesson', async () => {
    config(`
      [[shaping]]
      site = "*"
      [[shaping.reply]]
      match = "spam"
      action = "suspend_tenant"
      for = "1h"
      [[shaping.reply]]
      match = "blocked"
      action = "pause_source"
      for = "10m"
    `);
    const told: unknown[] = [];
    const { control, opened, orders } = await open((...pause) => told.push(pause.slice(0, 3)));
    for (let i = 0; i < 2; i++) control.finished(job({ tenant: 'acme' }), MX, 'ip1', [verdict('550 spam')], 1, now);
    expect(orders.suspensions()).toMatchObject([
      { selector: { tenant: 'acme' }, by: 'rule', until: now + 3_600_000, reason: '[[shaping]] 1: 550 spam' },
    ]);
    control.finished(job(), MX, 'ip1', [verdict('450 blocked')], 1, now);
    for (let i = 0; i < 4; i++) control.admitConnection(MX, 'ip2', now);
    control.finished(job(), MX, 'ip2', [verdict('421 too many connections')], 1, now);
    now += 600_000;
    control.admitConnection(MX, 'ip2', now);
    expect(told).toEqual([['ip1', 'mx.example.test', 600_000]]);
    expect(lines).toMatchObject([
      { action: 'suspend_tenant', tenant: 'acme', forMs: 3_600_000, line: 'a reply was acted on' },
      { action: 'pause_source', site: 'mx.example.test', source: 'ip1', reason: '[[shaping]] 1: 450 blocked' },
      { source: 'ip2', connections: 2, line: 'the site is slowed down' },
      { source: 'ip2', what: 'connections', line: 'the site is no longer slowed down' },
    ]);
    await opened.close();
  });
});
