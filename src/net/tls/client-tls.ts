/**
 * TLS over a connection to a next hop that stands: the handshake, the judgement of the certificate, resumption.
 *
 * OpenSSL never ends a handshake because of a certificate; the verdict is made here, when it is over, and nothing is sent
 * before. Has no deadline: the caller destroys the socket.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import tls from 'node:tls';
import { systemClock } from '../../core/clock.js';
import { messageOf } from '../../core/errors.js';
import type { TlsFailure, TlsPolicy, TlsState } from '../../delivery/tls-policy.js';
import { ClientContexts } from './client-context.js';
import { checkPeer } from './peer-certificates.js';
import { type CachedSession, policyIdentity, SessionCache } from './session-cache.js';

/** Told once, and then no more. */
export interface HandshakeEnd {
  secured(state: TlsState): void;
  failed(failure: TlsFailure): void;
}

const MAX_CHAIN = 10;

export class ClientTls {
  private readonly sessions: SessionCache;
  private readonly contexts = new ClientContexts();

  constructor(sessions = new SessionCache()) {
    this.sessions = sessions;
  }

  /**
   * Begins a handshake on `socket`. The TLS socket that comes back is the caller's, with its `error` and `close`; it is
   * null when the policy's own certificate cannot be used, after `failed`.
   */
  begin(socket: Socket, address: string, port: number, policy: TlsPolicy, end: HandshakeEnd): tls.TLSSocket | null {
    const key = `${address} ${port} ${policyIdentity(policy)}`;
    const cached = this.sessions.take(key, systemClock.now());
    let secure: tls.TLSSocket;
    try {
      secure = tls.connect({
        socket,
        secureContext: this.contexts.get(policy),
        servername: isIP(policy.serverName) === 0 ? policy.serverName : '',
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
        ...(cached === undefined ? {} : { session: cached.session }),
      });
    } catch (error) {
      end.failed({ kind: 'validation-failure', reason: `TLS cannot be set up: ${messageOf(error)}` });
      return null;
    }
    let over = false;
    let problem: TlsFailure | null | undefined;
    const early: Buffer[] = [];
    const keep = (session: Buffer): void => {
      if (problem === undefined) early.push(session);
      else if (problem === null || policy.mode !== 'required' || policy.verify === 'any')
        this.sessions.put(key, { session, problem, since: systemClock.now() });
    };
    const fail = (failure: TlsFailure): void => {
      if (over) return;
      over = true;
      end.failed(failure);
    };
    secure.on('session', keep);
    secure.once('secureConnect', () => {
      if (over) return;
      problem = judge(secure, policy, cached);
      if (policy.mode === 'required' && policy.verify !== 'any' && problem !== null) return fail(problem);
      over = true;
      // A session of TLS 1.2 may be used any number of times and is not told of again.
      if (cached !== undefined && secure.isSessionReused() && secure.getProtocol() === 'TLSv1.2')
        this.sessions.put(key, cached);
      for (const session of early) keep(session);
      end.secured(stateOf(secure, problem));
    });
    secure.once('error', (error) => fail({ kind: 'validation-failure', reason: `TLS handshake: ${wordsOf(error)}` }));
    secure.once('close', () => fail(CLOSED));
    secure.once('end', () => fail(CLOSED));
    return secure;
  }
}

const CLOSED: TlsFailure = {
  kind: 'validation-failure',
  reason: 'the host closed the connection in the TLS handshake',
};

/** What is wrong with the certificate; for a resumed session, what was when it was shown. */
function judge(secure: tls.TLSSocket, policy: TlsPolicy, cached: CachedSession | undefined): TlsFailure | null {
  if (cached !== undefined && secure.isSessionReused()) return cached.problem;
  const chain: X509Certificate[] = [];
  for (
    let one = secure.getPeerX509Certificate();
    one !== undefined && chain.length < MAX_CHAIN;
    one = one.issuerCertificate
  )
    chain.push(one);
  const error: unknown = secure.authorizationError;
  // Typed as an Error, and in truth OpenSSL's code as a string.
  const chainError = secure.authorized ? '' : error instanceof Error ? error.message : String(error ?? 'unknown');
  return checkPeer(policy, { chain, chainError }, Date.now());
}

function stateOf(secure: tls.TLSSocket, problem: TlsFailure | null): TlsState {
  const version = secure.getProtocol() ?? '';
  return {
    version,
    cipher: secure.getCipher().standardName,
    verified: problem === null,
    resumed: secure.isSessionReused(),
    ...(problem === null ? {} : { problem }),
    ...(version === 'TLSv1.3'
      ? { binding: secure.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) }
      : {}),
  };
}

/** OpenSSL's words without its source lines: `error:0A00010B:SSL routines:ssl3_get_record:wrong version number:...`. */
export function wordsOf(error: Error): string {
  const { reason } = error as Error & { reason?: unknown };
  if (typeof reason === 'string') return reason;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ECONNRESET') return 'the host closed the connection';
  return error.message.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 200);
}
