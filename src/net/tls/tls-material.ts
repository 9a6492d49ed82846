/**
 * What every thread needs to secure the connections of clients: plain data, because it crosses to other threads.
 *
 * certificate-store.ts makes it on the main thread, secure-contexts.ts makes OpenSSL's contexts of it on any thread. It
 * holds private keys and ticket keys: it is never logged and never written anywhere.
 */

/** A certificate with its key, checked to belong together. */
export interface CertificatePair {
  /**
   * Lower-case names it is for, wildcards as `*.example.org`. Where several pairs have a name it goes to the one that has
   * it first in its list, then to the first pair.
   */
  readonly names: readonly string[];
  /** Certificate and the intermediates after it, PEM. */
  readonly chain: string;
  /** Private key, PEM. */
  readonly key: string;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** One version of it; another one replaces it as a whole. */
export interface TlsMaterial {
  /** Counts up from 1; greater is newer. */
  readonly version: number;
  /** At least one. The first serves clients that name no host, or one that no pair has. */
  readonly pairs: readonly CertificatePair[];
  readonly minVersion: TlsVersion;
  /** Cipher list as OpenSSL takes it, TLS 1.3 suites among it. */
  readonly ciphers: string;
  /**
   * 48 bytes that encrypt session tickets, the same on all threads so that any of them can resume a session. Node takes
   * one set only: after a rotation older tickets lead to one full handshake, which costs time and breaks nothing.
   */
  readonly ticketKeys: Uint8Array;
  /** Authorities that client certificates are verified against, PEM; '': none is asked for. */
  readonly clientCa: string;
  /** Client certificates that may relay: `sha256:<hex>` or `subject:<name>`, lower case. */
  readonly relayClients: readonly string[];
}
