/**
 * A self-signed certificate for hosts that have none configured, so that TLS can be tried at once. Nobody can verify it:
 * it keeps listeners out, not in the middle.
 *
 * Kept as one file (certificate and key together, so that both are replaced at once), mode 0600, and used again until it
 * is near its end. Keys and signature are node:crypto's; node-forge, which can sign with RSA only, writes the ASN.1, and
 * is loaded only when a certificate is to be made.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { asn1, pki } from 'node-forge';
import { messageOf } from '../../core/errors.js';
import { type CheckedPair, loadPair } from './certificate-pair.js';

const DAY = 86_400_000;
const LIFETIME = 365 * DAY;
/** Made anew when less than this is left. */
const RENEW_BEFORE = 30 * DAY;
const FILE = 'development.pem';
/** ecdsa-with-SHA256 (RFC 5758 section 3.2). */
const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
/** subjectAltName types in node-forge: dNSName and iPAddress (RFC 5280 section 4.2.1.6). */
const DNS_NAME = 2;
const IP_ADDRESS = 7;
/** Where signature algorithm and key are in TBSCertificate (RFC 5280 section 4.1). */
const TBS_SIGNATURE = 2;
const TBS_KEY = 6;

export interface DevelopmentCertificate extends CheckedPair {
  /** A line for the log: what it is and where it lies. */
  readonly note: string;
}

/**
 * The one in `directory`, made there when there is none that will do; in memory only when it cannot be written. `known` is
 * given back while it has time left.
 */
export async function developmentCertificate(
  directory: string,
  hostname: string,
  wall: number,
  known?: DevelopmentCertificate,
): Promise<DevelopmentCertificate> {
  if (known !== undefined && known.notAfter - wall > RENEW_BEFORE) return known;
  const path = join(directory, FILE);
  const kept = keptCertificate(path, hostname, wall);
  if (kept !== null) return { ...kept, note: `no certificate is configured: a self-signed one is used, ${path}` };
  const { certificate, key, notAfter } = await makeCertificate(hostname, wall);
  let place = `it is kept in ${path}`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, certificate + key, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    place = `it is gone with this process, as ${path} cannot be written (${messageOf(error)})`;
  }
  return {
    pair: { names: namesFor(hostname), chain: certificate, key },
    notAfter,
    digest: '',
    warnings: [],
    note: `no certificate is configured: a self-signed one was made; ${place}`,
  };
}

function namesFor(hostname: string): string[] {
  return [...new Set([hostname.toLowerCase(), 'localhost'])];
}

function keptCertificate(path: string, hostname: string, wall: number): CheckedPair | null {
  try {
    const kept = loadPair({ cert: path, key: path, name: '' }, wall);
    return kept.notAfter - wall > RENEW_BEFORE && kept.pair.names.includes(hostname.toLowerCase()) ? kept : null;
  } catch {
    return null;
  }
}

/** Exported by node-forge, but not in its types. */
interface TbsWriter {
  getTBSCertificate(certificate: pki.Certificate): asn1.Asn1;
}

/** A certificate of P-256 with ECDSA, and its key, as PEM. */
async function makeCertificate(
  hostname: string,
  wall: number,
): Promise<{ certificate: string; key: string; notAfter: number }> {
  const { default: forge } = await import('node-forge');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });

  const template = forge.pki.createCertificate();
  // A positive number (RFC 5280 section 4.1.2.2).
  template.serialNumber = `00${randomBytes(16).toString('hex')}`;
  template.validity.notBefore = new Date(wall - DAY);
  template.validity.notAfter = new Date(wall - DAY + LIFETIME);
  const name = [
    { name: 'organizationName', value: 'Sluice development certificate' },
    { name: 'commonName', value: hostname.slice(0, 64) },
  ];
  template.setSubject(name);
  template.setIssuer(name);
  template.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: [
        ...namesFor(hostname).map((value) => ({ type: DNS_NAME, value })),
        ...['127.0.0.1', '::1'].map((ip) => ({ type: IP_ADDRESS, ip })),
      ],
    },
  ]);
  // Stands in for the key, which has a shape that node-forge does not know; it is replaced below.
  template.publicKey = forge.pki.setRsaPublicKey(new forge.jsbn.BigInteger('3'), new forge.jsbn.BigInteger('3'));
  template.siginfo.algorithmOid = forge.pki.oids['sha256WithRSAEncryption']!;

  const algorithm = forge.asn1.create(forge.asn1.Class.UNIVERSAL, forge.asn1.Type.SEQUENCE, true, [
    forge.asn1.create(
      forge.asn1.Class.UNIVERSAL,
      forge.asn1.Type.OID,
      false,
      forge.asn1.oidToDer(ECDSA_SHA256).getBytes(),
    ),
  ]);
  const tbs = (forge.pki as unknown as TbsWriter).getTBSCertificate(template);
  const fields = tbs.value as (typeof tbs)[];
  fields[TBS_SIGNATURE] = algorithm;
  fields[TBS_KEY] = forge.asn1.fromDer(spki.toString('binary'));
  const signature = sign('sha256', Buffer.from(forge.asn1.toDer(tbs).getBytes(), 'binary'), privateKey);
  const certificate = forge.asn1.create(forge.asn1.Class.UNIVERSAL, forge.asn1.Type.SEQUENCE, true, [
    tbs,
    algorithm,
    forge.asn1.create(
      forge.asn1.Class.UNIVERSAL,
      forge.asn1.Type.BITSTRING,
      false,
      `\0${signature.toString('binary')}`,
    ),
  ]);
  const der = Buffer.from(forge.asn1.toDer(certificate).getBytes(), 'binary').toString('base64');
  const lines = der.match(/.{1,64}/g)!.join('\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    notAfter: template.validity.notAfter.getTime(),
  };
}
