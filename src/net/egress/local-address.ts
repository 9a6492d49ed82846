/**
 * Whether mail can leave from an address: the kernel is asked, since addresses may be usable that no interface shows
 * (all of 127.0.0.0/8, local routes, ip_nonlocal_bind).
 */
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { messageOf } from '../../core/errors.js';

/** Addresses that a message names at most. */
const MAX_NAMED = 50;

/** '' when a connection can leave from the address, else why not. Never rejects. */
export function whyNotLocal(address: string): Promise<string> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRNOTAVAIL' ? 'this host has no such address' : messageOf(error)),
    );
    server.listen({ host: address, port: 0, backlog: 1 }, () => server.close(() => resolve('')));
  });
}

/** The addresses of this host's interfaces. */
export function ownAddressList(): string[] {
  const found = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  return found.length > MAX_NAMED ? [...found.slice(0, MAX_NAMED), `and ${found.length - MAX_NAMED} more`] : found;
}
