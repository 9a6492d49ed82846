/**
 * The file of accounts (SLUICE_AUTH_FILE): one account a line, its name and then its credentials with spaces between.
 *
 *   # name            credentials
 *   ann@example.org   $argon2id$v=19$m=19456,t=2,p=1$...$...   SCRAM-SHA-256$20000:...$...:...   CRAM-MD5$...
 *
 * A credential is known by its beginning, at most one of each kind: `$argon2id$` or `$scrypt$` (password-hash.ts),
 * `SCRAM-SHA-256$` (scram-keys.ts), `CRAM-MD5$` (cram-secret.ts). Empty lines and lines that begin with # are nothing.
 * Contract: a file with any mistake is refused as a whole, with the number of each wrong line; no credential is shown.
 * Limits: 256 MiB, lines of 4,096 characters; reading gives the thread back every few milliseconds.
 */
import { open } from 'node:fs/promises';
import { messageOf, SluiceError } from '../core/errors.js';
import { canonicalName, nameProblem } from './canonical-text.js';
import { CRAM_PREFIX, cramProblem } from './cram-secret.js';
import { hashCost, hashKind, hashProblem } from './password-hash.js';
import { parseScramKeys, SCRAM_PREFIX } from './scram-keys.js';

/** One line. Credentials are kept as they are written, null for none of that kind. */
export interface FileAccount {
  /** In its canonical form. */
  readonly name: string;
  readonly hash: string | null;
  readonly scram: string | null;
  readonly cram: string | null;
}

/** What a file holds. */
export interface AccountFile {
  readonly accounts: ReadonlyMap<string, FileAccount>;
  /** How many have keys for SCRAM, and a secret for CRAM-MD5. */
  readonly scram: number;
  readonly cram: number;
  /** A hash whose cost most accounts have, null without any hash. */
  readonly usualHash: string | null;
  /** SCRAM keys whose iterations most accounts have, null without any. */
  readonly usualScram: string | null;
  /** Every user of the machine can read the file. */
  readonly exposed: boolean;
}

const MAX_FILE = 256 * 1024 * 1024;
const MAX_LINE = 4096;
const MAX_PROBLEMS = 10;
/** Lines after which other work gets its turn; a line takes about 10 us. */
const LINES_A_TURN = 250;

/** The account of a line, null for an empty one or a comment, a text for what is wrong with it. */
export function parseAccountLine(line: string): FileAccount | null | string {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return null;
  if (text.length > MAX_LINE) return `the line is longer than ${MAX_LINE} characters`;
  const [name = '', ...credentials] = text.split(/[ \t]+/);
  const wrong = nameProblem(name);
  if (wrong !== '') return `${JSON.stringify(name)} cannot be the name of an account: ${wrong}`;
  if (credentials.length === 0) return `${JSON.stringify(name)} has no credential; \`sluice user passwd\` makes one`;
  const found: { hash?: string; scram?: string; cram?: string } = {};
  for (const credential of credentials) {
    const kind = kindOf(credential);
    if (kind === undefined)
      return `a credential of ${JSON.stringify(name)} is of no known kind; allowed: those that begin with $argon2id$, $scrypt$, ${SCRAM_PREFIX} or ${CRAM_PREFIX}`;
    if (found[kind] !== undefined) return `${JSON.stringify(name)} has two credentials of one kind; allowed: one`;
    const problem = problemOf(kind, credential);
    if (problem !== '') return `a credential of ${JSON.stringify(name)} cannot be read: ${problem}`;
    found[kind] = credential;
  }
  return {
    name: canonicalName(name),
    hash: found.hash ?? null,
    scram: found.scram ?? null,
    cram: found.cram ?? null,
  };
}

/** Reads the file. @throws SluiceError `bad-account-file` with the path, and number and fault of each wrong line. */
export async function readAccountFile(path: string): Promise<AccountFile> {
  const { text, exposed } = await readWhole(path);
  const accounts = new Map<string, FileAccount>();
  const lineOf = new Map<string, number>();
  const problems: string[] = [];
  const hashes = new Tally();
  const scrams = new Tally();
  let [line, scram, cram] = [0, 0, 0];
  for (let start = 0; start < text.length && problems.length < MAX_PROBLEMS; ) {
    const end = text.indexOf('\n', start);
    const stop = end < 0 ? text.length : end;
    const account = parseAccountLine(text.slice(start, stop));
    start = stop + 1;
    if (++line % LINES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    if (account === null) continue;
    if (typeof account === 'string') {
      problems.push(`line ${line}: ${account}`);
      continue;
    }
    const before = lineOf.get(account.name);
    if (before !== undefined) {
      problems.push(`line ${line}: ${JSON.stringify(account.name)} is there already, in line ${before}; allowed: once`);
      continue;
    }
    accounts.set(account.name, account);
    lineOf.set(account.name, line);
    if (account.hash !== null) hashes.add(hashCost(account.hash), account.hash);
    if (account.scram !== null) scrams.add(account.scram.slice(0, account.scram.indexOf(':')), account.scram);
    if (account.scram !== null) scram++;
    if (account.cram !== null) cram++;
  }
  if (problems.length > 0) throw refused(path, problems.join('; '));
  return { accounts, scram, cram, usualHash: hashes.most, usualScram: scrams.most, exposed };
}

function refused(path: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('bad-account-file', `account file ${path}: ${why}`, { temporary: false, cause });
}

async function readWhole(path: string): Promise<{ text: string; exposed: boolean }> {
  try {
    const handle = await open(path, 'r');
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error('it is not a file');
      if (stat.size > MAX_FILE) throw new Error('it is larger than 256 MiB');
      const text = (await handle.readFile('utf8')).replace(/^\ufeff/, '');
      return { text, exposed: process.platform !== 'win32' && (stat.mode & 0o004) !== 0 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const why = `it cannot be read (${messageOf(error)}); \`sluice user add\` makes one`;
    throw refused(path, why, error);
  }
}

function kindOf(credential: string): 'hash' | 'scram' | 'cram' | undefined {
  if (hashKind(credential) !== undefined) return 'hash';
  if (credential.startsWith(SCRAM_PREFIX)) return 'scram';
  return credential.startsWith(CRAM_PREFIX) ? 'cram' : undefined;
}

function problemOf(kind: 'hash' | 'scram' | 'cram', credential: string): string {
  if (kind === 'hash') return hashProblem(credential);
  if (kind === 'cram') return cramProblem(credential);
  const keys = parseScramKeys(credential);
  return typeof keys === 'string' ? keys : '';
}

/** Which of several kinds is there most often, with an example of it. */
class Tally {
  private readonly counts = new Map<string, number>();
  private best = 0;
  most: string | null = null;

  add(kind: string, example: string): void {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count <= this.best) return;
    this.best = count;
    this.most = example;
  }
}
