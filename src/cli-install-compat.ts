/**
 * `sluice install-compat`: the commands of Postfix as shims in a folder, and the maildrop.
 *
 * Contract: nothing is written where one file is in the way that is not a shim of ours, unless --force is given. Each shim
 * is written beside its place and renamed, so that a command that is just being started finds the old one or the new.
 */
import {
  accessSync,
  chownSync,
  constants,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { announcementOf } from './app-dropped.js';
import { complain, EX_CANTCREAT, EX_OK, expectArguments, parse, print } from './cli-command.js';
import { COMPAT_NAMES } from './cli-compat.js';
import { settingsFor } from './cli-settings.js';
import type { Place } from './compat/place.js';
import { makeMaildrop } from './compat/sendmail/maildrop-folder.js';
import { isShim, shimText } from './compat/shims.js';
import type { Settings } from './config/schema.js';
import { messageOf } from './core/errors.js';

/** What shims are made of. */
export const PLACE_SETTINGS = [
  'SLUICE_SPOOL_DIR',
  'SLUICE_MAILDROP_DIR',
  'SLUICE_CONTROL_SOCKET',
  'SLUICE_HOSTNAME',
  'SLUICE_LISTEN',
];
const EXECUTABLE = 0o755;
const PASS_FOR_OTHERS = 0o001;

/** Runs it; the exit code. @throws UsageError, ConfigError. */
export async function installCompat(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { force: { type: 'boolean' }, json: { type: 'boolean' } });
  expectArguments(positionals, ['DIR']);
  const folder = resolve(positionals[0]!);
  const settings = settingsFor(...PLACE_SETTINGS);
  const paths = COMPAT_NAMES.map((name) => join(folder, name));
  const inTheWay = paths.filter((path) => isForeign(path));
  if (inTheWay.length > 0 && values.force !== true) {
    complain(`${inTheWay.join(' and ')} would be overwritten; give another folder, or --force`);
    return EX_CANTCREAT;
  }
  const place = placeIn(settings);
  const program = { node: process.execPath, script: fileURLToPath(new URL('./cli-shim.js', import.meta.url)) };
  const notes: string[] = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const name of COMPAT_NAMES) write(join(folder, name), shimText(name, place, program));
    if (settings.maildropDir !== '') notes.push(...prepareMaildrop(settings));
  } catch (thrown) {
    complain(`${folder} cannot be written: ${messageOf(thrown)}`);
    return EX_CANTCREAT;
  }
  notes.push(...closedOnTheWay([process.execPath, program.script]));
  if (values.json === true) print(JSON.stringify({ files: paths, maildrop: settings.maildropDir, notes }));
  else {
    print(`Written: ${paths.join(', ')}.`);
    if (settings.maildropDir !== '') print(`Mail sent while the engine is down waits in ${settings.maildropDir}.`);
    for (const note of notes) complain(note);
  }
  return EX_OK;
}

/** What shims carry of the settings. */
export function placeIn(settings: Settings): Place {
  const { maildropDir: maildrop, controlSocket } = settings;
  const ports = settings.listen.map(({ port }) => port);
  return { maildrop, controlSocket, ...announcementOf(settings, ports) };
}

function isForeign(path: string): boolean {
  try {
    return !isShim(readFileSync(path, 'utf8'));
  } catch (thrown) {
    return (thrown as { code?: unknown }).code !== 'ENOENT';
  }
}

function write(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text, { mode: EXECUTABLE, flag: 'wx' });
  renameSync(beside, path);
}

/** Makes it for the user of the engine, whose the spool is; what stands in the way of others. */
function prepareMaildrop({ maildropDir, spoolDir }: Settings): string[] {
  mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
  makeMaildrop(maildropDir, spoolDir);
  const owner = statSync(spoolDir);
  if (process.getuid?.() === 0) {
    for (const path of [maildropDir, join(maildropDir, 'corrupt')]) chownSync(path, owner.uid, owner.gid);
  }
  const ofRoot =
    owner.uid === 0 ? [`${spoolDir} is root's: where the engine runs as another user, make it that one's`] : [];
  return [...ofRoot, ...closedOnTheWay([maildropDir])];
}

/** Folders that other users cannot pass, so that they cannot use what is in them. */
function closedOnTheWay(paths: readonly string[]): string[] {
  const closed = new Set<string>();
  for (const path of paths) {
    for (let at = dirname(path); ; at = dirname(at)) {
      if ((statSync(at).mode & PASS_FOR_OTHERS) === 0) closed.add(at);
      if (at === dirname(at)) break;
    }
    accessSync(path, constants.F_OK);
  }
  return [...closed].map(
    (folder) => `other users cannot pass ${folder}, so these commands are not for them (chmod o+x)`,
  );
}
