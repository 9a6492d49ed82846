/**
 * Purpose: makes the self-signed certificates of a run with openssl, so that no key lies in the project.
 * Contract: one pair per type at <folder>/<type>.{crt,key}, for `localhost` and 127.0.0.1; every relay gets the same one.
 *   A pair is made again after a day.
 * Limits: needs openssl; RSA keys have 2,048 bits, ECDSA keys are on P-256.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsCertificate } from './relay.js';

export type CertificateType = 'rsa' | 'ecdsa';

const dayMs = 86_400_000;

/** Makes the certificate unless a fresh one is there. */
export function tlsCertificate(folder: string, type: CertificateType): TlsCertificate {
  const [certificate, key] = [join(folder, `${type}.crt`), join(folder, `${type}.key`)];
  const made = statSync(certificate, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - made > dayMs) {
    mkdirSync(folder, { recursive: true });
    const algorithm = type === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
    // More than 14 days, so that no relay warns of its end in its log all the time.
    const words = [
      '-days',
      '90',
      '-nodes',
      '-subj',
      '/CN=localhost',
      '-addext',
      names,
      '-keyout',
      key,
      '-out',
      certificate,
    ];
    execFileSync('openssl', ['req', '-x509', '-newkey', ...algorithm, ...words], { stdio: 'ignore' });
  }
  return { certificate, key };
}
