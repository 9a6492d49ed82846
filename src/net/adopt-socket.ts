/**
 * Accepted connections, read into the thread's one buffer.
 *
 * `net.Server` makes a Socket of every connection it accepts and offers no `onread` for it; reading without `onread`
 * costs an allocation of 64 KiB a read, and a second Socket over the same handle costs as much as the first. So the
 * server's handle is asked for the bare connections instead, and each gets one Socket, with `onread` (Node 20 to 24).
 * Where Node no longer has that handle, the Socket that the server made is used, and read by 'data' events.
 */
import { closeSync } from 'node:fs';
import net from 'node:net';
import { plainAddress } from './address-set.js';
import { readBuffer } from './read-buffer.js';

/** Gets the bytes read, `chunk[0, length)`, valid during the call only; false stops reading until `resume()`. */
export type Take = (chunk: Buffer, length: number) => boolean;

/** A connection that was accepted and is not being read. Exactly one of the methods is to be called, once. */
export interface Accepted {
  /** Client address and port; '' when it is gone already. */
  readonly address: string;
  readonly port: number;
  /** File descriptor, -1 when it is not known. */
  readonly descriptor: number;
  /** Its local end, IPv4-mapped IPv6 as IPv4; address '' when it is gone already. */
  local(): { readonly address: string; readonly port: number };
  /** Begins to read. */
  open(take: Take): net.Socket;
  /** Closes it without a word; what has a duplicate of the descriptor goes on. */
  discard(): void;
}

/** The file descriptor of a socket, -1 when it is not known. */
export function descriptorOf(socket: net.Socket): number {
  return (socket as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}

/** The file descriptor of a listening server, -1 when it is not known. */
export function descriptorOfServer(server: net.Server): number {
  return (server as { _handle?: ServerHandle | null })._handle?.fd ?? -1;
}

interface PeerName {
  address?: string;
  port?: number;
}

/** What is used of Node's own object under a connection. */
interface ConnectionHandle {
  getpeername(out: PeerName): number;
  getsockname(out: PeerName): number;
  setNoDelay(on: boolean): number;
  close(): void;
  readonly fd?: number;
}

/** What is used of Node's own object under a listening server. */
interface ServerHandle {
  readonly fd?: number;
  onconnection?: (status: number, connection?: ConnectionHandle) => void;
}

/**
 * The socket of a descriptor that this thread owns from now on; null, and the descriptor closed, when the client has gone
 * in the meantime.
 */
export function openDescriptor(descriptor: number): net.Socket | null {
  try {
    const socket = new net.Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
    return socket.setNoDelay(true);
  } catch {
    closeSync(descriptor);
    return null;
  }
}

/** Hands every connection that a listening server accepts to `accept`. */
export function acceptFrom(server: net.Server, accept: (connection: Accepted) => void): void {
  const handle = (server as { _handle?: ServerHandle | null })._handle;
  if (typeof handle?.onconnection === 'function') {
    // Without a connection there is a status: out of descriptors. The kernel keeps the client waiting.
    handle.onconnection = (_status, connection) => {
      if (connection !== undefined) accept(ofHandle(connection));
    };
  } else {
    server.on('connection', (socket) => accept(ofSocket(socket)));
  }
}

function ofHandle(handle: ConnectionHandle): Accepted {
  const peer: PeerName = {};
  handle.getpeername(peer);
  handle.setNoDelay(true);
  return {
    address: peer.address ?? '',
    port: peer.port ?? 0,
    descriptor: handle.fd ?? -1,
    local() {
      const end: PeerName = {};
      handle.getsockname(end);
      return { address: plainAddress(end.address ?? ''), port: end.port ?? 0 };
    },
    discard: () => handle.close(),
    open(take) {
      const onread = { buffer: readBuffer, callback: (length: number) => take(readBuffer, length) };
      const options = { handle, allowHalfOpen: true, onread };
      return new net.Socket(options as net.SocketConstructorOpts);
    },
  };
}

function ofSocket(socket: net.Socket): Accepted {
  return {
    address: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    descriptor: descriptorOf(socket),
    local: () => ({ address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 }),
    discard: () => void socket.destroy(),
    open(take) {
      socket.on('data', (chunk: Buffer) => {
        if (!take(chunk, chunk.length)) socket.pause();
      });
      return socket;
    },
  };
}
