/**
 * Help of the commands that make what the engine runs on: keys, accounts, settings.
 */
import { EX_CANTCREAT, EX_CONFIG, EX_NOINPUT } from './cli-command.js';
import type { CommandHelp } from './cli-help.js';

export const DKIM: CommandHelp = {
  name: 'dkim',
  summary: 'make a signing key and print its DNS record',
  usage: ['dkim generate DOMAIN SELECTOR [--type rsa|ed25519] [--bits 2048] [--dir PATH] [--json]'],
  about: [
    'Makes a private key as SLUICE_DKIM_DIR/DOMAIN/SELECTOR.pem (or below --dir) and prints the DNS record to publish. Never overwrites a key.',
  ],
  terms: [
    ['--type TYPE', 'rsa (unless given) or ed25519'],
    ['--bits N', 'length of an rsa key; 2048 unless given'],
    ['--dir PATH', 'the folder of the keys, if not SLUICE_DKIM_DIR'],
    ['--json', 'one JSON object: path, recordName, recordValue, zoneLine'],
  ],
  examples: ['SLUICE_DKIM_DIR=./dkim sluice dkim generate example.org mail2026 --type ed25519'],
  exits: [EX_CANTCREAT, EX_CONFIG],
};

export const USER: CommandHelp = {
  name: 'user',
  summary: 'accounts that may submit mail: add, passwd, remove, list',
  usage: [
    'user add NAME [--password-stdin] [--scram] [--cram] [--scrypt] [--file PATH] [--json]',
    'user passwd NAME [the same]',
    'user remove NAME [--file PATH] [--json]',
    'user list [--file PATH] [--json]',
  ],
  about: ['Changes the accounts of SLUICE_AUTH_FILE (or --file); a running engine sees it within two seconds.'],
  terms: [
    ['add', 'a new account; asks for its password twice, on a terminal without showing it'],
    ['passwd', 'a new password; without options the account keeps the kinds of credentials it has'],
    ['remove', 'take an account out'],
    ['list', 'names and the mechanisms they can log in by'],
    ['--password-stdin', 'the password is the first line of standard input'],
    ['--scram', 'SCRAM-SHA-256 too: keys that are weaker than the hash where the file is stolen'],
    ['--cram', 'CRAM-MD5 too: for clients that know nothing better; who has the file can log in with it'],
    ['--scrypt', 'the hash by scrypt instead of argon2id'],
    ['--file PATH', 'the file of the accounts, if not SLUICE_AUTH_FILE'],
    ['--json', 'one JSON object a line'],
  ],
  examples: [
    'echo "$PASSWORD" | SLUICE_AUTH_FILE=/etc/sluice/accounts sluice user add ann@example.org --password-stdin',
  ],
  exits: [EX_NOINPUT, EX_CANTCREAT, EX_CONFIG],
};

export const IMPORT_POSTFIX: CommandHelp = {
  name: 'import-postfix',
  summary: 'settings from the configuration of a Postfix',
  usage: ['import-postfix --from FILE|DIR --out DIR [--master FILE] [--force] [--json]'],
  about: [
    'Reads main.cf or what `postconf -n` prints (with DIR, main.cf and master.cf in it) and the text of its maps, and writes .env and sluice.toml into DIR, for their owner only. Every line that is not carried over, or not to the letter, is named with the reason, here and as a comment in .env.',
  ],
  terms: [
    ['--from FILE|DIR', 'what is read'],
    ['--out DIR', 'where it is written'],
    ['--master FILE', 'master.cf, where --from is a file'],
    ['--force', 'overwrite .env and sluice.toml'],
    ['--json', 'one JSON object: files, and entries with fate, where, what and why'],
  ],
  examples: ['sluice import-postfix --from /etc/postfix --out ./sluice && cd sluice && sluice check'],
  exits: [EX_NOINPUT, EX_CANTCREAT],
};
