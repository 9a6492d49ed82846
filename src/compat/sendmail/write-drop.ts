/**
 * Puts a message into the maildrop.
 *
 * Contract: when it returns, the file is there whole and survives a power cut: written under another name, flushed,
 * renamed, folder flushed. It may be read by whoever knows its name, which is random; the folder cannot be listed.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { dropHead } from './drop-format.js';
import type { Outgoing } from './outgoing.js';

/** The engine, which may run as another user, has to read it. */
const READABLE = 0o644;

/** Writes it. @throws Error of the system. */
export function writeDrop(folder: string, message: Outgoing): string {
  const name = randomBytes(16).toString('hex');
  const [unfinished, path] = [join(folder, `tmp.${name}`), join(folder, `drop.${name}`)];
  const fd = openSync(unfinished, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, READABLE);
  let named = unfinished;
  try {
    // Whatever the umask of the caller is.
    fchmodSync(fd, READABLE);
    writeAll(fd, dropHead(message));
    writeAll(fd, message.content);
    fsyncSync(fd);
    renameSync(unfinished, path);
    named = path;
    // Who may write into the folder may not read it, so cannot flush it. Renaming changes the file as well (its ctime),
    // and ext4, XFS and btrfs write down the change of a file together with that of its name.
    fsyncSync(fd);
    flushFolder(folder);
  } catch (thrown) {
    unlinkSync(named);
    throw thrown;
  } finally {
    closeSync(fd);
  }
  return path;
}

function writeAll(fd: number, data: Buffer): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
}

/** For who may open it: root, and the engine's own user. */
function flushFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return;
  }
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
