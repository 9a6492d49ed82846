/**
 * The PROXY protocol: the line or block that a balancer puts before a connection to say who the client is.
 *
 * Source: "The PROXY protocol, versions 1 & 2" (haproxy, doc/proxy-protocol.txt), sections 2.1 and 2.2. Sans-I/O: bytes
 * in, a verdict out. Only the version that the listener is set to is taken, and only what stands in the header is
 * believed: TLVs are skipped, nothing after the header is looked at. Whether the sender may say so is for the caller to
 * check before (SLUICE_PROXY_NETWORKS).
 * Limits: version 1 takes 107 bytes, version 2 takes 4 KiB with its TLVs; 52 bytes are kept at most.
 */
import net from 'node:net';
import { plainAddress } from './address-set.js';

/** One end of the proxied connection; IPv4-mapped IPv6 as IPv4. */
export interface ProxiedEnd {
  readonly address: string;
  readonly port: number;
}

/** Both ends of a connection as the balancer saw it. */
export interface ProxiedConnection {
  readonly client: ProxiedEnd;
  readonly server: ProxiedEnd;
}

export type ProxyVerdict =
  /** The header is not complete; all bytes were taken. */
  | { readonly kind: 'more' }
  /**
   * `end`: where in the chunk the client's own bytes begin. `proxied` null: the connection is the balancer's own (LOCAL,
   * health checks) or of a kind that has no addresses (UNKNOWN, UNSPEC, UNIX): it keeps its address.
   */
  | { readonly kind: 'done'; readonly end: number; readonly proxied: ProxiedConnection | null }
  /** Not a header of this version: the connection is to be closed (section 2: "must be dropped"). */
  | { readonly kind: 'malformed'; readonly reason: string };

/** Longest line of version 1 with its CRLF (section 2.1). */
const V1_MAX = 107;
const V1_START = Buffer.from('PROXY ', 'latin1');
/** First bytes of version 2 (section 2.2). */
const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_FIXED = 16;
/** Longest block of version 2 that is taken, TLVs and all; the length field could say 65,535. */
const V2_MAX = 4096;
/** Fixed part and two IPv6 ends. */
const V2_KEPT = V2_FIXED + 36;

const MORE: ProxyVerdict = { kind: 'more' };
const CR = 13;
const LF = 10;

/** Parses the header at the head of one connection. `feed` is called until it says something else than `more`. */
export class ProxyHeaderParser {
  private readonly version: 'v1' | 'v2';
  private readonly kept: Buffer;
  private length = 0;

  constructor(version: 'v1' | 'v2') {
    this.version = version;
    this.kept = Buffer.alloc(version === 'v1' ? V1_MAX : V2_KEPT);
  }

  /** Takes `chunk[start, end)`; the chunk is not kept. */
  feed(chunk: Uint8Array, start: number, end: number): ProxyVerdict {
    return this.version === 'v1' ? this.feedLine(chunk, start, end) : this.feedBlock(chunk, start, end);
  }

  private feedLine(chunk: Uint8Array, start: number, end: number): ProxyVerdict {
    for (let i = start; i < end; i++) {
      const byte = chunk[i]!;
      const { length } = this;
      if (length < V1_START.length && byte !== V1_START[length]) return malformed('it does not begin with "PROXY "');
      if (length > 0 && this.kept[length - 1] === CR && byte !== LF) return malformed('a CR without LF');
      if (byte === LF && this.kept[length - 1] !== CR) return malformed('an LF without CR');
      this.kept[this.length++] = byte;
      if (byte === LF) return parseLine(this.kept.toString('latin1', 0, this.length - 2), i + 1);
      if (this.length === V1_MAX) return malformed(`no line end within ${V1_MAX} bytes`);
    }
    return MORE;
  }

