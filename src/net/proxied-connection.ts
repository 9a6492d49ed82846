/**
 * A connection from a balancer, up to the end of its PROXY header.
 */
import type net from 'node:net';
import type { Accepted, Take } from './adopt-socket.js';
import { type ProxiedEnd, ProxyHeaderParser } from './proxy-header.js';

export type ProxyOutcome =
  | {
      /** null: the connection is the balancer's own. */
      readonly client: ProxiedEnd | null;
      readonly socket: net.Socket;
      /** Bytes that came behind the header. */
      readonly early: Uint8Array | null;
      /** Another taker for what is read; `flow`: reading goes on. */
      read(take: Take, flow: boolean): net.Socket;
    }
  /** It is closed. */
  | { readonly reason: string };

/** Reads the header; `done` is called once. `timeout` in ms. */
export function awaitProxyHeader(
  accepted: Accepted,
  version: 'v1' | 'v2',
  timeout: number,
  done: (outcome: ProxyOutcome) => void,
): void {
  const parser = new ProxyHeaderParser(version);
  let over = false;
  const fail = (reason: string): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    socket.destroy();
    done({ reason });
  };
  const timer = setTimeout(() => fail('no PROXY header came in time'), timeout);
  let take: Take = (chunk, length) => {
    const verdict = parser.feed(chunk, 0, length);
    if (verdict.kind === 'more') return true;
    if (verdict.kind === 'malformed') {
      fail(verdict.reason);
      return false;
    }
    over = true;
    clearTimeout(timer);
    const early = verdict.end < length ? Uint8Array.prototype.slice.call(chunk, verdict.end, length) : null;
    // Out of this read first: the socket may get another owner.
    setImmediate(() => {
      socket.off('error', onError);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      if (socket.destroyed) {
        socket.on('error', () => {});
        done({ reason: 'the connection was closed behind the PROXY header' });
        return;
      }
      done({
        client: verdict.proxied?.client ?? null,
        socket,
        early,
        read(next, flow) {
          take = next;
          if (flow) socket.resume();
          return socket;
        },
      });
    });
    return false;
  };
  const socket = accepted.open((chunk, length) => take(chunk, length));
  const onError = (): void => fail('the connection was lost before its PROXY header');
  const onEnd = (): void => fail('the connection was closed before its PROXY header');
  socket.on('error', onError);
  socket.on('end', onEnd);
  socket.on('close', onEnd);
}
