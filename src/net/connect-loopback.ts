/**
 * A connection to the engine on this machine, for commands.
 */
import net from 'node:net';

/** For the connection, ms. */
const PATIENCE = 10_000;

/** Connects; null where nobody answers there. */
export function connectLoopback(host: string, port: number): Promise<net.Socket | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, noDelay: true });
    const fail = (): void => {
      socket.destroy();
      resolve(null);
    };
    socket.setTimeout(PATIENCE, fail);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}
