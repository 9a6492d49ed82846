/**
 * Connections to next hops: implements delivery's Dial over TCP sockets that read into the thread's one buffer, and over
 * TLS on top of them.
 *
 * A Buffer given to `write` counts in `unsent` until the system has its bytes; under TLS until they are encrypted, which
 * copies them, and the system has the result. So where `unsent` is 0, the memory may be used for something else.
 */
import net from 'node:net';
import type { TlsFailure, TlsPolicy } from '../delivery/tls-policy.js';
import type { Dial, Wire, WireEvents } from '../delivery/wire.js';
import { readBuffer } from './read-buffer.js';
import { ClientTls, wordsOf } from './tls/client-tls.js';

/** A Dial with TLS sessions of its own to resume. */
export function createDial(tls = new ClientTls()): Dial {
  return (address, port, policy, events) => new TcpWire(address, port, policy, events, tls);
}

/** Opens connections. */
export const dial: Dial = createDial();

class TcpWire implements Wire {
  private readonly address: string;
  private readonly port: number;
  private readonly policy: TlsPolicy;
  private readonly tls: ClientTls;
  /** What the session writes to: the TCP socket, or TLS over it. */
  private socket: net.Socket;
  private events: WireEvents | null;

  constructor(address: string, port: number, policy: TlsPolicy, events: WireEvents, tls: ClientTls) {
    this.address = address;
    this.port = port;
    this.policy = policy;
    this.events = events;
    this.tls = tls;
    this.socket = net.connect({
      host: address,
      port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.events?.received(readBuffer, 0, length);
          return true;
        },
      },
    });
    this.socket.once('connect', () => {
      if (policy.implicit && policy.mode !== 'none') this.startTls();
      else this.events?.connected();
    });
    this.watch();
  }

  write(data: Buffer): boolean {
    return this.socket.write(data);
  }

  get unsent(): number {
    return this.socket.writableLength;
  }

  writeText(text: string, encoding: 'latin1' | 'utf8'): boolean {
    return this.socket.write(text, encoding);
  }

  startTls(): void {
    const tcp = this.socket;
    // From here on the TLS socket tells of everything; the TCP socket under it must only never be without a listener.
    for (const event of ['drain', 'error', 'end', 'close']) tcp.removeAllListeners(event);
    tcp.on('error', () => {});
    const secure = this.tls.begin(tcp, this.address, this.port, this.policy, {
      secured: (state) => {
        this.watch();
        secure!.on('data', (chunk) => this.events?.received(chunk, 0, chunk.length));
        this.events?.secured(state);
        if (this.policy.implicit) this.events?.connected();
      },
      failed: (failure) => this.fail(failure),
    });
    if (secure === null) return;
    secure.on('error', () => {});
    this.socket = secure;
  }

  end(): void {
    this.events = null;
    this.socket.end();
  }

  destroy(): void {
    this.events = null;
    this.socket.destroy();
  }

  private watch(): void {
    const { socket } = this;
    socket.on('drain', () => this.events?.drained());
    socket.on('error', (error: NodeJS.ErrnoException) => this.lose(describe(error, this.address, this.port)));
    socket.on('end', () => this.lose(''));
    socket.on('close', () => this.lose(''));
  }

  private fail(failure: TlsFailure): void {
    const { events } = this;
    this.events = null;
    this.socket.destroy();
    events?.tlsFailed(failure);
  }

  private lose(reason: string): void {
    const { events } = this;
    this.events = null;
    this.socket.destroy();
    events?.lost(reason);
  }
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the host',
  EPIPE: 'connection closed by the host',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no local port or address left for the connection',
  EMFILE: 'too many open files',
};

function describe(error: NodeJS.ErrnoException, address: string, port: number): string {
  return `${WORDS[error.code ?? ''] ?? wordsOf(error)} (${address}:${port})`;
}
