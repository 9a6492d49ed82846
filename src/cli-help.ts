/**
 * What `sluice --help` and the help of each command say.
 */

const GENERAL = `sluice - a multi-threaded SMTP relay engine

Usage: sluice [command] [options]

  start                          run the engine (also without a command)
  check                          check the configuration and print it
  status                         what the running engine is doing
  queue list|show|retry|hold|release|delete
                                 look at and act on queued mail
  dkim generate <domain> <selector>
                                 make a signing key and print its DNS record
  user add|passwd|remove|list    accounts that may submit mail
  --help, -h                     this text, or that of a command
  --version, -v                  the version

Settings are SLUICE_... environment variables or lines of a .env file; see tuning.md.

Example:
  SLUICE_UPSTREAM=smtp://mail.example.org:25 sluice start
`;

const START = `Usage: sluice start

Runs the engine until SIGTERM or SIGINT; SIGHUP reads the signing keys anew. Prints a line with "sluice ready" once it
listens. Exits with 78 when the configuration is wrong.

Example:
  SLUICE_LISTEN=smtp://127.0.0.1:2525 SLUICE_UPSTREAM=smtp://10.0.0.5:25?pool=100 sluice start
`;

const CHECK = `Usage: sluice check

Checks the settings, the signing keys, the accounts and the configuration file, and prints every value in effect and where it came from, secrets masked.
Exits with 78 when something is wrong, one line for each mistake.

Example:
  SLUICE_RETRY_MIN=30s sluice check
`;

const STATUS = `Usage: sluice status [--json] [--socket PATH]

What the running engine has done and is doing.

Example:
  sluice status --json
`;

const QUEUE = `Usage: sluice queue list [--limit N] [--json]
       sluice queue show ID [--json]
       sluice queue retry ID|all
       sluice queue hold|release|delete ID

  list         waiting messages, oldest first; 100 unless --limit says otherwise, 0 is all
  show         one message with its recipients and their last replies
  retry        try now: one message, or all that wait
  hold         keep a message from being tried until it is released
  release      end a hold
  delete       drop a message; its sender is not told
  --json       one JSON object a line
  --socket     the control socket, if not that of the settings

Example:
  sluice queue list --limit 20
  sluice queue show FQZ3K1B2C4
`;

const DKIM = `Usage: sluice dkim generate <domain> <selector> [--type rsa|ed25519] [--bits 2048] [--dir PATH]

Makes a private key as SLUICE_DKIM_DIR/<domain>/<selector>.pem (or below --dir) and prints the DNS record to publish.
Never overwrites a key. --bits is for rsa only.

Example:
  SLUICE_DKIM_DIR=./dkim sluice dkim generate example.org mail2026 --type ed25519
`;

const USER = `Usage: sluice user add <name> [--password-stdin] [--scram] [--cram] [--scrypt] [--file PATH]
       sluice user passwd <name> [the same]
       sluice user remove <name> [--file PATH]
       sluice user list [--json] [--file PATH]

Changes the accounts of SLUICE_AUTH_FILE (or --file); a running engine sees it within two seconds.

  add               a new account; asks for its password twice, on a terminal without showing it
  passwd            a new password; without options the account keeps the kinds of credentials it has
  remove            take an account out
  list              names and the mechanisms they can log in by
  --password-stdin  the password is the first line of standard input
  --scram           SCRAM-SHA-256 too: keys that are weaker than the hash where the file is stolen
  --cram            CRAM-MD5 too: for clients that know nothing better; who has the file can log in with it
  --scrypt          the hash by scrypt instead of argon2id
  --json            one JSON object a line

Example:
  echo "$PASSWORD" | SLUICE_AUTH_FILE=/etc/sluice/accounts sluice user add ann@example.org --password-stdin
`;

const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['start', START],
  ['check', CHECK],
  ['status', STATUS],
  ['queue', QUEUE],
  ['dkim', DKIM],
  ['user', USER],
]);

/** The help of a command, or the general one for anything else. */
export function helpOf(command: string | undefined): string {
  return COMMANDS.get(command ?? '') ?? GENERAL;
}

/** The names of the commands. */
export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];
