/**
 * The control socket of the running engine: ties the listener of net to the commands of control.
 */
import { serveControl } from './control/control-socket.js';
import type { EngineControl } from './control/engine-control.js';
import { listenUnix, type UnixListener } from './net/unix-socket.js';

export class ControlServer {
  private readonly listener: UnixListener;

  private constructor(listener: UnixListener) {
    this.listener = listener;
  }

  /**
   * Listens on the Unix socket `path`, mode 0600. `engine` is asked at each request; null while it is not there.
   * @throws SluiceError as listenUnix.
   */
  static async open(path: string, engine: () => EngineControl | null): Promise<ControlServer> {
    return new ControlServer(await listenUnix(path, (socket) => void serveControl(socket, engine)));
  }

  /** Stops, ends the open connections and removes the socket file. */
  close(): Promise<void> {
    return this.listener.close();
  }
}
