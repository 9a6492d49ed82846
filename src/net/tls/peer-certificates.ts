/**
 * Whether the certificate of a next hop is good enough: by the authorities and its names (RFC 9525), by fingerprint, or by
 * DANE (RFC 7672).
 *
 * Pure: what OpenSSL found about the chain comes in, a failure or null goes out.
 */
import { createHash, type X509Certificate } from 'node:crypto';
import type { TlsFailure, TlsPolicy } from '../../delivery/tls-policy.js';
import { checkNames } from './certificate-names.js';
import { checkDane } from './dane.js';

/** What a handshake showed of the peer. */
export interface PeerProof {
  /** The peer's certificate and what it sent above it, in order; empty when it showed none. */
  readonly chain: readonly X509Certificate[];
  /** OpenSSL's verdict on the chain against the policy's authorities, '' when it is good: `CERT_HAS_EXPIRED` ... */
  readonly chainError: string;
}

/** Null: the certificate passes what the policy asks for; with `any`, what `pki` asks for. `now`: Unix ms. */
export function checkPeer(policy: TlsPolicy, proof: PeerProof, now: number): TlsFailure | null {
  const [leaf] = proof.chain;
  if (leaf === undefined) return { kind: 'validation-failure', reason: 'the host showed no certificate' };
  switch (policy.verify) {
    case 'pin':
      return checkPins(leaf, policy.pins);
    case 'dane':
      return checkDane(proof.chain, policy.tlsa, policy.names, now);
    default:
      if (proof.chainError !== '') return chainFailure(proof.chainError, leaf);
      return checkNames(leaf, policy.names);
  }
}

/** The fingerprint of the certificate or of its public key is among the pins. */
function checkPins(leaf: X509Certificate, pins: readonly string[]): TlsFailure | null {
  const own = [sha256(leaf.raw), sha256(leaf.publicKey.export({ type: 'spki', format: 'der' }))];
  if (own.some((print) => pins.includes(print))) return null;
  return {
    kind: 'certificate-not-trusted',
    reason: `the certificate (SHA-256 ${own[0]}) is not the one that is pinned`,
  };
}

function chainFailure(error: string, leaf: X509Certificate): TlsFailure {
  if (error === 'CERT_HAS_EXPIRED')
    return { kind: 'certificate-expired', reason: `a certificate has expired (the host's: ${leaf.validTo})` };
  if (error === 'CERT_NOT_YET_VALID')
    return { kind: 'certificate-expired', reason: `a certificate is not valid yet (the host's: ${leaf.validFrom})` };
  return { kind: 'certificate-not-trusted', reason: WORDS[error] ?? `the certificate is not trusted (${error})` };
}

const WORDS: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is from an authority that is not known',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate is from an authority that is not known',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate is from an authority that is not known',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is from an authority that is not known',
};

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
