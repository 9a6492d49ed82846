/**
 * What delivery asks of the network: connections to addresses. net implements it, app.ts binds it.
 */
import type { DialFrom } from './egress.js';
import type { TlsFailure, TlsPolicy, TlsState } from './tls-policy.js';

/** A connection being made or made. */
export interface Wire {
  /** False: more is buffered than is good; wait for `drained`. */
  write(data: Buffer): boolean;
  /** Bytes given to it and not yet taken by the system. */
  readonly unsent: number;
  writeText(text: string, encoding: 'latin1' | 'utf8'): boolean;
  /**
   * Begins TLS on a connection that stands, with nothing unread (an implicit policy does that itself: `secured`, then
   * `connected`). It has no deadline of its own. Ends in `secured` or `tlsFailed`; with `required`, `secured` comes only for a certificate that passed.
   */
  startTls(): void;
  /** Sends what is buffered, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Told by a wire. After `lost` nothing more comes. */
export interface WireEvents {
  connected(): void;
  /** `chunk[start, end)` is valid during the call only. */
  received(chunk: Buffer, start: number, end: number): void;
  drained(): void;
  secured(state: TlsState): void;
  /** TLS did not come to stand; the connection is gone, `lost` does not follow. */
  tlsFailed(failure: TlsFailure): void;
  /**
   * `reason`: why, in words, '' when the peer simply closed. `atSource`: the egress source or its proxy failed; it says
   * nothing of the host.
   */
  lost(reason: string, atSource?: boolean): void;
}

/** Opens a connection, from an egress source where one is given; never throws, failures come as `lost`. */
export type Dial = (address: string, port: number, policy: TlsPolicy, events: WireEvents, from?: DialFrom) => Wire;
