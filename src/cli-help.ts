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
  why <id>                       why a message waits, and when it is tried next
  route <sender> <recipient>     where mail would go, and what is in its way
  destinations                   what is queued for where, and how it goes there
  suspend, resume, reroute, bounce, orders
                                 act on mail by domain, tenant, pool or campaign
  suppression list|add|remove|import
                                 addresses that get no mail
  dkim generate <domain> <selector>
                                 make a signing key and print its DNS record
  user add|passwd|remove|list    accounts that may submit mail
  import-postfix --from FILE|DIR --out DIR
                                 settings from the configuration of a Postfix
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

const WHY = `Usage: sluice why <id> [--json] [--socket PATH]

The exact reason why a message waits (which limit, rule, breaker, schedule or order) and when it is tried next.

Example:
  sluice why FQZ3K1B2C4
`;

const ROUTE = `Usage: sluice route <sender> <recipient> [--account A] [--tenant T] [--listener L] [--client ADDRESS]
                    [--lane immediate|bulk] [--tag WORD]... [--header "Name: value"]... [--json] [--socket PATH]

Which route, pool, limits and host mail would get. Nothing is sent.

Example:
  sluice route app@example.org someone@example.net --tag newsletter
`;

const DESTINATIONS = `Usage: sluice destinations [--limit N] [--json] [--socket PATH]

Destinations with mail or connections, the longest queue first: lanes, connections, hosts with their last replies,
limits, and what mail waits for. 50 unless --limit says otherwise, 0 is all. --json: one object a line.

Example:
  sluice destinations --limit 10
`;

const SELECTORS = `  --domain D     recipient domain; .example.org for all below it
  --tenant T     whose mail it is
  --pool P       egress pool or upstream group it would go by
  --campaign C   a tag of it
  --reason TEXT  for the log and for whoever looks later
  --json         one JSON object a line
  Several narrow it down: all must fit.
`;

const SUSPEND = `Usage: sluice suspend --domain D|--tenant T|--pool P|--campaign C [--for 2h] [--reason TEXT] [--json]

Keeps mail from being tried, for a time or until it is resumed. New mail is taken and waits. Kept over restarts.

${SELECTORS}
Example:
  sluice suspend --domain example.net --for 30m --reason "asked to by their postmaster"
`;

const RESUME = `Usage: sluice resume <order>|all|--domain D|--tenant T|--pool P|--campaign C [--json]

Takes back what \`sluice suspend\` or \`sluice reroute\` said, by the id of the order or by whom it concerns. What waited
is tried at once.

Example:
  sluice resume --domain example.net
`;

const REROUTE = `Usage: sluice reroute --to TARGET --domain D|--tenant T|--pool P|--campaign C [--for 2h] [--json]

Sends mail, queued and new, another way than its route says: upstream/NAME, mx, host/NAME:PORT or discard.

${SELECTORS}
Example:
  sluice reroute --domain example.net --to upstream/ses --for 6h
`;

const BOUNCE = `Usage: sluice bounce --domain D|--tenant T|--pool P|--campaign C [--reason TEXT] [--json]

Gives up queued mail; its senders are told.

${SELECTORS}
Example:
  sluice bounce --campaign spring --reason "sent by mistake"
`;

const ORDERS = `Usage: sluice orders [--json]

What is suspended or rerouted now, by whom and until when.

Example:
  sluice orders
`;

const SUPPRESSION = `Usage: sluice suppression list [--tenant T] [--json]
       sluice suppression add <address> [--tenant T] [--for 90d] [--reason WORD]
       sluice suppression remove <address> [--tenant T]
       sluice suppression import <file> [--tenant T] [--for 90d] [--reason WORD]

Addresses that get no mail of a tenant (without --tenant: of nobody in particular). A file has one address a line; - is
standard input.

Example:
  sluice suppression add someone@example.net --tenant shop --reason complaint
`;

const IMPORT_POSTFIX = `Usage: sluice import-postfix --from FILE|DIR --out DIR [--master FILE] [--force] [--json]

Reads main.cf or what \`postconf -n\` prints (with DIR, main.cf and master.cf in it) and the text of its maps, and writes
.env and sluice.toml into DIR, for their owner only. Every line that is not carried over, or not to the letter, is named
with the reason, here and as a comment in .env.

  --master     master.cf, where --from is a file
  --force      overwrite .env and sluice.toml
  --json       one JSON object: files, and entries with fate, where, what and why

Example:
  sluice import-postfix --from /etc/postfix --out ./sluice && cd sluice && sluice check
`;

const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['start', START],
  ['check', CHECK],
  ['status', STATUS],
  ['queue', QUEUE],
  ['dkim', DKIM],
  ['user', USER],
  ['why', WHY],
  ['route', ROUTE],
  ['destinations', DESTINATIONS],
  ['suspend', SUSPEND],
  ['resume', RESUME],
  ['reroute', REROUTE],
  ['bounce', BOUNCE],
  ['orders', ORDERS],
  ['suppression', SUPPRESSION],
  ['import-postfix', IMPORT_POSTFIX],
]);

/** The help of a command, or the general one for anything else. */
export function helpOf(command: string | undefined): string {
  return COMMANDS.get(command ?? '') ?? GENERAL;
}

/** The names of the commands. */
export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];
