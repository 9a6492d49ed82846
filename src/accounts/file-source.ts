/**
 * Accounts of SLUICE_AUTH_FILE.
 *
 * Contract: unknown users take the same way as known ones, with a credential of the most usual kind and cost of the file
 * that nothing fits. A password that fitted is remembered for a while by a keyed hash of it with its credential, so that
 * clients which connect for each message do not cost a hash each; a changed credential is another question.
 * Limits: `checksAtOnce` hashes on the thread pool, 1,000 waiting.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { AuthQuestion, Mechanism } from '../smtp/authentication.js';
import { type AccountFile, type FileAccount, readAccountFile } from './account-file.js';
import type { AccountLog } from './account-log.js';
import { type AccountSource, type AuthAttempt, BLOCKED, type SourceAnswer } from './account-source.js';
import { AnswerCache } from './answer-cache.js';
import { canonicalName } from './canonical-text.js';
import { CRAM_PREFIX, verifyCram, verifyCramPassword } from './cram-secret.js';
import { dummyHash, USUAL_HASH, verifyPassword } from './password-hash.js';
import { parseScramKeys, type ScramKeys, USUAL_SCRAM, verifyScramPassword, verifyScramProof } from './scram-keys.js';
import { watchedFile } from './watched-file.js';
import { WorkLimit } from './work-limit.js';

export interface FileSourceOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: AccountLog;
  /** How long a password that fitted is remembered, ms; 0: not at all. */
  readonly cacheTime: number;
  readonly checksAtOnce: number;
  /** No other source is asked about passwords of users this one does not know. */
  readonly lastForPasswords: boolean;
  /** The file was changed and read again: mechanisms may be others. */
  changed?(): void;
}

const MAX_WAITING = 1000;
const MAX_REMEMBERED = 20_000;
const UNKNOWN: SourceAnswer = { kind: 'unknown', reason: 'unknown user' };
const WRONG: SourceAnswer = { kind: 'refused', reason: 'wrong password' };

export class FileSource implements AccountSource {
  readonly name = 'file';
  private readonly options: FileSourceOptions;
  private readonly checks: WorkLimit;
  private readonly fitted = new AnswerCache<boolean>(MAX_REMEMBERED);
  /** Makes salts of users who are not there: the same for the same user as long as the process lives. */
  private readonly secret = randomBytes(32);
  private readonly noCram = `${CRAM_PREFIX}${randomBytes(32).toString('hex')}`;
  private file: AccountFile;
  private noHash: string;
  private reading: Promise<void> = Promise.resolve();
  private readonly unwatch: () => void;

  private constructor(options: FileSourceOptions, file: AccountFile) {
    this.options = options;
    this.checks = new WorkLimit(options.checksAtOnce, MAX_WAITING);
    this.file = file;
    this.noHash = dummyHash(file.usualHash ?? USUAL_HASH);
    this.unwatch = watchedFile(options.path, () => {
      this.reload().then(
        () => options.changed?.(),
        (error: unknown) =>
          options.log.error(
            { reason: messageOf(error) },
            'the account file has a mistake, the old accounts stay in use',
          ),
      );
    });
    this.remark();
  }

  /** @throws SluiceError `bad-account-file`. */
  static async open(options: FileSourceOptions): Promise<FileSource> {
    return new FileSource(options, await readAccountFile(options.path));
  }

