/**
 * A private certificate authority for end-to-end tests, by the `openssl` command: what real clients and servers are given
 * to trust, and the certificates that they shall trust or not.
 *
 * Contract: all files lie in the folder given, readable by all (the servers run as users of their own).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of PEM files. `cert` holds the certificate, and behind it that of its issuer. */
export interface IssuedPair {
  readonly cert: string;
  readonly key: string;
}

export function opensslMissing(): string {
  return spawnSync('openssl', ['version']).status === 0 ? '' : 'openssl is not installed';
}

function openssl(args: readonly string[]): Buffer {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 });
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export class TestAuthority {
  /** The authority's own certificate. */
  readonly file: string;
  private readonly folder: string;
  private issued = 0;

  constructor(folder: string, name: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.file = join(folder, 'ca.pem');
    const basic = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'];
    openssl(
      ['req', '-x509', ...newKey, '-keyout', join(folder, 'ca.key'), '-out', this.file].concat(
        ['-days', '30', '-subj', `/CN=${name}`],
        basic,
      ),
    );
  }

  /** A certificate for `names`: DNS names, addresses as `IP:127.0.0.1`, mail addresses as `email:ann@client.example`. */
  issue(names: readonly string[], use: 'serverAuth' | 'clientAuth' = 'serverAuth'): IssuedPair {
    const base = join(this.folder, `${++this.issued}`);
    const pair = { cert: `${base}.pem`, key: `${base}.key` };
    const [first = ''] = names;
    const subject = `/CN=${first.replace(/^\w+:/, '')}`;
    openssl(['req', '-new', ...newKey, '-keyout', pair.key, '-out', `${base}.csr`, '-subj', subject]);
    const alternatives = names.map((name) => (/^(?:IP|email):/.test(name) ? name : `DNS:${name}`)).join(',');
    writeFileSync(
      `${base}.ext`,
      `subjectAltName=${alternatives}\nextendedKeyUsage=${use}\nkeyUsage=critical,digitalSignature\n`,
    );
    openssl(
      ['x509', '-req', '-in', `${base}.csr`, '-CA', this.file, '-CAkey', join(this.folder, 'ca.key')].concat([
        '-CAcreateserial',
        '-days',
        '20',
        '-extfile',
        `${base}.ext`,
        '-out',
        pair.cert,
      ]),
    );
    writeFileSync(pair.cert, `${readFileSync(pair.cert, 'latin1')}${readFileSync(this.file, 'latin1')}`);
    chmodSync(pair.key, 0o644);
    return pair;
  }
}
