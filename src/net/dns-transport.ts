/**
 * One question and its answer over UDP or TCP.
 *
 * Contract: every exchange gets a socket of its own, so the kernel picks a new random source port each time (RFC 5452
 * section 4.5); UDP sockets are connected, so only the asked server's datagrams arrive and an unreachable port is known
 * at once. An exchange always settles: response, time-out, unreachable, or cancelled. Nothing rejects.
 * Limits: a TCP response is at most 65,535 bytes; after MAX_STRAYS datagrams that do not match the question the exchange
 * ends as `mismatch`, and the caller should go on over TCP, where an outsider cannot answer.
 */
import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';

/** A server to ask. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

export type ExchangeResult =
  | { readonly kind: 'response'; readonly bytes: Buffer }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'unreachable'; readonly detail: string };

/** An exchange under way. */
export interface Exchange {
  readonly done: Promise<ExchangeResult>;
  /** Ends it now, as `cancelled`. No effect when it has ended. */
  cancel(): void;
}

const MAX_STRAYS = 8;

/** Reads `1.2.3.4`, `1.2.3.4:53`, `::1` or `[::1]:53`; undefined when it is none of these. */
export function parseDnsServer(text: string): DnsServer | undefined {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = bracketed ?? (isIP(text) === 6 ? [text, text] : /^([^:]+)(?::(\d{1,5}))?$/.exec(text));
  const address = plain?.[1] ?? '';
  const port = plain?.[2] === undefined ? 53 : Number(plain[2]);
  if (isIP(address) === 0 || port < 1 || port > 65_535) return undefined;
  return { address, port };
}

/** Asks over UDP. `accepts` says whether a datagram answers the question; `timeout` in ms. */
export function exchangeUdp(
  server: DnsServer,
  query: Buffer,
  accepts: (bytes: Buffer) => boolean,
  timeout: number,
): Exchange {
  return settleOnce(timeout, (settle) => {
    const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
    let closed = false;
    let strays = 0;
    const failed = (error: Error | null | undefined): void => {
      if (error) settle({ kind: 'unreachable', detail: error.message });
    };
    socket.on('error', failed);
    socket.on('message', (bytes) => {
      if (accepts(bytes)) settle({ kind: 'response', bytes });
      else if (++strays >= MAX_STRAYS) settle({ kind: 'mismatch' });
    });
    // On failure this callback is given an error, which its declared type leaves out.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (error) failed(error);
      else if (!closed) socket.send(query, failed);
    });
    return () => {
      closed = true;
      socket.close();
    };
  });
}

/** Asks over TCP (RFC 7766), one connection for one question. `timeout` in ms covers all of it. */
export function exchangeTcp(
  server: DnsServer,
  query: Buffer,
  accepts: (bytes: Buffer) => boolean,
  timeout: number,
): Exchange {
  return settleOnce(timeout, (settle) => {
    const socket = connect({ host: server.address, port: server.port });
    const prefix = Buffer.allocUnsafe(2);
    prefix.writeUInt16BE(query.length);
    socket.write(Buffer.concat([prefix, query]));
    const chunks: Buffer[] = [];
    let received = 0;
    socket.on('error', (error) => settle({ kind: 'unreachable', detail: error.message }));
    socket.on('close', () => settle({ kind: 'unreachable', detail: 'connection closed before the answer' }));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < 2) return;
      // Joined only when it may be complete: the length is in the first two bytes, wherever they were split.
      const length = chunks[0]!.length >= 2 ? chunks[0]!.readUInt16BE(0) : Buffer.concat(chunks).readUInt16BE(0);
      if (received < length + 2) return;
      const bytes = Buffer.concat(chunks).subarray(2, length + 2);
      settle(accepts(bytes) ? { kind: 'response', bytes } : { kind: 'mismatch' });
    });
    return () => socket.destroy();
  });
}

/** Runs an exchange with its deadline; `start` gives back what closes its socket. The first result counts. */
function settleOnce(timeout: number, start: (settle: (result: ExchangeResult) => void) => () => void): Exchange {
  const { promise, resolve } = withResolver<ExchangeResult>();
  let over = false;
  let close: (() => void) | undefined;
  const settle = (result: ExchangeResult): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    close?.();
    resolve(result);
  };
  const timer = setTimeout(() => settle({ kind: 'timeout' }), timeout);
  close = start(settle);
  if (over) close();
  return { done: promise, cancel: () => settle({ kind: 'cancelled' }) };
}

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
