/**
 * Unix sockets: listening with access for the own user only, and connecting.
 *
 * Limits: the system takes 107 bytes of path. A longer one is reached through its folder's descriptor
 * (/proc/self/fd, Linux); the name itself must then fit. A stale socket file of a process that is gone is replaced; a
 * living one, or any other kind of file, is not.
 */
import { chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname, resolve } from 'node:path';
import { SluiceError } from '../core/errors.js';

/** sun_path of unix(7), without its final NUL. */
const MAX_PATH = 107;
const OWNER_ONLY = 0o600;
/** Connections at once; a person and some scripts. */
const MAX_CONNECTIONS = 32;
/** A silent connection is closed after this, ms. */
const IDLE_TIME = 300_000;

export interface UnixListener {
  readonly path: string;
  /** Stops listening, ends the open connections and removes the socket file. */
  close(): Promise<void>;
}

interface Reach {
  readonly path: string;
  release(): void;
}

/** A path the system takes for `path`, good until released. */
function reach(path: string): Reach {
  const whole = resolve(path);
  if (Buffer.byteLength(whole) <= MAX_PATH) return { path: whole, release: () => undefined };
  const fd = openSync(dirname(whole), constants.O_RDONLY | constants.O_DIRECTORY);
  const short = `/proc/self/fd/${fd}/${basename(whole)}`;
  if (Buffer.byteLength(short) <= MAX_PATH) return { path: short, release: () => closeSync(fd) };
  closeSync(fd);
  throw new SluiceError(
    'socket-path-too-long',
    `${whole}: the name of a socket is at most 85 bytes; give a shorter one`,
    {
      temporary: false,
    },
  );
}

function codeOf(thrown: unknown): string {
  return String((thrown as { code?: unknown }).code ?? thrown);
}

function connectTo(path: string): Promise<net.Socket> {
  return new Promise((done, fail) => {
    const socket = net.connect(path);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.removeListener('error', fail);
      done(socket);
    });
  });
}

/** @throws SluiceError `socket-in-use` when a process listens there, `socket-not-a-socket` for another kind of file. */
async function removeStale(path: string, shown: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) {
      const why = `${shown} exists and is not a socket; remove it or name another path`;
      throw new SluiceError('socket-not-a-socket', why, { temporary: false });
    }
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return;
    throw thrown;
  }
  const living = await connectTo(path).catch(() => null);
  if (living !== null) {
    living.destroy();
    throw new SluiceError('socket-in-use', `another process listens on ${shown}`, { temporary: true });
  }
  unlinkSync(path);
}

/**
 * Listens on `path` (its folder is made where missing), mode 0600.
 * @throws SluiceError `socket-in-use`, `socket-not-a-socket`, `socket-path-too-long`, `socket-listen-failed`.
 */
export async function listenUnix(path: string, onConnection: (socket: net.Socket) => void): Promise<UnixListener> {
  const whole = resolve(path);
  let reached: Reach | undefined;
  try {
    mkdirSync(dirname(whole), { recursive: true, mode: 0o700 });
    reached = reach(whole);
    await removeStale(reached.path, whole);
    const open = new Set<net.Socket>();
    // Half open: a client may send its requests, end, and read the answers; who serves it ends its side.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
      socket.setTimeout(IDLE_TIME, () => socket.destroy());
      onConnection(socket);
    });
    server.maxConnections = MAX_CONNECTIONS;
    const bound = reached;
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(bound.path, () => {
        server.removeListener('error', fail);
        done();
      });
      // listen() has bound the path by now: closed to others before anything of this turn returns to the loop.
      if (server.listening) chmodSync(bound.path, OWNER_ONLY);
    });
    server.on('error', () => undefined);
    let closing: Promise<void> | undefined;
    const shut = (): Promise<void> =>
      new Promise((done) => {
        server.close(() => {
          bound.release();
          done();
        });
        for (const socket of open) socket.destroy();
      });
    return {
      path: whole,
      close: () => {
        closing ??= shut();
        return closing;
      },
    };
  } catch (thrown) {
    reached?.release();
    if (thrown instanceof SluiceError) throw thrown;
    throw new SluiceError('socket-listen-failed', `cannot listen on ${whole} (${codeOf(thrown)})`, {
      temporary: false,
      cause: thrown,
    });
  }
}

/** Connects. @throws SluiceError `socket-unreachable` naming the path and why. */
export async function connectUnix(path: string): Promise<net.Socket> {
  let reached: Reach | undefined;
  try {
    reached = reach(path);
    return await connectTo(reached.path);
  } catch (thrown) {
    const why = `cannot connect to ${resolve(path)} (${codeOf(thrown)})`;
    throw new SluiceError('socket-unreachable', why, {
      temporary: true,
      cause: thrown,
    });
  } finally {
    reached?.release();
  }
}
