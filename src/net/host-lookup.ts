/**
 * From a configured host name to addresses, as the machine itself would look it up: address, hosts file, `localhost`
 * (RFC 6761 section 6.3), then DNS with the search list of /etc/resolv.conf.
 *
 * For names an administrator wrote (upstreams). Domains of mail go straight to DNS: a hosts file or search list has no
 * say in where other people's mail goes. Never rejects. The hosts file is looked at again at most every RECHECK ms.
 */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Clock } from '../core/clock.js';
import type { DnsClient } from './dns-client.js';

/** Addresses in the order to be tried. `expires`: engine clock, ms. */
export type HostAddresses =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly expires: number }
  | { readonly kind: 'failed'; readonly temporary: boolean; readonly reason: string; readonly expires: number };

export interface HostLookupOptions {
  readonly clock: Clock;
  readonly dns: Pick<DnsClient, 'query'>;
  /** '' for none. */
  readonly hostsFile?: string;
  /** Domains tried behind names with fewer than `ndots` dots; `readSearchList` has the machine's. */
  readonly search?: readonly string[];
  readonly ndots?: number;
  readonly ipv6First?: boolean;
}

/** How often the hosts file may be checked for a change, ms. */
const RECHECK = 5000;
/** A larger hosts file is not read. */
const MAX_FILE_SIZE = 8 << 20;
/** Search domains used (resolv.conf(5) had six for decades). */
const MAX_SEARCH = 6;

/** The search list of a resolv.conf; an absent or unreadable file has none. */
export function readSearchList(path = '/etc/resolv.conf'): { search: string[]; ndots: number } {
  let search: string[] = [];
  let ndots = 1;
  for (const line of readLines(path)) {
    const words = line.split(/\s+/);
    if (words[0] === 'search' || words[0] === 'domain') search = words.slice(1, 1 + MAX_SEARCH);
    if (words[0] === 'options') {
      for (const word of words) {
        const given = /^ndots:(\d{1,2})$/.exec(word)?.[1];
        if (given !== undefined) ndots = Math.min(15, Number(given));
      }
    }
  }
  return {
    search: search.map((domain) => domain.toLowerCase().replace(/\.$/, '')).filter((domain) => domain !== ''),
    ndots,
  };
}

export class HostLookup {
  private readonly options: HostLookupOptions;
  private readonly hostsFile: string;
  private hosts = new Map<string, string[]>();
  private checkedAt = Number.NEGATIVE_INFINITY;
  private version = '';

  constructor(options: HostLookupOptions) {
    this.options = options;
    this.hostsFile = options.hostsFile ?? '/etc/hosts';
  }

  /** Addresses of a host name or of an address itself (IPv6 with or without brackets). */
  async lookup(host: string): Promise<HostAddresses> {
    const { clock } = this.options;
    const bare = /^\[(.*)\]$/.exec(host)?.[1] ?? host;
    if (isIP(bare) !== 0) return { kind: 'addresses', addresses: [bare], expires: Number.POSITIVE_INFINITY };
    const name = host.toLowerCase().replace(/\.$/, '');
    const local = this.fromHostsFile(name) ?? (/(^|\.)localhost$/.test(name) ? ['127.0.0.1', '::1'] : undefined);
    if (local !== undefined) {
      return { kind: 'addresses', addresses: this.ordered(local), expires: clock.now() + RECHECK };
    }
    let failed: HostAddresses | undefined;
    for (const candidate of this.candidates(name, host.endsWith('.'))) {
      const found = await this.fromDns(candidate);
      if (found.kind === 'addresses') return found;
      // A lack of answer anywhere means that a later try may find it.
      if (failed === undefined || (found.temporary && failed.kind === 'failed' && !failed.temporary)) failed = found;
    }
    return failed ?? { kind: 'failed', temporary: false, reason: `no such host: ${host}`, expires: clock.now() };
  }

  private candidates(name: string, absolute: boolean): string[] {
    const { search = [], ndots = 1 } = this.options;
    if (absolute) return [name];
    const searched = search.map((domain) => `${name}.${domain}`);
    return name.split('.').length - 1 >= ndots ? [name, ...searched] : [...searched, name];
  }

  private async fromDns(name: string): Promise<HostAddresses> {
    const { dns } = this.options;
    const [four, six] = await Promise.all([dns.query(name, 'A'), dns.query(name, 'AAAA')]);
    const addresses = [four, six].flatMap((result) => (result.kind === 'records' ? result.records : []));
    const expires = Math.min(four.expires, six.expires);
    if (addresses.length > 0) return { kind: 'addresses', addresses: this.ordered(addresses), expires };
    const worse = six.kind === 'failed' && six.temporary ? six : four;
    return worse.kind === 'failed'
      ? { kind: 'failed', temporary: worse.temporary, reason: worse.detail, expires }
      : { kind: 'failed', temporary: false, reason: `${name} has no address`, expires };
  }

  private ordered(addresses: readonly string[]): string[] {
    const first = this.options.ipv6First === true ? 6 : 4;
    return [
      ...addresses.filter((address) => isIP(address) === first),
      ...addresses.filter((address) => isIP(address) !== first),
    ];
  }

  private fromHostsFile(name: string): string[] | undefined {
    const now = this.options.clock.now();
    if (this.hostsFile !== '' && now - this.checkedAt >= RECHECK) {
      this.checkedAt = now;
      const status = statSync(this.hostsFile, { throwIfNoEntry: false });
      const version = status === undefined ? '' : `${status.mtimeMs} ${status.size}`;
      if (version !== this.version) {
        this.version = version;
        this.hosts = readHosts(this.hostsFile);
      }
    }
    return this.hosts.get(name);
  }
}

function readHosts(path: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of readLines(path)) {
    const [address = '', ...names] = line.split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '');
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** The lines of a small configuration file without comments; none when it cannot be read. */
function readLines(path: string): string[] {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined || status.size > MAX_FILE_SIZE) return [];
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.replace(/[#;].*$/, '').trim())
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
