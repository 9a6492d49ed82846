/**
 * OpenSSL's settings for connections to next hops, made once for each kind of policy.
 *
 * The system store is the file where the operating system keeps its authorities, so that what an administrator adds or
 * removes there counts; where there is none, the authorities that come with Node.
 * Limits: `MAX_CONTEXTS` are kept, the oldest go first.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import tls from 'node:tls';
import type { TlsPolicy } from '../../delivery/tls-policy.js';

/** Debian and Ubuntu, Fedora and RHEL, Alpine and the BSDs, SUSE. */
const SYSTEM_STORES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
  '/etc/ssl/ca-bundle.pem',
];
const MAX_CONTEXTS = 64;

/** Node's ciphers with the cheapest in front: the peer may follow our order. */
const FIRST = 'TLS_AES_128_GCM_SHA256';
const CIPHERS = [FIRST, ...tls.DEFAULT_CIPHERS.split(':').filter((name) => name !== FIRST)].join(':');

export class ClientContexts {
  private readonly contexts = new Map<string, tls.SecureContext>();
  private readonly byPolicy = new WeakMap<TlsPolicy, tls.SecureContext>();
  private system: string | undefined | null = null;

  /** @throws Error when a certificate or key cannot be read. */
  get(policy: TlsPolicy): tls.SecureContext {
    const known = this.byPolicy.get(policy);
    if (known !== undefined) return known;
    const made = this.sameFor(policy);
    this.byPolicy.set(policy, made);
    return made;
  }

  private sameFor({ ca, cert, key, minVersion, verify }: TlsPolicy): tls.SecureContext {
    // Pins and DANE judge by themselves: reading a hundred authorities would be for nothing.
    const authorities = verify === 'pin' || verify === 'dane' ? 'none' : ca;
    const id = createHash('sha256')
      .update(JSON.stringify([authorities, cert, key, minVersion]))
      .digest('base64');
    let context = this.contexts.get(id);
    if (context === undefined) {
      const trusted = authorities === 'none' ? [] : ca === '' ? this.systemStore() : ca;
      context = tls.createSecureContext({
        minVersion,
        ciphers: CIPHERS,
        ...(trusted === undefined ? {} : { ca: trusted }),
        ...(cert === '' ? {} : { cert, key }),
      });
      this.contexts.set(id, context);
      if (this.contexts.size > MAX_CONTEXTS) this.contexts.delete(this.contexts.keys().next().value!);
    }
    return context;
  }

  private systemStore(): string | undefined {
    if (this.system === null) {
      const path = SYSTEM_STORES.find((one) => existsSync(one));
      this.system = path === undefined ? undefined : readFileSync(path, 'utf8');
    }
    return this.system;
  }
}
