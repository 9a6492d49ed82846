/**
 * TLS on the server's side of a connection: from a socket that carries clear bytes, or none yet, to one that is secure.
 *
 * The same for implicit TLS, for STARTTLS, and on whatever thread. The socket beneath is not to be touched afterwards.
 */
import type net from 'node:net';
import tls from 'node:tls';
import type { TlsFacts } from '../../smtp/server-host.js';

/** How clients are met; SecureContexts is one. */
export interface ServerTls {
  /** Fresh at each call, as certificates change. */
  options(): tls.TLSSocketOptions;
  factsOf(socket: tls.TLSSocket): TlsFacts;
}

/**
 * Begins a handshake on `raw`. `early`: bytes of it that were read already. `secured` is called when it is done; a
 * failure comes as the socket's 'error', then 'close'.
 */
export function beginServerTls(
  raw: net.Socket,
  how: ServerTls,
  early: Uint8Array | null,
  secured: (socket: tls.TLSSocket, facts: TlsFacts) => void,
): tls.TLSSocket {
  // Errors of the socket beneath are reported by the one on top.
  raw.on('error', () => {});
  if (early !== null && early.length > 0) raw.unshift(early);
  const socket = new tls.TLSSocket(raw, { ...how.options(), isServer: true });
  // Once: Node tells it again when a client asks for a renegotiation, although that is refused.
  socket.once('secure', () => secured(socket, how.factsOf(socket)));
  return socket;
}

/** A failed handshake in words, for the log. */
export function handshakeFailure(error: Error | null): string {
  if (error === null) return 'the client closed the connection in the handshake';
  const { code, reason } = error as Error & { code?: string; reason?: string };
  return WORDS[code ?? ''] ?? reason ?? error.message;
}

const WORDS: Readonly<Record<string, string>> = {
  ERR_SSL_HTTP_REQUEST: 'the client speaks HTTP',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the client does not speak TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the client knows no TLS version that is allowed (SLUICE_TLS_MIN_VERSION)',
  ERR_SSL_VERSION_TOO_LOW: 'the client knows no TLS version that is allowed (SLUICE_TLS_MIN_VERSION)',
  ERR_SSL_NO_SHARED_CIPHER: 'the client knows no cipher that is allowed (SLUICE_TLS_CIPHERS)',
  ECONNRESET: 'the client reset the connection in the handshake',
};
