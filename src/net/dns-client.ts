/**
 * A stub resolver: asks recursive servers, remembers what they said.
 *
 * Contract: `query` never rejects; a failure is a value that says of which kind it is, whether trying later can help and
 * until when the answer stands. One question is asked once however many callers wait for it. Servers are asked in turn,
 * beginning with the one that answered last; one that does not answer is left for the next. Answers are kept for their
 * TTL (between a floor and a ceiling), negative ones as RFC 2308 says, failures for a few seconds so that an outage is
 * not made worse by asking for every message.
 * Limits: cache entries, questions under way and questions waiting are bounded; past the last bound a query fails as
 * `overloaded`. Names must be A-labels. DNSSEC is not validated here: `authenticated` is the server's AD flag, which
 * anybody on the way could set; so it counts only when every server is on loopback or named as trusted.
 */
import { randomInt } from 'node:crypto';
import { getServers } from 'node:dns';
import type { Clock } from '../core/clock.js';
import { SluiceError } from '../core/errors.js';
import {
  answersQuery,
  type DnsRecordData,
  type DnsRecordType,
  type DnsResponse,
  encodeQuery,
  isQueryableName,
  normalizeName,
  readResponse,
} from './dns-message.js';
import { type DnsServer, type Exchange, exchangeTcp, exchangeUdp, parseDnsServer } from './dns-transport.js';

export interface DnsClientOptions {
  readonly clock: Clock;
  /** `ip` or `ip:port` (IPv6 with a port in brackets); none: those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** First wait for a server's answer, ms; doubled with each round. */
  readonly timeout?: number;
  /** Rounds over all servers. */
  readonly rounds?: number;
  /** Cache entries. */
  readonly cacheSize?: number;
  /** Bounds of positive and negative cache times, seconds. */
  readonly ttlFloor?: number;
  readonly ttlCeiling?: number;
  readonly negativeTtlCeiling?: number;
  /** How long a failure to get any answer is kept, seconds (RFC 2308 section 7: at most 300). */
  readonly failureTtl?: number;
  /** Questions under way at once, and waiting beyond that. */
  readonly maxOutstanding?: number;
  readonly maxWaiting?: number;
  /** Addresses of servers beyond loopback that validate and are reached over a network that can be trusted. */
  readonly trusted?: readonly string[];
}

/** Kinds of failure. The first three are answers and permanent; the others are the lack of one and temporary. */
export type DnsFailureReason =
  | 'nxdomain'
  | 'nodata'
  | 'bad-name'
  | 'servfail'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'malformed'
  | 'overloaded'
  | 'closed';

/**
 * An answer. `ttl`: seconds left when it was given; `expires`: engine clock, ms; `authenticated`: validated by a trusted
 * server; `canonical`: the name that has the records, at the end of any aliases.
 */
export interface DnsRecords<D> {
  readonly kind: 'records';
  readonly records: readonly D[];
  readonly ttl: number;
  readonly expires: number;
  readonly authenticated: boolean;
  readonly canonical: string;
}

export interface DnsFailure {
  readonly kind: 'failed';
  readonly reason: DnsFailureReason;
  readonly temporary: boolean;
  /** For people: what was asked and what went wrong. */
  readonly detail: string;
  readonly ttl: number;
  readonly expires: number;
  /** That there is nothing was validated by a trusted server. */
  readonly authenticated: boolean;
}

export type DnsResult<D> = DnsRecords<D> | DnsFailure;

type AnyResult = DnsResult<DnsRecordData[DnsRecordType]>;

interface Settled<D> {
  readonly response: DnsResponse<D> | { readonly kind: 'timeout' | 'unreachable' | 'closed'; readonly detail: string };
}

export class DnsClient {
  private readonly clock: Clock;
  private readonly servers: readonly DnsServer[];
  private readonly timeout: number;
  private readonly rounds: number;
  private readonly cacheSize: number;
  private readonly ttlFloor: number;
  private readonly ttlCeiling: number;
  private readonly negativeTtlCeiling: number;
  private readonly failureTtl: number;
  private readonly maxOutstanding: number;
  private readonly maxWaiting: number;
  /** The AD flag counts. */
  private readonly trusted: boolean;
  /** Insertion order is order of use: the first is the one to drop. */
  private readonly cache = new Map<string, AnyResult>();
  private readonly inFlight = new Map<string, Promise<AnyResult>>();
  private readonly exchanges = new Set<Exchange>();
  private readonly waiting: (() => void)[] = [];
  private outstanding = 0;
  private preferred = 0;
  private closed = false;
  /** No server answered the last question that was given up; one question at a time then takes all rounds. */
  private silent = false;
  private probing = false;

