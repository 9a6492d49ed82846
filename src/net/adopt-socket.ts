/**
 * Reading an accepted connection into the thread's one buffer.
 *
 * `net.Server` offers no `onread` for the sockets it accepts, and reading without it costs an allocation of 64 KiB a read.
 * The handle of an accepted, still paused socket can be put under a new Socket that has `onread` (proven on Node 20 to
 * 24). Where the handle is not to be had, reading falls back to 'data' events.
 */
import net from 'node:net';
import { readBuffer } from './read-buffer.js';

/** An accepted socket with the private handle that Node keeps in it. */
interface WithHandle {
  _handle?: unknown;
}

/**
 * The socket to use from now on; the one given must be paused and is not to be used again. `take(chunk, length)` gets
 * the bytes, valid during the call only; it answers false to stop reading until `resume()`.
 */
export function adoptForReading(socket: net.Socket, take: (chunk: Buffer, length: number) => boolean): net.Socket {
  const holder = socket as WithHandle;
  const handle = holder._handle;
  if (handle === undefined || handle === null) {
    socket.on('data', (chunk: Buffer) => {
      if (!take(chunk, chunk.length)) socket.pause();
    });
    return socket;
  }
  holder._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: { buffer: readBuffer, callback: (length: number) => take(readBuffer, length) },
  };
  const adopted = new net.Socket(options as net.SocketConstructorOpts);
  adopted.resume();
  return adopted;
}
