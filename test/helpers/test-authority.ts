/**
 * A certificate authority for tests: certificates that are good, expired, for other names or from nobody known.
 *
 * Keys are RSA 2048 from node:crypto (node-forge makes them slowly), certificates are signed by node-forge.
 */
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import forge from 'node-forge';

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  /** The certificate itself. */
  readonly der: Buffer;
  /** Its public key. */
  readonly spki: Buffer;
  readonly fingerprint: string;
  readonly keyFingerprint: string;
}

interface Making {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  readonly commonName?: string;
  readonly ca?: boolean;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
}

const DAY = 86_400_000;
let serial = 1;

export class TestAuthority {
  readonly own: TestCertificate;

  constructor(commonName = `Test CA ${serial}`, by?: TestAuthority) {
    this.own = make({ commonName, ca: true }, by?.own ?? null);
  }

  issue(making: Making): TestCertificate {
    return make(making, this.own);
  }
}

export function selfSigned(making: Making): TestCertificate {
  return make(making, null);
}

function make(making: Making, issuer: TestCertificate | null): TestCertificate {
  const { names = [], addresses = [], commonName = names[0] ?? 'test', ca = false, from = -1, to = 30 } = making;
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  certificate.serialNumber = (serial++ + 0x1000).toString(16);
  certificate.validity.notBefore = new Date(Date.now() + from * DAY);
  certificate.validity.notAfter = new Date(Date.now() + to * DAY);
  const subject = [{ name: 'commonName', value: commonName }];
  certificate.setSubject(subject);
  certificate.setIssuer(issuer === null ? subject : forge.pki.certificateFromPem(issuer.cert).subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: ca, critical: true },
    ...(ca ? [{ name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }] : []),
    ...(names.length + addresses.length === 0
      ? []
      : [
          {
            name: 'subjectAltName',
            altNames: [...names.map((value) => ({ type: 2, value })), ...addresses.map((ip) => ({ type: 7, ip }))],
          },
        ]),
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(issuer?.key ?? key), forge.md.sha256.create());
  const cert = forge.pki.certificateToPem(certificate);
  const der = new X509Certificate(cert).raw;
  const spki = createPublicKey(cert).export({ type: 'spki', format: 'der' });
  const print = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
  return { cert, key, der, spki, fingerprint: print(der), keyFingerprint: print(spki) };
}
