/**
 * DKIM keys on disk: `<dir>/<domain>/<selector>.pem`, one private key a file.
 *
 * Read as a whole at start and on reload; one bad key makes the whole reading fail, so that mail never goes out unsigned
 * because of a typing error. Other files and hidden ones are ignored.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SluiceError } from '../../core/errors.js';
import type { Canonicalization } from './body-hash.js';
import { GOOD_RSA_BITS, importSigningKey } from './signing-key.js';

/** A key as text: plain data, because it crosses to the worker threads. */
export interface SigningKeyPem {
  readonly domain: string;
  readonly selector: string;
  /** Private key, PKCS #8 or PKCS #1 in PEM form. */
  readonly pem: string;
  /** c=; relaxed when absent. */
  readonly headerCanonicalization?: Canonicalization;
  readonly bodyCanonicalization?: Canonicalization;
}

export interface KeyStoreOptions {
  /** For every key; relaxed when absent. */
  readonly headerCanonicalization?: Canonicalization;
  readonly bodyCanonicalization?: Canonicalization;
  /** Gets one line for each key that works but should be mended. */
  readonly warn?: (line: string) => void;
}

const SUFFIX = '.pem';

function unreadable(path: string, error: unknown): SluiceError {
  const why = `cannot be read (${messageOf(error)}); it must exist and be readable for the user that runs sluice`;
  return new SluiceError('bad-dkim-key', `DKIM key ${path}: ${why}`, { temporary: false, cause: error });
}

/** Visible entries in order of name: the order of several signatures. */
function entriesOf(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    throw unreadable(dir, error);
  }
}

/**
 * Reads every key under `dir`.
 * @throws SluiceError `bad-dkim-key` naming the file.
 */
export function loadSigningKeys(dir: string, options: KeyStoreOptions = {}): SigningKeyPem[] {
  const { headerCanonicalization = 'relaxed', bodyCanonicalization = 'relaxed', warn = () => {} } = options;
  const keys: SigningKeyPem[] = [];
  for (const domain of entriesOf(dir)) {
    const folder = join(dir, domain);
    let isFolder: boolean;
    try {
      isFolder = statSync(folder).isDirectory();
    } catch (error) {
      throw unreadable(folder, error);
    }
    if (!isFolder) {
      if (domain.endsWith(SUFFIX))
        warn(`DKIM key ${folder}: ignored; a key belongs in a folder named after its domain`);
      continue;
    }
    for (const file of entriesOf(folder)) {
      if (!file.endsWith(SUFFIX)) continue;
      const key = readKey(join(folder, file), domain, file.slice(0, -SUFFIX.length), warn);
      keys.push({ ...key, headerCanonicalization, bodyCanonicalization });
    }
  }
  return keys;
}

function readKey(path: string, domain: string, selector: string, warn: (line: string) => void): SigningKeyPem {
  let pem: string;
  let mode: number;
  try {
    pem = readFileSync(path, 'latin1');
    mode = statSync(path).mode;
  } catch (error) {
    throw unreadable(path, error);
  }
  const key = { domain, selector, pem };
  const { rsaBits } = importSigningKey(key, path);
  if (process.platform !== 'win32' && (mode & 0o004) !== 0) {
    warn(`DKIM key ${path}: every user of this machine can read it; chmod 600 it`);
  }
  if (rsaBits > 0 && rsaBits < GOOD_RSA_BITS) {
    warn(`DKIM key ${path}: RSA with ${rsaBits} bits is weak (RFC 8301); make one of ${GOOD_RSA_BITS} bits`);
  }
  return key;
}
