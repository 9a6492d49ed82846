/**
 * Kinds of values that name hosts, networks and domains.
 *
 * Contract: as value-type.ts. Parsed values are canonical: domains are lower-case A-labels, IPv6 addresses are in the
 * short form of RFC 5952 without brackets, networks always carry their prefix length.
 */
import { domainToASCII } from 'node:url';
import type { ValueType } from './value-type.js';

/** A DNS server: an address, never a name. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

/** A network as `address/prefix`; `excluded`: taken out of the ones before it. */
export interface NetworkEntry {
  readonly network: string;
  readonly excluded: boolean;
}

const DNS_PORT = 53;

/** The canonical form of an IPv4 or IPv6 address without brackets, undefined when it is neither. */
export function canonicalAddress(text: string): string | undefined {
  if (/^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text)) return text;
  if (!text.includes(':') || !/^[0-9a-f:.]{2,45}$/i.test(text)) return undefined;
  // The WHATWG host parser is the IPv6 parser that node has outside of node:net.
  const url = `http://[${text}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
}

/** A domain as lower-case A-labels (RFC 1123 section 2.1 letters, digits, hyphens; RFC 5890 for IDN), or undefined. */
export function canonicalDomain(text: string): string | undefined {
  if (/[\s/\\?#@:%[\]]/.test(text)) return undefined;
  const ascii = domainToASCII(text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  if (ascii === '' || ascii.length > 253) return undefined;
  const labels = ascii.split('.');
  if (!labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label))) return undefined;
  return /^\d+$/.test(labels[labels.length - 1]!) ? undefined : ascii;
}

/** `host:port` with brackets where the host is an IPv6 address. */
export function formatHostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `address` or `address:port` (`[address]:port` for IPv6) of a DNS server. */
export function dnsServer(): ValueType<DnsServer> {
  return {
    allowed: 'address or address:port',
    unit: '',
    parse: (text) => {
      const whole = canonicalAddress(text);
      if (whole !== undefined) return { value: { address: whole, port: DNS_PORT } };
      const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
      const address = match === null ? undefined : canonicalAddress(match[1] ?? match[2] ?? '');
      const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
      if (address === undefined) return { problem: 'it is not an address' };
      return port >= 1 && port <= 65_535 ? { value: { address, port } } : { problem: 'the port is not 1 to 65535' };
    },
    format: (value) => formatHostPort(value.address, value.port),
  };
}

/** `address/prefix` or an address; `!` in front takes it out of those before. Host bits may be set and do not count. */
export function network(): ValueType<NetworkEntry> {
  return {
    allowed: 'a network such as 10.0.0.0/8 or 2001:db8::/32, or an address',
    unit: '',
    parse: (text) => {
      const excluded = text.startsWith('!');
      const bare = excluded ? text.slice(1) : text;
      const slash = bare.indexOf('/');
      const address = canonicalAddress(slash < 0 ? bare : bare.slice(0, slash));
      if (address === undefined) return { problem: 'it does not begin with an address' };
      const bits = address.includes(':') ? 128 : 32;
      const prefix = slash < 0 ? bits : /^\d{1,3}$/.test(bare.slice(slash + 1)) ? Number(bare.slice(slash + 1)) : 999;
      if (prefix > bits) return { problem: `the prefix is not 0 to ${bits}` };
      return { value: { network: `${address}/${prefix}`, excluded } };
    },
    format: (value) => `${value.excluded ? '!' : ''}${value.network}`,
  };
}

/** A domain name; IDN is taken in either form and kept as A-labels. */
export function domain(): ValueType<string> {
  return {
    allowed: 'a domain name such as mail.example.org',
    unit: '',
    parse: (text) => {
      const value = canonicalDomain(text);
      return value === undefined ? { problem: '' } : { value };
    },
    format: (value) => value,
  };
}
