/**
 * An HTTPS server on loopback with a certificate from an authority of its own, for tests.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import forge from 'node-forge';

export interface TestAuthority {
  /** PEM. */
  readonly ca: string;
  /** A certificate for these names; `days`: for how long from now, negative for an expired one. */
  issue(names: readonly string[], days?: number): { readonly cert: string; readonly key: string };
}

const DAY = 86_400_000;
let serial = 1;

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const pair = forge.pki.privateKeyFromPem(key);
  return { key, pair, publicKey: forge.pki.setRsaPublicKey(pair.n, pair.e) };
}

/** Makes an authority. */
export function testAuthority(): TestAuthority {
  const own = newKey();
  const subject = [{ name: 'commonName', value: 'Test authority' }];
  const certificateOf = (publicKey: forge.pki.rsa.PublicKey, name: string, days: number) => {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = publicKey;
    certificate.serialNumber = `0${(serial++).toString(16)}`.slice(-2);
    certificate.validity.notBefore = new Date(Date.now() - 30 * DAY);
    certificate.validity.notAfter = new Date(Date.now() + days * DAY);
    certificate.setSubject([{ name: 'commonName', value: name }]);
    certificate.setIssuer(subject);
    return certificate;
  };
  const ca = certificateOf(own.publicKey, 'Test authority', 30);
  ca.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
  ca.sign(own.pair, forge.md.sha256.create());
  return {
    ca: forge.pki.certificateToPem(ca),
    issue(names, days = 30) {
      const { key, publicKey } = newKey();
      const certificate = certificateOf(publicKey, names[0]!, days);
      certificate.setExtensions([{ name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }]);
      certificate.sign(own.pair, forge.md.sha256.create());
      return { cert: forge.pki.certificateToPem(certificate), key };
    },
  };
}

export interface HttpsServerHandle {
  readonly port: number;
  /** `METHOD host path` of every request. */
  readonly asked: string[];
  answer: RequestListener;
  close(): Promise<void>;
}

/** Starts a server on a free port. */
export async function startHttpsServer(
  pair: { readonly cert: string; readonly key: string },
  answer: RequestListener,
): Promise<HttpsServerHandle> {
  const server = createServer(pair);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const handle: HttpsServerHandle = {
    port: (server.address() as AddressInfo).port,
    asked: [],
    answer,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  server.on('request', (request, response) => {
    handle.asked.push(`${request.method} ${request.headers.host?.replace(/:\d+$/, '')} ${request.url}`);
    handle.answer(request, response);
  });
  return handle;
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