  get mechanisms(): readonly Mechanism[] {
    const { scram, cram, accounts } = this.file;
    return [
      ...(scram > 0 ? (['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] as const) : []),
      ...(cram > 0 ? (['CRAM-MD5'] as const) : []),
      ...(accounts.size > 0 ? (['PLAIN', 'LOGIN'] as const) : []),
    ];
  }

  /** The file has an account of this canonical name. */
  has(name: string): boolean {
    return this.file.accounts.has(name);
  }

  /** One reading after the other, so that the last one counts. @throws SluiceError `bad-account-file`. */
  reload(): Promise<void> {
    const reading = this.reading.catch(() => undefined).then(() => this.read());
    this.reading = reading;
    return reading;
  }

  close(): void {
    this.unwatch();
  }

  async answer(question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer> {
    if (question.kind === 'token' || question.kind === 'certificate') return UNKNOWN;
    const account = this.file.accounts.get(canonicalName(question.user));
    switch (question.kind) {
      case 'password':
        return this.checkPassword(account, question.password, attempt);
      case 'cram': {
        const fits = verifyCram(account?.cram ?? this.noCram, question.challenge, question.digest);
        if (account?.cram == null) return withoutCredential(account);
        return fits ? { kind: 'accepted', name: account.name } : WRONG;
      }
      case 'scram-salt': {
        const { salt, iterations } = this.saltOf(account, question.user);
        return { kind: 'salt', salt: salt.toString('base64'), iterations };
      }
      case 'scram-proof': {
        const keys = account?.scram == null ? this.noKeys() : keysOf(account.scram);
        const serverSignature = verifyScramProof(keys, question.authMessage, question.proof);
        if (account?.scram == null) return withoutCredential(account);
        return serverSignature === null ? WRONG : { kind: 'accepted', name: account.name, serverSignature };
      }
    }
  }

  private async read(): Promise<void> {
    this.file = await readAccountFile(this.options.path);
    this.noHash = dummyHash(this.file.usualHash ?? USUAL_HASH);
    this.options.log.info({ accounts: this.file.accounts.size }, 'accounts read again');
    this.remark();
  }

  private async checkPassword(
    account: FileAccount | undefined,
    password: string,
    attempt: AuthAttempt,
  ): Promise<SourceAnswer> {
    if (account === undefined && !this.options.lastForPasswords) return UNKNOWN;
    const { clock, cacheTime } = this.options;
    const credential = account?.hash ?? account?.scram ?? account?.cram ?? this.noHash;
    let blocked = false;
    const check = (): Promise<boolean> =>
      this.checks.run(async () => {
        blocked = !attempt.mayGoOn();
        return !blocked && fitsCredential(credential, password);
      });
    const keepOnlyGood = (fits: boolean): number => (fits ? cacheTime : 0);
    const fits =
      account === undefined
        ? await check()
        : await this.fitted.get([credential, password], () => clock.now(), keepOnlyGood, check);
    if (blocked) return BLOCKED;
    if (account === undefined) return UNKNOWN;
    return fits ? { kind: 'accepted', name: account.name } : WRONG;
  }

  private saltOf(account: FileAccount | undefined, user: string): { salt: Buffer; iterations: number } {
    if (account?.scram != null) return keysOf(account.scram);
    const usual = this.file.usualScram === null ? null : keysOf(this.file.usualScram);
    const length = usual?.salt.length ?? USUAL_SCRAM.saltBytes;
    const salt = createHmac('sha512', this.secret).update(canonicalName(user)).digest().subarray(0, length);
    return { salt, iterations: usual?.iterations ?? USUAL_SCRAM.iterations };
  }

  private noKeys(): ScramKeys {
    return { iterations: 1, salt: this.secret, storedKey: this.secret, serverKey: this.secret };
  }

  /** Things that work but should be mended. */
  private remark(): void {
    const { path, log } = this.options;
    const { accounts, scram, cram, exposed } = this.file;
    if (exposed) log.warn({ path }, 'every user of this machine can read the account file; chmod 600 it');
    for (const [mechanism, count] of [
      ['SCRAM-SHA-256', scram],
      ['CRAM-MD5', cram],
    ] as const)
      if (count > 0 && count < accounts.size)
        log.warn(
          { path, without: accounts.size - count },
          `${mechanism} is offered, but some accounts have nothing for it: clients that prefer it cannot log in to those`,
        );
  }
}

function withoutCredential(account: FileAccount | undefined): SourceAnswer {
  if (account === undefined) return UNKNOWN;
  return { kind: 'unknown', reason: 'the account has no credential for this mechanism' };
}

function keysOf(text: string): ScramKeys {
  // The file was refused if its keys could not be parsed.
  return parseScramKeys(text) as ScramKeys;
}

async function fitsCredential(credential: string, password: string): Promise<boolean> {
  if (credential.startsWith(CRAM_PREFIX)) return verifyCramPassword(credential, password);
  if (credential.startsWith('$')) return verifyPassword(credential, password);
  return verifyScramPassword(keysOf(credential), password);
}
