/**
 * What delivery asks of the network: connections to addresses. net implements it, app.ts binds it.
 */

/** A connection being made or made. */
export interface Wire {
  /** False: more is buffered than is good; wait for `drained`. */
  write(data: Buffer): boolean;
  /** Bytes given to it and not yet taken by the system. */
  readonly unsent: number;
  writeText(text: string, encoding: 'latin1' | 'utf8'): boolean;
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
  /** `reason`: why, in words, '' when the peer simply closed. */
  lost(reason: string): void;
}

/** Opens a connection; never throws, failures come as `lost`. */
export type Dial = (address: string, port: number, events: WireEvents) => Wire;
