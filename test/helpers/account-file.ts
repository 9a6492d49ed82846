/**
 * Accounts for tests, made as an operator makes them: by `sluice user add`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Adds an account to `file` that can log in by every mechanism with a password. */
export function addAccount(file: string, name: string, password: string): void {
  const made = spawnSync(
    process.execPath,
    [join(process.cwd(), 'dist/src/cli.js'), 'user', 'add', name, '--password-stdin', '--scram', '--cram'],
    {
      input: `${password}\n`,
      encoding: 'utf8',
      timeout: 20_000,
      env: { PATH: process.env['PATH'] ?? '', SLUICE_AUTH_FILE: file },
    },
  );
  if (made.status !== 0) throw new Error(`sluice user add ended with ${made.status}: ${made.stdout}${made.stderr}`);
}
