/**
 * Certificates for tests, made on the spot: an authority, and what it issues. RSA, as node-forge signs with nothing else.
 */
import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

interface Wanted {
  readonly commonName?: string;
  readonly dns?: readonly string[];
  readonly emails?: readonly string[];
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly bits?: number;
}

const DAY = 86_400_000;
let serial = 1;

function newKey(bits = 2048): string {
  return generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
}

function make(wanted: Wanted, key: string, issuer: string, issuerKey: string, isAuthority: boolean): Issued {
  const certificate = forge.pki.createCertificate();
  const own = forge.pki.privateKeyFromPem(key);
  certificate.publicKey = forge.pki.setRsaPublicKey(own.n, own.e);
  certificate.serialNumber = `0${(serial++).toString(16)}`.slice(-2);
  certificate.validity.notBefore = new Date(Date.now() + (wanted.from ?? -1) * DAY);
  certificate.validity.notAfter = new Date(Date.now() + (wanted.to ?? 90) * DAY);
  const { commonName = '' } = wanted;
  certificate.setSubject(commonName === '' ? [] : [{ name: 'commonName', value: commonName }]);
  certificate.setIssuer([{ name: 'commonName', value: issuer }]);
  const altNames = [
    ...(wanted.dns ?? []).map((value) => ({ type: 2, value })),
    ...(wanted.emails ?? []).map((value) => ({ type: 1, value })),
  ];
  certificate.setExtensions([
    { name: 'basicConstraints', cA: isAuthority, critical: true },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(issuerKey), forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate).replaceAll('\r', ''), key };
}

/** An authority of its own. */
export class Authority {
  readonly name: string;
  readonly cert: string;
  private readonly key: string;

  constructor(name: string, wanted: Omit<Wanted, 'commonName'> = {}) {
    this.name = name;
    this.key = newKey();
    this.cert = make({ ...wanted, commonName: name }, this.key, name, this.key, true).cert;
  }

  /** A certificate with a key of its own. */
  issue(wanted: Wanted): Issued {
    return make(wanted, newKey(wanted.bits), this.name, this.key, false);
  }
}
