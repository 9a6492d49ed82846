/** One client that means ill, with the two ways in which most of them write: without an end, or very slowly. */
import net from 'node:net';

/** `stop` is set when it is to do no more. */
export class BadClient {
  readonly socket: net.Socket;
  stop = false;

  constructor(port: number, onEnd: () => void) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('close', onEnd);
  }

  write(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(bytes);
  }

  /** Writes one piece after another, each when the one before has left, until the connection ends. */
  pour(piece: () => Uint8Array | string, gap: number): void {
    if (this.stop || this.socket.destroyed || !this.socket.writable) return;
    this.socket.write(piece(), () => setTimeout(() => this.pour(piece, gap), gap));
  }

  /** Sends bytes of a text one at a time, over and over. */
  drip(text: string, gap: number): void {
    let at = 0;
    this.pour(() => text[at++ % text.length]!, gap);
  }
}