  private feedBlock(chunk: Uint8Array, start: number, end: number): ProxyVerdict {
    let i = start;
    for (; i < end && this.length < V2_FIXED; i++) {
      const byte = chunk[i]!;
      const flaw = this.length < V2_SIGNATURE.length && byte !== V2_SIGNATURE[this.length];
      if (flaw) return malformed('it does not begin with the signature of version 2');
      this.kept[this.length++] = byte;
    }
    if (this.length < V2_FIXED) return MORE;
    const total = V2_FIXED + this.kept.readUInt16BE(14);
    if (total > V2_MAX) return malformed(`it is ${total} bytes long, more than ${V2_MAX}`);
    const taken = Math.min(end - i, total - this.length);
    for (let at = this.length; at < Math.min(this.length + taken, V2_KEPT); at++) {
      this.kept[at] = chunk[i + at - this.length]!;
    }
    this.length += taken;
    return this.length < total ? MORE : parseBlock(this.kept, total - V2_FIXED, i + taken);
  }
}

function malformed(reason: string): ProxyVerdict {
  return { kind: 'malformed', reason };
}

/** Version 1, section 2.1. `line` without its CRLF. */
function parseLine(line: string, end: number): ProxyVerdict {
  const [, family, ...words] = line.split(' ');
  // "UNKNOWN" may be followed by anything up to the CRLF, which is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'done', end, proxied: null };
  if (family !== 'TCP4' && family !== 'TCP6') return malformed('the protocol is not TCP4, TCP6 or UNKNOWN');
  if (words.length !== 4) return malformed('it has not two addresses and two ports');
  const is = family === 'TCP4' ? net.isIPv4 : isPlainIPv6;
  const ports = words.slice(2).map(portOf);
  if (!is(words[0]!) || !is(words[1]!)) return malformed(`an address is not one of ${family}`);
  if (ports.some(Number.isNaN)) return malformed('a port is not a number up to 65535');
  return {
    kind: 'done',
    end,
    proxied: {
      client: { address: canonical(words[0]!), port: ports[0]! },
      server: { address: canonical(words[1]!), port: ports[1]! },
    },
  };
}

/** Version 2, section 2.2. `length`: bytes after the fixed part. */
function parseBlock(bytes: Buffer, length: number, end: number): ProxyVerdict {
  const version = bytes[12]! >> 4;
  const command = bytes[12]! & 15;
  const family = bytes[13]!;
  if (version !== 2) return malformed(`its version is ${version}, not 2`);
  if (command > 1) return malformed(`its command is ${command}, neither LOCAL nor PROXY`);
  if (command === 0) return { kind: 'done', end, proxied: null };
  // UNSPEC, and a UNIX stream: no address that could be used.
  if (family === 0x00 || family === 0x31) return { kind: 'done', end, proxied: null };
  if (family !== 0x11 && family !== 0x21) return malformed('it is not about a TCP connection');
  const size = family === 0x11 ? 4 : 16;
  if (length < 2 * size + 4) return malformed('it is too short for its addresses');
  const address = (at: number): string => {
    if (size === 4) return bytes.subarray(at, at + 4).join('.');
    const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
    return canonical(groups.join(':'));
  };
  const ports = V2_FIXED + 2 * size;
  return {
    kind: 'done',
    end,
    proxied: {
      client: { address: address(V2_FIXED), port: bytes.readUInt16BE(ports) },
      server: { address: address(V2_FIXED + size), port: bytes.readUInt16BE(ports + 2) },
    },
  };
}

/** net.isIPv6 takes zones (`fe80::1%eth0`), which mean nothing on another host. */
function isPlainIPv6(text: string): boolean {
  return net.isIPv6(text) && !text.includes('%');
}

function portOf(text: string): number {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : Number.NaN;
}

/** As the kernel shows addresses of connections, so that limits and networks see one form. */
function canonical(address: string): string {
  if (net.isIPv4(address)) return address;
  return plainAddress(new net.SocketAddress({ address, family: 'ipv6' }).address);
}
