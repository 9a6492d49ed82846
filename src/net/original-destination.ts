/**
 * Where a connection was going before the firewall sent it here.
 *
 * `redirect` (REDIRECT, DNAT): the kernel changed the destination and remembers it, asked by getsockopt(2) with
 * SO_ORIGINAL_DST (linux/netfilter_ipv4.h) or IP6T_SO_ORIGINAL_DST. `tproxy` (TPROXY): the destination is left as it is,
 * so it is the local end of the accepted socket; the listening socket must be IP_TRANSPARENT (ip(7)), which takes
 * CAP_NET_ADMIN. Node offers neither option: they are set and asked through koffi. Linux only.
 */
import { createRequire } from 'node:module';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { messageOf } from '../core/errors.js';
import { plainAddress } from './address-set.js';
import type { Accepted } from './adopt-socket.js';

/** How connections come to a listener that is not their destination. */
export type Transparent = 'none' | 'redirect' | 'tproxy';

export interface End {
  readonly address: string;
  readonly port: number;
}

/** From <linux/in.h>, <linux/in6.h> and <linux/netfilter_ipv4.h>. */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const SO_ORIGINAL_DST = 80;
/** Sizes of sockaddr_in and sockaddr_in6. */
const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;
/** How long a list of this host's addresses holds, ms. */
const OWN_TIME = 5000;

interface Calls {
  getsockopt(descriptor: number, level: number, option: number, value: Buffer, length: Uint32Array): number;
  setsockopt(descriptor: number, level: number, option: number, value: Buffer, length: number): number;
}

/** What the kernel is asked through. */
export class SocketOptions {
  private readonly calls: Calls;

  private constructor(calls: Calls) {
    this.calls = calls;
  }

  /** Loads what is needed; a text says why it cannot be had. */
  static load(): SocketOptions | string {
    if (process.platform !== 'linux')
      return `the firewall's redirections are known on Linux only, not ${process.platform}`;
    try {
      const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
      const library = koffi.load(null as unknown as string);
      const int = 'int descriptor, int level, int option';
      return new SocketOptions({
        getsockopt: library.func(`int getsockopt(${int}, void *value, uint32_t *length)`) as Calls['getsockopt'],
        setsockopt: library.func(`int setsockopt(${int}, void *value, uint32_t length)`) as Calls['setsockopt'],
      });
    } catch (error) {
      return messageOf(error);
    }
  }

  /** The destination before REDIRECT or DNAT; null: the kernel knows of none. `six`: the client's address is IPv6. */
  originalDestination(descriptor: number, six: boolean): End | null {
    const value = Buffer.alloc(SOCKADDR_IN6);
    const length = Uint32Array.of(six ? SOCKADDR_IN6 : SOCKADDR_IN);
    const level = six ? SOL_IPV6 : SOL_IP;
    if (this.calls.getsockopt(descriptor, level, SO_ORIGINAL_DST, value, length) !== 0) return null;
    return six ? endOfIn6(value) : endOfIn(value);
  }

  /** Lets a listening socket accept for addresses that are not this host's; false: it may not (CAP_NET_ADMIN). */
  makeTransparent(descriptor: number): boolean {
    const on = Buffer.alloc(4);
    on.writeUInt32LE(1);
    // A socket of IPv6 takes both, as it takes clients of both.
    const six = this.calls.setsockopt(descriptor, SOL_IPV6, IPV6_TRANSPARENT, on, on.length) === 0;
    return this.calls.setsockopt(descriptor, SOL_IP, IP_TRANSPARENT, on, on.length) === 0 || six;
  }
}

/** struct sockaddr_in: family, port and address, the latter two in network order. */
export function endOfIn(bytes: Buffer): End {
  return { address: bytes.subarray(4, 8).join('.'), port: bytes.readUInt16BE(2) };
}

/** struct sockaddr_in6: family, port, flow, address. */
export function endOfIn6(bytes: Buffer): End {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16));
  const { address } = new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' });
  return { address: plainAddress(address), port: bytes.readUInt16BE(2) };
}

/** `192.0.2.1:25`, `[2001:db8::1]:25`. */
function textOf({ address, port }: End): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** Finds where accepted connections were going. */
export class OriginalDestinations {
  private readonly options: SocketOptions;
  private readonly now: () => number;
  private readonly ports: () => readonly number[];
  private own = new Set<string>();
  private ownUntil = Number.NEGATIVE_INFINITY;

  /** `now` in ms; `ports`: those we listen on. */
  constructor(options: SocketOptions, now: () => number, ports: () => readonly number[]) {
    this.options = options;
    this.now = now;
    this.ports = ports;
  }

  /**
   * The host and port that a connection was going to, `192.0.2.1:25`; or why it cannot be taken: nobody redirected it,
   * or it was going to one of our own listeners, so that its mail would come to us again and again.
   */
  find(how: 'redirect' | 'tproxy', accepted: Accepted): string | { readonly reason: string } {
    const local = accepted.local();
    const six = local.address.includes(':');
    const end = how === 'tproxy' ? local : this.options.originalDestination(accepted.descriptor, six);
    if (end === null) return { reason: `it was not redirected here by the firewall (to ${textOf(local)})` };
    if (end.address === '') return { reason: 'it is closed already' };
    if (this.isOurs(end)) return { reason: `its original destination ${textOf(end)} is this engine itself` };
    return textOf(end);
  }

  private isOurs({ address, port }: End): boolean {
    if (!this.ports().includes(port)) return false;
    if (address.startsWith('127.') || address === '::1') return true;
    if (this.now() >= this.ownUntil) {
      const lists = Object.values(networkInterfaces());
      this.own = new Set(lists.flatMap((list) => (list ?? []).map((one) => one.address)));
      this.ownUntil = this.now() + OWN_TIME;
    }
    return this.own.has(address);
  }
}
