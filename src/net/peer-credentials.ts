/**
 * Who is at the other end of a Unix socket: SO_PEERCRED of unix(7), as the kernel vouches for it.
 *
 * Node does not offer it: it is asked through koffi. Linux only; elsewhere, and where koffi cannot load, nobody is known.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

/** From <asm-generic/socket.h>. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid. */
const UCRED = 12;

type GetSockOpt = (descriptor: number, level: number, option: number, value: Buffer, length: Uint32Array) => number;

let getsockopt: GetSockOpt | null | undefined;

/** `uid 1000 pid 4711`; '' where it cannot be known. */
export function peerName(socket: Socket): string {
  getsockopt ??= load();
  const descriptor = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
  if (getsockopt === null || descriptor < 0) return '';
  const value = Buffer.alloc(UCRED);
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, value, Uint32Array.of(UCRED)) !== 0) return '';
  return `uid ${value.readUInt32LE(4)} pid ${value.readInt32LE(0)}`;
}

function load(): GetSockOpt | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const call = 'int getsockopt(int descriptor, int level, int option, void *value, uint32_t *length)';
    return koffi.load(null as unknown as string).func(call) as GetSockOpt;
  } catch {
    return null;
  }
}