  /** @throws SluiceError `bad-dns-server` naming a server that is not an address, or when there is none at all. */
  constructor(options: DnsClientOptions) {
    this.clock = options.clock;
    const given = options.servers === undefined || options.servers.length === 0 ? getServers() : options.servers;
    this.servers = given.map((text) => {
      const server = parseDnsServer(text);
      if (server !== undefined) return server;
      throw new SluiceError('bad-dns-server', `DNS server ${text}: write an IP address, with :port if not 53`, {
        temporary: false,
      });
    });
    if (this.servers.length === 0) {
      throw new SluiceError('bad-dns-server', 'no DNS server: none set and none in /etc/resolv.conf', {
        temporary: false,
      });
    }
    // All or none: else whoever keeps one server from answering has us believe the next.
    this.trusted = this.servers.every(
      ({ address }) => isLoopback(address) || options.trusted?.includes(address) === true,
    );
    this.timeout = options.timeout ?? 1500;
    this.rounds = options.rounds ?? 3;
    this.cacheSize = options.cacheSize ?? 10_000;
    this.ttlFloor = options.ttlFloor ?? 5;
    this.ttlCeiling = options.ttlCeiling ?? 86_400;
    this.negativeTtlCeiling = options.negativeTtlCeiling ?? 3600;
    this.failureTtl = options.failureTtl ?? 5;
    this.maxOutstanding = options.maxOutstanding ?? 256;
    this.maxWaiting = options.maxWaiting ?? 10_000;
  }

  /** DNSSEC can be seen: every server is trusted to have validated what it says it has. */
  get seesDnssec(): boolean {
    return this.trusted;
  }

  /** Answers and failures kept. */
  get cached(): number {
    return this.cache.size;
  }

  /** The records of a name, aliases followed. `name` in A-labels, any case, final dot or not. Never rejects. */
  query<T extends DnsRecordType>(name: string, type: T): Promise<DnsResult<DnsRecordData[T]>> {
    const normal = normalizeName(name);
    const key = `${normal} ${type}`;
    // The key holds the type, so what is stored under it is of that type.
    return this.queryByKey(key, normal, type) as Promise<DnsResult<DnsRecordData[T]>>;
  }

  /** Ends what is under way; later queries fail as `closed`. */
  close(): void {
    this.closed = true;
    for (const exchange of this.exchanges) exchange.cancel();
    this.cache.clear();
  }

  private queryByKey(key: string, name: string, type: DnsRecordType): Promise<AnyResult> {
    const known = this.cache.get(key);
    if (known !== undefined) {
      this.cache.delete(key);
      const now = this.clock.now();
      if (known.expires > now) {
        this.cache.set(key, known);
        return Promise.resolve({ ...known, ttl: (known.expires - now) / 1000 });
      }
    }
    const running = this.inFlight.get(key);
    if (running !== undefined) return running;
    if (!isQueryableName(name)) {
      return Promise.resolve(this.failure(name, type, 'bad-name', 'not a valid domain name', this.ttlCeiling));
    }
    if (this.closed) return Promise.resolve(this.failure(name, type, 'closed', 'shutting down', 0));
    if (this.waiting.length >= this.maxWaiting) {
      return Promise.resolve(this.failure(name, type, 'overloaded', 'too many DNS questions waiting', 1));
    }
    const asked = this.ask(name, type).then((result) => {
      this.inFlight.delete(key);
      if (!this.closed) this.remember(key, result);
      return result;
    });
    this.inFlight.set(key, asked);
    return asked;
  }

  private remember(key: string, result: AnyResult): void {
    if (this.cache.size >= this.cacheSize) {
      const oldest = this.cache.keys().next();
      if (!oldest.done) this.cache.delete(oldest.value);
    }
    this.cache.set(key, result);
  }

