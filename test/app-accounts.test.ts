/** Accounts as the engine opens and reloads them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { accountHttp, openAccounts, reloadAccounts } from '../src/app-accounts.js';
import { loadSettings } from '../src/config/load-settings.js';
import { systemClock } from '../src/core/clock.js';
import { logLines } from './accounts/log-lines.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-app-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function open(env: Record<string, string>) {
  const { settings } = loadSettings({ SLUICE_SPOOL_DIR: dir, ...env }, dir);
  const log = logLines();
  const accounts = await openAccounts(settings, log, accountHttp(settings), systemClock);
  return { settings, log, accounts };
}

describe('accounts of the engine', () => {
  it('are none without settings', async () => {
    const { accounts, log } = await open({});
    expect(accounts.mechanisms).toEqual([]);
    expect(await accounts.answer({ kind: 'scram-salt', user: 'ann' }, '192.0.2.1')).toMatchObject({ kind: 'refused' });
    expect(accounts.admit('ann', 1000, systemClock.now())).toBeNull();
    await accounts.close();
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('keep their limits over a restart', async () => {
    const path = join(dir, 's.toml');
    writeFileSync(path, '[[account]]\nname = "ann"\nmessages_per_day = 2\n');
    writeFileSync(join(dir, 'accounts'), '', { mode: 0o600 });
    const env = { SLUICE_CONFIG: path, SLUICE_AUTH_FILE: 'accounts' };
    for (const refused of [false, true]) {
      const { accounts } = await open(env);
      const now = systemClock.now();
      expect(accounts.admit('ann', 1, now) !== null).toBe(refused);
      expect(accounts.admit('ann', 1, now) !== null).toBe(refused);
      await accounts.close();
    }
  });

  it('keep the old configuration when the new one has a mistake, and say why', async () => {
    const path = join(dir, 's.toml');
    writeFileSync(path, '[[account]]\nname = "ann"\nlane = "bulk"\n');
    const { accounts, settings, log } = await open({ SLUICE_CONFIG: path });
    writeFileSync(path, '[[account]]\nname = "ann"\nlane = "slow"\n');
    await reloadAccounts(accounts, settings, log);
    expect(accounts.settingsOf('ann').lane).toBe('bulk');
    expect(log.lines).toMatchObject([
      { level: 'error', fields: { reason: expect.stringContaining('account[1].lane') } },
    ]);
    writeFileSync(path, '[[account]]\nname = "ann"\nlane = "immediate"\n');
    await reloadAccounts(accounts, settings, log);
    expect(accounts.settingsOf('ann').lane).toBe('immediate');
    await accounts.close();
  });

  it('do not open with a mistake in any of their files', async () => {
    writeFileSync(join(dir, 'bad'), 'x = ');
    await expect(open({ SLUICE_CONFIG: 'bad' })).rejects.toMatchObject({ code: 'bad-config-file', temporary: false });
    await expect(open({ SLUICE_AUTH_FILE: 'bad' })).rejects.toMatchObject({ code: 'bad-account-file' });
    await expect(open({ SLUICE_AUTH_CA: 'none' })).rejects.toMatchObject({ code: 'bad-auth-ca' });
  });
});
