/**
 * TLS of clients' connections, made from TlsMaterial. Each thread has its own; a new material makes a new one, and
 * sessions under way keep what they began with.
 *
 * A client certificate is asked for where authorities are configured, never demanded: a client without one, or with one
 * that cannot be verified, gets in without its rights. Contexts are made when first used: a host may have thousands of
 * names of which a thread sees few.
 */
import { constants, createHash } from 'node:crypto';
import tls from 'node:tls';
import type { ClientCertificate } from '../../smtp/authentication.js';
import type { TlsFacts } from '../../smtp/server-host.js';
import { namesOf } from './alternative-names.js';
import type { CertificatePair, TlsMaterial } from './tls-material.js';

/** How long a session may be resumed, s. A client certificate is not looked at again within it. */
const SESSION_LIFETIME = 3600;
/** Octets of the channel binding `tls-exporter` (RFC 9266 section 2). */
const EXPORTER_LENGTH = 32;
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding';

/** A context for one pair. @throws Error when OpenSSL refuses the pair or the ciphers. */
export function createContext(material: TlsMaterial, pair: CertificatePair): tls.SecureContext {
  return tls.createSecureContext({
    cert: pair.chain,
    key: pair.key,
    // An empty list: none. Left out it would be all of Mozilla's.
    ca: material.clientCa === '' ? [] : material.clientCa,
    minVersion: material.minVersion,
    ciphers: material.ciphers,
    // In the order of the setting, where AES-128 comes first: SHA-256 in place of SHA-384 makes a connection an eighth
    // cheaper. A client that asks for ChaCha20 first has no hardware for AES and gets it.
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
    ticketKeys: Buffer.from(material.ticketKeys),
    sessionTimeout: SESSION_LIFETIME,
    // One for all threads; other authorities make another one, so that no session outlives those that vouched for it.
    sessionIdContext: createHash('sha256').update(material.clientCa).digest('hex').slice(0, 32),
  });
}

export class SecureContexts {
  readonly material: TlsMaterial;
  private readonly byName = new Map<string, CertificatePair>();
  private readonly contexts = new Map<CertificatePair, tls.SecureContext>();

  constructor(material: TlsMaterial) {
    this.material = material;
    for (const pair of material.pairs) this.name(pair.names.slice(0, 1), pair);
    for (const pair of material.pairs) this.name(pair.names, pair);
  }

  /** The context for a name that the client gave (RFC 6066 section 3): exact, then a wildcard for one label, then the first pair. */
  contextFor(servername: string): tls.SecureContext {
    const name = servername.toLowerCase().replace(/\.$/, '');
    const wildcard = `*${name.slice(Math.max(0, name.indexOf('.')))}`;
    return this.contextOf(this.byName.get(name) ?? this.byName.get(wildcard) ?? this.material.pairs[0]!);
  }

  /** For `new tls.TLSSocket(socket, options)`, and the same for every connection. */
  options(): tls.TLSSocketOptions {
    const requestCert = this.material.clientCa !== '';
    return {
      isServer: true,
      secureContext: this.contextOf(this.material.pairs[0]!),
      requestCert,
      rejectUnauthorized: false,
      // Choosing by name stops the handshake for a call into JavaScript: only where there is a choice.
      ...(this.material.pairs.length > 1 && {
        SNICallback: (name: string, done: (error: Error | null, context?: tls.SecureContext) => void) => {
          done(null, this.contextFor(name));
        },
      }),
    };
  }

  /**
   * What a session needs to know. Call it at the first 'secure' event: Node emits another one when the client asks for a
   * renegotiation, although that is refused.
   */
  factsOf(socket: tls.TLSSocket): TlsFacts {
    const version = socket.getProtocol() ?? '';
    const clientCertificate = this.material.clientCa === '' ? null : verifiedCertificate(socket);
    return {
      version,
      cipher: socket.getCipher().standardName,
      clientCertificate,
      mayRelay: clientCertificate !== null && this.mayRelay(clientCertificate),
      channelBinding: () =>
        version === 'TLSv1.3' ? socket.exportKeyingMaterial(EXPORTER_LENGTH, EXPORTER_LABEL, Buffer.alloc(0)) : null,
    };
  }

  private name(names: readonly string[], pair: CertificatePair): void {
    for (const name of names) if (!this.byName.has(name)) this.byName.set(name, pair);
  }

  private contextOf(pair: CertificatePair): tls.SecureContext {
    let context = this.contexts.get(pair);
    if (context === undefined) {
      context = createContext(this.material, pair);
      this.contexts.set(pair, context);
    }
    return context;
  }

  private mayRelay(certificate: ClientCertificate): boolean {
    const { relayClients } = this.material;
    if (relayClients.includes(`sha256:${certificate.fingerprint}`)) return true;
    return [certificate.commonName, ...certificate.names].some(
      (name) => name !== '' && relayClients.includes(`subject:${name.toLowerCase()}`),
    );
  }
}

/** Node's handle under a TLS socket: `authorized` is set by tls.Server only, and only after this. */
interface TlsHandle {
  verifyError(): Error | null | undefined;
}

/** The client's certificate if its chain was verified. A resumed session has the verdict of the one it resumes. */
function verifiedCertificate(socket: tls.TLSSocket): ClientCertificate | null {
  // Without a certificate OpenSSL finds nothing wrong with a resumed TLS 1.3 session: the certificate must be there.
  const certificate = socket.getPeerX509Certificate();
  const handle = (socket as unknown as { _handle: TlsHandle | null })._handle;
  if (certificate === undefined || handle === null || handle.verifyError()) return null;
  const { commonName, dns, emails } = namesOf(certificate);
  return {
    commonName,
    names: [...dns, ...emails],
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
