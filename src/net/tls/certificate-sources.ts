/**
 * Where certificates come from: settings, and the folders they name.
 *
 * `<dir>/<name>/{fullchain,privkey}.pem` is how certbot lays them out under live/; links are followed. Files beside the
 * folders, hidden ones and folders with neither file are ignored; one with half a pair is a mistake.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../../core/errors.js';
import { badCertificate, type PairFiles } from './certificate-pair.js';
import type { TlsVersion } from './tls-material.js';

/** Settings of TLS for clients. Paths are absolute, '' for none. */
export interface CertificateSources {
  /** The default pair. */
  readonly cert: string;
  readonly key: string;
  /** Folder of folders, one a name. */
  readonly dir: string;
  /** Authorities for client certificates. */
  readonly clientCa: string;
  readonly relayClients: readonly string[];
  readonly minVersion: TlsVersion;
  /** Without a TLS 1.3 suite in it the standard ones are added. */
  readonly ciphers: string;
  /** Where the self-signed certificate is kept. */
  readonly developmentDir: string;
  /** What it is made for. */
  readonly hostname: string;
}

const CHAIN = 'fullchain.pem';
const KEY = 'privkey.pem';

/** Whether anything is configured; else the self-signed certificate is used. */
export function isConfigured(sources: CertificateSources): boolean {
  return sources.cert !== '' || sources.dir !== '';
}

/**
 * The pairs, the default one first, the others in order of name.
 * @throws SluiceError `bad-certificate` when the folder cannot be read or has no pair.
 */
export function pairFilesOf(sources: CertificateSources): PairFiles[] {
  const pairs: PairFiles[] = [];
  if (sources.cert !== '') pairs.push({ cert: sources.cert, key: sources.key, name: '' });
  for (const folder of foldersOf(sources.dir)) {
    const cert = join(folder.path, CHAIN);
    const key = join(folder.path, KEY);
    // Half a pair is one too: reading it says which file is missing.
    if (existsSync(cert) || existsSync(key)) pairs.push({ cert, key, name: folder.name });
  }
  if (sources.dir !== '' && pairs.length === 0)
    throw badCertificate(sources.dir, 'there is no certificate in it', `put <name>/${CHAIN} and <name>/${KEY} there`);
  return pairs;
}

/** Files whose change means other certificates, whether they are there or not, and the folders to be watched for that. */
export function watchedPaths(sources: CertificateSources): { files: string[]; folders: string[] } {
  const files = [sources.cert, sources.key, sources.clientCa].filter((path) => path !== '');
  const folders = files.map((path) => dirname(path));
  if (sources.dir !== '') folders.push(sources.dir);
  try {
    for (const { path } of foldersOf(sources.dir)) {
      folders.push(path);
      files.push(join(path, CHAIN), join(path, KEY));
    }
  } catch {
    // Gone for now: then it has no files.
  }
  return { files, folders: [...new Set(folders)] };
}

function foldersOf(dir: string): Array<{ path: string; name: string }> {
  if (dir === '') return [];
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => ({ name, path: join(dir, name) }))
      .filter(({ path }) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true);
  } catch (error) {
    const mend = 'it must be a folder that the user who runs sluice can read';
    throw badCertificate(dir, `cannot be read (${messageOf(error)})`, mend, error);
  }
}
