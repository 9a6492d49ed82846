/**
 * The folder of the maildrop, made and told of.
 *
 * Modes: 1733, so that any user may add a file and nobody else's may be listed, renamed or removed; `corrupt` in it is
 * its owner's. A spool that it lies in lets others pass through (x), and shows them nothing.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ANNOUNCEMENT, type Announcement, announcementText } from '../place.js';

export const CORRUPT = 'corrupt';
const DROP_ONLY = 0o1733;
const OWNER_ONLY = 0o700;
const PASS = 0o011;
const READABLE = 0o644;

/** Makes it, also where it is there already. @throws Error of the system. */
export function makeMaildrop(folder: string, spoolDir: string): void {
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY });
  chmodSync(folder, DROP_ONLY);
  mkdirSync(join(folder, CORRUPT), { recursive: true, mode: OWNER_ONLY });
  const within = relative(spoolDir, folder);
  if (within !== '' && !within.startsWith('..')) chmodSync(spoolDir, (statSync(spoolDir).mode & 0o7777) | PASS);
}

/** Tells `sendmail` of everybody where the engine is. @throws Error of the system. */
export function announce(folder: string, announcement: Announcement): void {
  const path = join(folder, ANNOUNCEMENT);
  const text = announcementText(announcement);
  try {
    if (readFileSync(path, 'utf8') === text) return;
  } catch {
    // Not there yet.
  }
  // Its owner alone may make files in `corrupt`.
  const beside = join(folder, CORRUPT, `${ANNOUNCEMENT}.new`);
  writeFileSync(beside, text, { mode: READABLE });
  chmodSync(beside, READABLE);
  renameSync(beside, path);
}
