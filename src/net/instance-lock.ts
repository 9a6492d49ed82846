/**
 * A lock between processes of one machine, by name: an abstract Unix socket (unix(7)).
 *
 * The kernel gives it to one process at a time and takes it back when that process ends by whatever way, so it can
 * neither be held twice nor be left behind. It is bound to the network namespace. Linux only: elsewhere it is always
 * granted, and callers need a second guard.
 */
import { createServer } from 'node:net';
import { SluiceError } from '../core/errors.js';

/** Takes the lock; the result releases it. @throws SluiceError `lock-held` when another process (or this one) has it. */
export function acquireInstanceLock(name: string): Promise<() => void> {
  if (process.platform !== 'linux') return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', (cause) => {
      reject(new SluiceError('lock-held', `the lock ${name} is held by another process`, { temporary: true, cause }));
    });
    server.listen({ path: `\0${name}` }, () => {
      server.unref();
      resolve(() => {
        server.close();
      });
    });
  });
}
