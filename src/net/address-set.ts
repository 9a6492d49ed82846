/**
 * A set of IP networks, for who may relay. Later entries win over earlier ones, so that `!network` takes a part out.
 */
import net from 'node:net';

/** A network in CIDR notation (or a single address), `excluded` to take it out again. */
export interface NetworkEntry {
  readonly network: string;
  readonly excluded: boolean;
}

/** Clients on the same host: always trusted unless excluded. */
export const LOOPBACK: readonly NetworkEntry[] = [
  { network: '127.0.0.0/8', excluded: false },
  { network: '::1/128', excluded: false },
];

/** A function that tells whether an address (IPv4-mapped IPv6 counts as IPv4) is in the set. */
export function addressSet(entries: readonly NetworkEntry[]): (address: string) => boolean {
  const lists = entries.map(({ network, excluded }) => {
    const [address = '', prefix] = network.split('/');
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4';
    const list = new net.BlockList();
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family);
    return { list, excluded };
  });
  const known = new Map<string, boolean>();
  const check = (address: string): boolean => {
    const plain = plainAddress(address);
    const family = net.isIPv6(plain) ? 'ipv6' : 'ipv4';
    for (let i = lists.length - 1; i >= 0; i--) if (lists[i]!.list.check(plain, family)) return !lists[i]!.excluded;
    return false;
  };
  // A check takes 10 us, most of it for Node's address object; clients come again and again.
  return (address) => {
    let answer = known.get(address);
    if (answer === undefined) {
      if (known.size >= MAX_KNOWN) known.clear();
      answer = check(address);
      known.set(address, answer);
    }
    return answer;
  };
}

/** Addresses whose answer is remembered. */
const MAX_KNOWN = 4096;

/** `::ffff:192.0.2.1` of a dual-stack socket as `192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
