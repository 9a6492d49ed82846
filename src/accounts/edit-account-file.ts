/**
 * Changes to the file of accounts, for `sluice user`.
 *
 * Contract: comments, blank lines and order stay as they are; the file is replaced as a whole, so that a reader sees the
 * old or the new one; a new file is for its owner only, an old one keeps its mode and, as far as allowed, its owner.
 * Two changes at once: the second is refused, not lost.
 */
import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf, SluiceError } from '../core/errors.js';
import { type FileAccount, parseAccountLine, readAccountFile } from './account-file.js';
import { canonicalName } from './canonical-text.js';
import { makeCramSecret } from './cram-secret.js';
import { type HashKind, hashKind, hashPassword } from './password-hash.js';
import { makeScramKeys } from './scram-keys.js';

/** The credentials an account shall have. */
export interface CredentialKinds {
  readonly hash: HashKind;
  readonly scram: boolean;
  readonly cram: boolean;
}

const OWNER_ONLY = 0o600;

/** The line of an account: its name as it was given, and credentials made anew from the password. */
export async function accountLine(name: string, password: string, kinds: CredentialKinds): Promise<string> {
  const parts = [name, await hashPassword(password, kinds.hash)];
  if (kinds.scram) parts.push(await makeScramKeys(password));
  if (kinds.cram) parts.push(makeCramSecret(password));
  return parts.join(' ');
}

/** The kinds that an account has now; a hash, where it has none, would be argon2id. */
export function kindsOf(account: FileAccount): CredentialKinds {
  const hash = account.hash === null ? 'argon2id' : (hashKind(account.hash) ?? 'argon2id');
  return { hash, scram: account.scram !== null, cram: account.cram !== null };
}

/**
 * Applies `edit` to the line of an account: it gets the account and the name as written, null when it is not there, and
 * gives its new line, '' to take it out. With `create`, a file that is not there begins empty.
 * @throws SluiceError `bad-account-file` for a file with mistakes, `account-file-busy`, `account-file-unwritable`, and
 * what `edit` throws; the file is then as before.
 */
export async function editAccount(
  path: string,
  name: string,
  edit: (account: FileAccount | null, written: string) => Promise<string>,
  create = false,
): Promise<void> {
  const target = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return path;
    throw unwritable(path, error);
  });
  const lock = join(dirname(target), `.${basename(target)}.lock`);
  const handle = await lockFile(target, lock);
  try {
    const old = await stat(target).catch(() => null);
    if (old !== null || !create) await readAccountFile(target);
    const before = old === null ? '' : await readFile(target, 'utf8');
    const after = await editText(before, name, edit);
    await replaceFile(target, after, old);
  } finally {
    await handle.close();
    await unlink(lock).catch(() => undefined);
  }
}

async function editText(
  before: string,
  name: string,
  edit: (account: FileAccount | null, written: string) => Promise<string>,
): Promise<string> {
  const wanted = canonicalName(name);
  const lines = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const at = lines.findIndex((line) => {
    const account = parseAccountLine(line);
    return account !== null && typeof account === 'object' && account.name === wanted;
  });
  if (at < 0) {
    const line = await edit(null, name);
    if (line !== '') lines.push(line);
  } else {
    const account = parseAccountLine(lines[at]!) as FileAccount;
    const line = await edit(account, lines[at]!.trim().split(/[ \t]/)[0]!);
    if (line === '') lines.splice(at, 1);
    else lines[at] = line;
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function unwritable(path: string, error: unknown): SluiceError {
  const why = `cannot be written (${messageOf(error)})`;
  return new SluiceError('account-file-unwritable', `account file ${path}: ${why}`, { temporary: false, cause: error });
}

async function lockFile(path: string, lock: string): Promise<FileHandle> {
  try {
    return await open(lock, 'wx', OWNER_ONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error);
    const why = `another \`sluice user\` is changing it; if none is, remove ${lock}`;
    throw new SluiceError('account-file-busy', `account file ${path}: ${why}`, { temporary: true, cause: error });
  }
}

async function replaceFile(
  path: string,
  text: string,
  old: { readonly mode: number; readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  const fresh = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(fresh, 'wx', OWNER_ONLY);
    try {
      // Only root may give a file away; for others the owner is the same already, or cannot be kept.
      if (old !== null) await handle.chown(old.uid, old.gid).catch(() => undefined);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (old !== null) await chmod(fresh, old.mode & 0o777);
    await rename(fresh, path);
  } catch (error) {
    await unlink(fresh).catch(() => undefined);
    throw unwritable(path, error);
  }
}
