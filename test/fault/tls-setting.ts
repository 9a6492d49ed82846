/**
 * What an engine needs to take submissions under TLS in a fault case: a certificate, an account, listeners, and the
 * clients' side of all that.
 *
 * Contract: throws SkipCase where the engine that was built has no TLS.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import forge from 'node-forge';
import { SkipCase } from './fault-case.js';
import type { ClientSecurity } from './smtp-client.js';
import type { StageOptions } from './stage.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const SCHEMA = fileURLToPath(new URL('../../src/config/schema.js', import.meta.url));
const ACCOUNT = { user: 'fault', password: 'correct horse battery staple' };
const DAY = 86_400_000;

/** Every other client comes by STARTTLS on the stage's port, the others by implicit TLS on its second one; all by AUTH. */
export const submitting = (lane: number): ClientSecurity => ({
  tls: lane % 2 === 0 ? 'starttls' : 'implicit',
  account: ACCOUNT,
});

/** Settings of a stage with a submission:// and an smtps:// listener, the files for them made in `directory`. */
export function submissionStage(
  directory: string,
): Pick<StageOptions, 'listen'> & { environment: Record<string, string> } {
  const { cert, key } = writeCertificate(directory);
  const accounts = join(directory, 'accounts');
  writeFileSync(accounts, '', { mode: 0o600 });
  const environment = {
    SLUICE_TLS_CERT: cert,
    SLUICE_TLS_KEY: key,
    SLUICE_AUTH_FILE: accounts,
    // All clients of a case come from one address.
    SLUICE_MAX_CONNECTIONS_PER_CLIENT: '10000',
  };
  if (!knowsTls()) throw new SkipCase('the engine that was built has no TLS');
  execFileSync(process.execPath, [CLI, 'user', 'add', ACCOUNT.user, '--password-stdin'], {
    input: `${ACCOUNT.password}\n`,
    env: { ...process.env, ...environment },
    cwd: directory,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return {
    environment,
    listen: (port, tlsPort) => `submission://127.0.0.1:${port},smtps://127.0.0.1:${tlsPort}`,
  };
}

function knowsTls(): boolean {
  return /tls/i.test(readFileSync(SCHEMA, 'utf8'));
}

/** A self-signed RSA-2048 certificate, which is what costs a server most. */
export function writeCertificate(directory: string): { cert: string; key: string } {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const secret = forge.pki.privateKeyFromPem(privateKey);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.setRsaPublicKey(secret.n, secret.e);
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - DAY);
  certificate.validity.notAfter = new Date(Date.now() + 90 * DAY);
  const name = [{ name: 'commonName', value: 'relay.example' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([{ name: 'subjectAltName', altNames: [{ type: 2, value: 'relay.example' }] }]);
  certificate.sign(secret, forge.md.sha256.create());
  const [cert, key] = [join(directory, 'relay.crt'), join(directory, 'relay.key')];
  writeFileSync(cert, forge.pki.certificateToPem(certificate));
  writeFileSync(key, privateKey, { mode: 0o600 });
  return { cert, key };
}
