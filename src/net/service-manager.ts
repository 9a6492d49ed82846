/**
 * Tells the service manager how the process is (sd_notify(3)): a datagram to the Unix socket that NOTIFY_SOCKET names.
 *
 * Contract: `open` gives a reason in words where that cannot be done; `tell` never blocks or throws, and a datagram that
 * the manager does not take is lost. Node has no datagram sockets in the Unix domain: they are made through koffi. Linux
 * only. A leading @ is an address in the abstract namespace (unix(7)), whose first byte is 0.
 */
import { createRequire } from 'node:module';
import { messageOf } from '../core/errors.js';

/** From <bits/socket.h>; the same on all architectures of Linux but mips and hppa. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of `sun_path` in struct sockaddr_un. */
const MAX_PATH = 108;

type SendTo = (
  descriptor: number,
  bytes: Buffer,
  size: number,
  flags: number,
  address: Buffer,
  addressSize: number,
) => number;

export class ServiceManager {
  private readonly descriptor: number;
  private readonly address: Buffer;
  private readonly send: SendTo;

  private constructor(descriptor: number, address: Buffer, send: SendTo) {
    this.descriptor = descriptor;
    this.address = address;
    this.send = send;
  }

  /** `path`: of the socket, absolute or with a leading @. A text says why it cannot be told anything. */
  static open(path: string): ServiceManager | string {
    if (process.platform !== 'linux') return `it is told on Linux only, not ${process.platform}`;
    if (!path.startsWith('/') && !path.startsWith('@')) return `"${path}" is neither a path nor an abstract address`;
    const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
    if (name.length > MAX_PATH - 1) return `the address is longer than ${MAX_PATH - 1} bytes`;
    try {
      const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
      const library = koffi.load(null as unknown as string);
      const socket = library.func('int socket(int domain, int type, int protocol)') as (...of: number[]) => number;
      const send = library.func(
        'intptr_t sendto(int descriptor, const void *bytes, size_t size, int flags, const void *address, uint32_t length)',
      ) as SendTo;
      const descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (descriptor < 0) return 'no socket could be made';
      // struct sockaddr_un: the family in the order of this machine, then the path; an abstract name ends where it ends.
      const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1));
      new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
      name.copy(address, 2);
      return new ServiceManager(descriptor, address, send);
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Sends assignments such as `READY=1`; whether the manager took them. */
  tell(...assignments: readonly string[]): boolean {
    const bytes = Buffer.from(assignments.join('\n'));
    return this.send(this.descriptor, bytes, bytes.length, MSG_NOSIGNAL, this.address, this.address.length) >= 0;
  }
}
