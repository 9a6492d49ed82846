/**
 * The key that proves our tokens: made at the first start, kept in the spool's directory for this user alone.
 *
 * A lost key costs the bounces and complaints of mail that is out; they are then told as not ours. A file that is not a
 * key is never overwritten.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SluiceError } from '../core/errors.js';

export const KEY_NAME = 'verp.key';
const BYTES = 32;
const PRIVATE = 0o600;

/** The key in a directory. @throws SluiceError `bad-verp-key` where it can be neither read nor made. */
export function openVerpKey(directory: string): Buffer {
  const path = join(directory, KEY_NAME);
  try {
    return read(path) ?? make(path);
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw bad(path, `it can be neither read nor made (${messageOf(cause)})`, cause);
  }
}

function read(path: string): Buffer | null {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  if (!new RegExp(`^[0-9a-f]{${BYTES * 2}}\\s*$`).test(text))
    throw bad(path, `it does not hold ${BYTES} bytes in hex: put the key back, or move the file away for a new one`);
  return Buffer.from(text.trim(), 'hex');
}

function make(path: string): Buffer {
  const key = randomBytes(BYTES);
  const aside = `${path}.new`;
  const file = openSync(aside, 'w', PRIVATE);
  try {
    writeSync(file, `${key.toString('hex')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // Whole or not there: a crash must not leave half a key that the next start refuses.
  renameSync(aside, path);
  return key;
}

function bad(path: string, problem: string, cause?: unknown): SluiceError {
  return new SluiceError('bad-verp-key', `the key of reverse-paths, ${path}: ${problem}`, { temporary: false, cause });
}
