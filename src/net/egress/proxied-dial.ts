/**
 * The way through another machine: what is said to it before the next hop can be spoken to.
 *
 * SOCKS5 (RFC 1928, RFC 1929) by the package `socks`; the target is an address always, the proxy looks up no names. A
 * balancer is told by a header of the PROXY protocol, version 2, which addresses the connection is between.
 */
import net from 'node:net';
import { SocksClient } from 'socks';
import { messageOf } from '../../core/errors.js';
import type { EgressProxy } from '../../delivery/egress.js';

/** Longest handshake with a SOCKS proxy, ms; the caller's own limit is mostly shorter. */
const SOCKS_TIMEOUT = 60_000;
/** The PROXY protocol, section 2.2: signature, version 2 with command PROXY, then family and length. */
const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const VERSION_AND_COMMAND = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** `socks5://127.0.0.1:1080`, without the user. */
export function nameOfProxy({ kind, host, port }: EgressProxy): string {
  return `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Asks a SOCKS5 proxy that `socket` is connected to for a connection to the target; `done` is called once, with '' or
 * what went wrong; `ofTarget`: the proxy is well and could not make that very connection. Then the socket's 'data' is the target's, beginning in a later turn: a listener for it must be there
 * when `done` returns. A socket that was destroyed meanwhile is told of no more.
 */
export function askSocks(
  socket: net.Socket,
  { host, port, user, password }: EgressProxy,
  target: { readonly host: string; readonly port: number },
  done: (problem: string, ofTarget: boolean) => void,
): void {
  try {
    const client = new SocksClient({
      command: 'connect',
      destination: target,
      proxy: { host, port, type: 5, ...(user === '' ? {} : { userId: user, password }) },
      timeout: SOCKS_TIMEOUT,
      existing_socket: socket,
    });
    client.once('error', (error) => {
      const problem = lowerFirst(messageOf(error));
      done(problem, REFUSED_FOR_TARGET.test(problem));
    });
    client.once('established', () => done('', false));
    client.connect(socket);
  } catch (error) {
    done(messageOf(error), false);
  }
}

/** Replies of RFC 1928 section 6 that speak of the connection onward, in the words of the package. */
const REFUSED_FOR_TARGET =
  /rejected connection - (?:Failure|NetworkUnreachable|HostUnreachable|ConnectionRefused|TTLExpired)$/;

function lowerFirst(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}

/**
 * The header that makes a connection one from `source` to the target. Both of one family; the source port is the
 * balancer's choice and given as 0.
 */
export function proxyHeader(source: string, target: { readonly host: string; readonly port: number }): Buffer {
  const [from, to] = [addressBytes(source), addressBytes(target.host)];
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(target.port, 2);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(from.length + to.length + ports.length);
  const kind = Buffer.from([VERSION_AND_COMMAND, from.length === 4 ? TCP4 : TCP6]);
  return Buffer.concat([SIGNATURE, kind, length, from, to, ports]);
}

/** 4 or 16 bytes in network order. */
function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const bytes = Buffer.alloc(16);
  // The end of `::ffff:192.0.2.1` as two groups.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const groups = tail === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  groups.forEach((group, at) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * at);
  });
  return bytes;
}