  private async ask(name: string, type: DnsRecordType): Promise<AnyResult> {
    if (this.outstanding < this.maxOutstanding) {
      this.outstanding++;
    } else {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
    try {
      return this.conclude(name, type, await this.askServers(name, type));
    } finally {
      // The place goes to the longest waiting, so that a newcomer cannot take it in between.
      const next = this.waiting.shift();
      if (next === undefined) this.outstanding--;
      else next();
    }
  }

  /** Until a server gives an answer; else the most telling of what they said. */
  private async askServers<T extends DnsRecordType>(name: string, type: T): Promise<Settled<DnsRecordData[T]>> {
    // In an outage every question takes its full time, and with all places taken those behind wait for many of them:
    // one round each is enough then, but for one question that also finds servers which are only slow.
    const probe = this.silent && !this.probing;
    if (probe) this.probing = true;
    try {
      return await this.askInRounds(name, type, probe);
    } finally {
      if (probe) this.probing = false;
    }
  }

  private async askInRounds<T extends DnsRecordType>(
    name: string,
    type: T,
    probe: boolean,
  ): Promise<Settled<DnsRecordData[T]>> {
    const { servers } = this;
    const first = this.preferred;
    const refusing = new Set<number>();
    let last: Settled<DnsRecordData[T]> = { response: { kind: 'timeout', detail: 'no answer' } };
    for (let round = 0; round < this.rounds && refusing.size < servers.length; round++) {
      if (round > 0 && this.silent && !probe) return last;
      for (let turn = 0; turn < servers.length; turn++) {
        const index = (first + turn) % servers.length;
        if (refusing.has(index)) continue;
        const settled = await this.askServer(servers[index]!, name, type, this.timeout * 2 ** round);
        const { kind } = settled.response;
        if (kind === 'records' || kind === 'nxdomain' || kind === 'nodata') {
          this.preferred = index;
          this.silent = false;
          return settled;
        }
        if (kind === 'closed') return settled;
        const silent = kind === 'timeout' || kind === 'unreachable';
        // A server that could not be reached may be back in the next round; one that said no says it again.
        if (!silent) {
          this.silent = false;
          refusing.add(index);
        }
        if (!silent || refusing.size === 0) last = settled;
      }
    }
    if (refusing.size === 0) this.silent = true;
    return last;
  }

  /** One server: UDP, without EDNS0 where it is not known, TCP where the answer does not fit. `timeout` in ms for each. */
  private async askServer<T extends DnsRecordType>(
    server: DnsServer,
    name: string,
    type: T,
    timeout: number,
  ): Promise<Settled<DnsRecordData[T]>> {
    let edns = true;
    let tcp = false;
    for (;;) {
      if (this.closed) return { response: { kind: 'closed', detail: 'shutting down' } };
      const query = encodeQuery(randomInt(65_536), name, type, edns);
      const accepts = (bytes: Buffer): boolean => answersQuery(query, bytes);
      const exchange = (tcp ? exchangeTcp : exchangeUdp)(server, query.bytes, accepts, timeout);
      this.exchanges.add(exchange);
      const result = await exchange.done;
      this.exchanges.delete(exchange);
      const where = `${server.address}:${server.port}`;
      if (result.kind === 'timeout') return { response: { kind: 'timeout', detail: `no answer from ${where}` } };
      if (result.kind === 'unreachable') {
        return { response: { kind: 'unreachable', detail: `${where}: ${result.detail}` } };
      }
      if (result.kind === 'cancelled') continue;
      if (result.kind === 'mismatch') {
        if (tcp) return { response: { kind: 'malformed', detail: `${where} answered another question` } };
        tcp = true;
        continue;
      }
      const response = readResponse(result.bytes, name, type, edns, !tcp);
      if (response.kind === 'truncated') tcp = true;
      else if (response.kind === 'no-edns') edns = false;
      else if ('detail' in response) return { response: { ...response, detail: `${response.detail} from ${where}` } };
      else return { response };
    }
  }

  private conclude(name: string, type: DnsRecordType, settled: Settled<DnsRecordData[DnsRecordType]>): AnyResult {
    const { response } = settled;
    switch (response.kind) {
      case 'records': {
        const ttl = Math.min(Math.max(response.ttl, this.ttlFloor), this.ttlCeiling);
        const authenticated = response.authenticated && this.trusted;
        return { ...response, authenticated, ttl, expires: this.clock.now() + ttl * 1000 };
      }
      case 'nxdomain':
      case 'nodata': {
        const ttl = Math.min(Math.max(response.ttl, this.ttlFloor), this.negativeTtlCeiling);
        const detail = response.kind === 'nxdomain' ? 'the domain does not exist' : `it has no ${type} record`;
        const authenticated = response.authenticated && this.trusted;
        return { ...this.failure(name, type, response.kind, detail, ttl), authenticated };
      }
      case 'truncated':
      case 'no-edns':
        return this.failure(name, type, 'malformed', response.kind, this.failureTtl);
      default:
        return this.failure(name, type, response.kind, response.detail, this.failureTtl);
    }
  }

  private failure(
    name: string,
    type: DnsRecordType,
    reason: DnsFailureReason,
    detail: string,
    ttl: number,
  ): DnsFailure {
    const temporary = reason !== 'nxdomain' && reason !== 'nodata' && reason !== 'bad-name';
    return {
      kind: 'failed',
      reason,
      temporary,
      detail: `DNS ${type} lookup of ${name}: ${detail}`,
      ttl,
      expires: this.clock.now() + ttl * 1000,
      authenticated: false,
    };
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
