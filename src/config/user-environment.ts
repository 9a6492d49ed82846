/**
 * What the environment and the system say of who runs a command.
 */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

export interface CommandUser {
  /** Login name, or the number of a user that has none. */
  readonly name: string;
  readonly uid: number;
  /** The variable NAME, or the GECOS field of passwd(5); '' for none. */
  readonly fullName: string;
}

/** Who runs this process. Never throws. */
export function commandUser(): CommandUser {
  const uid = process.getuid?.() ?? 0;
  let name = String(uid);
  try {
    name = userInfo().username;
  } catch {
    // A container may run as a user that has no entry.
  }
  return { name, uid, fullName: process.env['NAME'] || gecosOf(name) };
}

/** The full name up to its first comma; & is the login name (chfn(1)). */
function gecosOf(name: string): string {
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${name}:`));
    const full = entry?.split(':')[4]?.split(',')[0] ?? '';
    return full.replaceAll('&', name.slice(0, 1).toUpperCase() + name.slice(1));
  } catch {
    return '';
  }
}
