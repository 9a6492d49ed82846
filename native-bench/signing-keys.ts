/**
 * Purpose: makes the DKIM keys of a run with openssl, so that no key lies in the project.
 * Contract: one key per type at <folder>/<type>/bench.example/bench.pem (PKCS #8), the layout of SLUICE_DKIM_DIR.
 * Limits: needs openssl; RSA keys have 2,048 bits.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyType, SigningKey } from './relay.js';

/** The From domain of the load source (see bench-message.h). */
const domain = 'bench.example';
const selector = 'bench';

/** Makes the key unless it is there. */
export function signingKey(folder: string, type: KeyType): SigningKey {
  const directory = join(folder, type);
  const file = join(directory, domain, `${selector}.pem`);
  if (!existsSync(file)) {
    mkdirSync(join(directory, domain), { recursive: true });
    const algorithm = type === 'rsa' ? ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] : ['ED25519'];
    execFileSync('openssl', ['genpkey', '-algorithm', ...algorithm, '-out', file], { stdio: 'ignore' });
  }
  return { type, directory, domain, selector, file };
}
