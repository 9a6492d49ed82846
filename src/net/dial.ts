/**
 * Connections to next hops: implements delivery's Dial over TCP sockets that read into the thread's one buffer.
 */
import net from 'node:net';
import type { Dial, Wire, WireEvents } from '../delivery/wire.js';
import { readBuffer } from './read-buffer.js';

/** Opens a TCP connection. */
export const dial: Dial = (address, port, _policy, events) => new TcpWire(address, port, events);

class TcpWire implements Wire {
  private readonly socket: net.Socket;
  private events: WireEvents | null;

  constructor(address: string, port: number, events: WireEvents) {
    this.events = events;
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
    this.socket.on('connect', () => this.events?.connected());
    this.socket.on('drain', () => this.events?.drained());
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.lose(describe(error, address, port)));
    this.socket.on('end', () => this.lose(''));
    this.socket.on('close', () => this.lose(''));
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
    throw new Error('TLS is not built yet');
  }

  end(): void {
    this.events = null;
    this.socket.end();
  }

  destroy(): void {
    this.events = null;
    this.socket.destroy();
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
  return `${WORDS[error.code ?? ''] ?? error.message} (${address}:${port})`;
}
