/**
 * `sluice user`: the accounts of SLUICE_AUTH_FILE. Passwords come from standard input or a terminal, never from the
 * command line, which other users of the machine can see; no hash is ever shown.
 */
import { type AccountFile, type FileAccount, readAccountFile } from './accounts/account-file.js';
import { nameProblem } from './accounts/canonical-text.js';
import { accountLine, type CredentialKinds, editAccount, kindsOf } from './accounts/edit-account-file.js';
import {
  complain,
  EX_CANTCREAT,
  EX_CONFIG,
  EX_NOINPUT,
  EX_OK,
  expectArguments,
  parse,
  print,
  UsageError,
} from './cli-command.js';
import { readHidden, readLine } from './cli-password.js';
import { settingsFor } from './cli-settings.js';
import { SluiceError } from './core/errors.js';
import { saslPrep } from './smtp/sasl/saslprep.js';

const OPTIONS = {
  'password-stdin': { type: 'boolean' },
  scram: { type: 'boolean' },
  cram: { type: 'boolean' },
  scrypt: { type: 'boolean' },
  json: { type: 'boolean' },
  file: { type: 'string' },
} as const;

/** Longest password, characters; a base64 line of AUTH PLAIN has room for many more. */
const MAX_PASSWORD = 1024;

interface Flags {
  readonly 'password-stdin'?: boolean;
  readonly scram?: boolean;
  readonly cram?: boolean;
  readonly scrypt?: boolean;
  readonly json?: boolean;
  readonly file?: string;
}

/** Which options go with which action. */
const ALLOWED: Readonly<Record<string, readonly (keyof Flags)[]>> = {
  add: ['password-stdin', 'scram', 'cram', 'scrypt', 'json', 'file'],
  passwd: ['password-stdin', 'scram', 'cram', 'scrypt', 'json', 'file'],
  remove: ['json', 'file'],
  list: ['json', 'file'],
};

/** An end that is no failure within. */
class Refusal extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs `sluice user ...`; gives the exit code. @throws UsageError. */
export async function user(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parse(args, OPTIONS);
  const [action = '', name = ''] = positionals;
  const allowed = Object.hasOwn(ALLOWED, action) ? ALLOWED[action]! : undefined;
  if (allowed === undefined)
    throw new UsageError(action === '' ? 'an action is missing' : `"${action}" is not an action on accounts`);
  for (const flag of Object.keys(flags) as (keyof Flags)[])
    if (!allowed.includes(flag)) throw new UsageError(`--${flag} is not for ${action}`);
  expectArguments(positionals, action === 'list' ? ['list'] : [action, 'name']);
  const wrong = action === 'list' ? '' : nameProblem(name);
  if (wrong !== '') throw new UsageError(`${JSON.stringify(name)} cannot be the name of an account: ${wrong}`);
  const path = flags.file ?? settingsFor('SLUICE_AUTH_FILE').authFile;
  if (path === '') {
    complain('SLUICE_AUTH_FILE is not set; set it to the file of the accounts, or give --file');
    return EX_CONFIG;
  }
  try {
    await act(action, path, name, flags);
    return EX_OK;
  } catch (thrown) {
    if (!(thrown instanceof Refusal || thrown instanceof SluiceError)) throw thrown;
    complain(thrown.message);
    if (thrown instanceof Refusal) return thrown.exitCode;
    return thrown.code === 'bad-account-file' ? EX_CONFIG : EX_CANTCREAT;
  }
}

async function act(action: string, path: string, name: string, flags: Flags): Promise<void> {
  if (action === 'list') {
    list(await readAccountFile(path), flags.json === true);
    return;
  }
  // Asked for before the file is locked: a person takes their time.
  const password = action === 'remove' ? '' : await passwordFor(name, flags);
  await editAccount(
    path,
    name,
    async (account, written) => {
      if (action === 'add') {
        if (account !== null)
          throw new Refusal(EX_CANTCREAT, `there is an account ${written} already; \`sluice user passwd\` changes it`);
        return accountLine(name, password, kinds(flags, null));
      }
      if (account === null) throw new Refusal(EX_NOINPUT, `there is no account ${name}`);
      return action === 'remove' ? '' : accountLine(written, password, kinds(flags, account));
    },
    action === 'add',
  );
  if (flags.json === true) print(JSON.stringify({ name, done: action }));
  else complain(`${name} ${action === 'add' ? 'added' : action === 'remove' ? 'removed' : 'has a new password'}`);
}

/** What is asked for, or what the account has. */
function kinds({ scram, cram, scrypt }: Flags, account: FileAccount | null): CredentialKinds {
  if (account !== null && scram !== true && cram !== true && scrypt !== true) return kindsOf(account);
  return { hash: scrypt === true ? 'scrypt' : 'argon2id', scram: scram === true, cram: cram === true };
}

async function passwordFor(name: string, flags: Flags): Promise<string> {
  let password: string;
  if (flags['password-stdin'] === true) password = await readLine(process.stdin);
  else if (process.stdin.isTTY) {
    password = await readHidden(`Password for ${name}: `);
    if (password !== (await readHidden('Again: '))) throw new UsageError('the two passwords are not the same');
  } else throw new UsageError('standard input is no terminal: give --password-stdin to read the password from it');
  if (password.length > MAX_PASSWORD) throw new UsageError(`the password is longer than ${MAX_PASSWORD} characters`);
  if (password === '') throw new UsageError('the password is empty');
  if (saslPrep(password) === null)
    throw new UsageError('the password has a control character or another that SASLprep (RFC 4013) prohibits');
  return password;
}

function list({ accounts }: AccountFile, json: boolean): void {
  for (const account of accounts.values()) {
    const { name } = account;
    const mechanisms = [
      ...(account.scram === null ? [] : ['SCRAM-SHA-256']),
      ...(account.cram === null ? [] : ['CRAM-MD5']),
      'PLAIN',
      'LOGIN',
    ];
    const hash = account.hash === null ? null : kindsOf(account).hash;
    print(json ? JSON.stringify({ name, hash, mechanisms }) : `${name}  ${mechanisms.join(' ')}`);
  }
}
