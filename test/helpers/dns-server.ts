/**
 * A little authoritative-looking DNS server on loopback, UDP and TCP on one port, for tests.
 *
 * The zone is a plain object from names to nodes; a name that is not in it does not exist. A node can misbehave. Every
 * question is counted. `zone` may be changed while the server runs.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type RecordType, type TlsaData } from 'dns-packet';

/** One name: its records, and how questions for it are treated. */
export interface ZoneNode {
  A?: string[];
  AAAA?: string[];
  /** `[preference, exchange]`; '.' is the null MX. */
  MX?: [number, string][];
  TXT?: string[];
  TLSA?: TlsaData[];
  CNAME?: string;
  /** Seconds, default 300. */
  ttl?: number;
  /** The whole name, or questions of these types only. */
  servfail?: boolean | string[];
  refused?: boolean | string[];
  drop?: boolean | string[];
  /** Truncated over UDP: the answer must be fetched over TCP. */
  truncate?: boolean;
  /** Format error to anything with EDNS0. */
  noEdns?: boolean;
  /** Answers with bytes that are no DNS message behind a right header and question. */
  garbage?: boolean;
  /** Sends this many responses with a wrong id before the right one (over UDP). */
  spoof?: number;
  /** Wait before the answer, ms. */
  delay?: number;
  /** Sets the AD flag. */
  authenticated?: boolean;
  /** No SOA with a negative answer. */
  noSoa?: boolean;
}

export type Zone = Record<string, ZoneNode>;

export interface AskedQuestion {
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
  readonly edns: boolean;
}

export interface DnsServerHandle {
  readonly zone: Zone;
  /** 127.0.0.1:port, as SLUICE_DNS_SERVERS takes it. */
  readonly address: string;
  readonly port: number;
  readonly asked: AskedQuestion[];
  /** Questions for a name, of one type or of all. */
  count(name: string, type?: string): number;
  /** Drops everything while true. */
  silent: boolean;
  close(): Promise<void>;
}

/** TTL and minimum of the SOA that goes with negative answers, seconds. */
export const NEGATIVE_TTL = 60;

const AUTHENTIC = 1 << 5;
const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;
const RECURSION_AVAILABLE = 1 << 7;

/** Starts a server on a free port (or `port`). */
export async function startDnsServer(zone: Zone = {}, port = 0): Promise<DnsServerHandle> {
  const { udp, tcp, bound } = await bindBoth(port);
  const asked: AskedQuestion[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const sockets = new Set<Socket>();
  const handle: DnsServerHandle = {
    zone,
    address: `127.0.0.1:${bound}`,
    port: bound,
    asked,
    silent: false,
    count: (name, type) =>
      asked.filter((question) => question.name === name && (type === undefined || question.type === type)).length,
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise((resolve) => tcp.close(resolve)),
      ]);
    },
  };

  const serve = (bytes: Buffer, transport: 'udp' | 'tcp', send: (response: Buffer) => void): void => {
    if (handle.silent) return;
    const query = decode(bytes);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    const edns = (query.additionals ?? []).some((additional) => additional.type === 'OPT');
    asked.push({ name, type: question.type, transport, edns });
    const node = handle.zone[name];
    if (matches(node?.drop, question.type)) return;
    const responses = answer(handle.zone, query, name, question.type, transport, edns);
    const timer = setTimeout(() => {
      timers.delete(timer);
      for (const response of responses) send(response);
    }, node?.delay ?? 0);
    timers.add(timer);
  };

  udp.on('message', (bytes: Buffer, from: RemoteInfo) => {
    serve(bytes, 'udp', (response) => udp.send(response, from.port, from.address));
  });
  tcp.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      if (pending.length < 2 || pending.length < pending.readUInt16BE(0) + 2) return;
      serve(pending.subarray(2, pending.readUInt16BE(0) + 2), 'tcp', (response) => {
        const prefix = Buffer.alloc(2);
        prefix.writeUInt16BE(response.length);
        // In two writes, so that the length arrives before the rest.
        socket.write(prefix);
        socket.end(response);
      });
    });
  });
  return handle;
}

function matches(which: boolean | string[] | undefined, type: string): boolean {
  return Array.isArray(which) ? which.includes(type) : which === true;
}

function answer(
  zone: Zone,
  query: DecodedPacket,
  name: string,
  type: RecordType,
  transport: 'udp' | 'tcp',
  edns: boolean,
): Buffer[] {
  const node = zone[name];
  const answers: Answer[] = [];
  let owner = name;
  for (let hop = 0; hop < 10 && zone[owner]?.CNAME !== undefined && type !== 'CNAME'; hop++) {
    const target = zone[owner]!.CNAME!;
    answers.push({ name: owner, type: 'CNAME', ttl: zone[owner]!.ttl ?? 300, data: target });
    owner = target;
  }
  const found = zone[owner];
  const records = found === undefined ? [] : recordsOf(found, owner, type);
  answers.push(...records);
  let code = found === undefined ? 3 : 0;
  if (matches(found?.servfail, type)) code = 2;
  if (matches(found?.refused, type)) code = 5;
  if (node?.noEdns === true && edns) code = 1;
  const truncated = node?.truncate === true && transport === 'udp';
  const negative = records.length === 0 && found?.noSoa !== true && (code === 0 || code === 3);
  const response = encode({
    type: 'response',
    id: query.id ?? 0,
    flags:
      AUTHORITATIVE |
      RECURSION_AVAILABLE |
      (found?.authenticated === true ? AUTHENTIC : 0) |
      (truncated ? TRUNCATED : 0) |
      code,
    questions: query.questions ?? [],
    answers: truncated || code === 1 || code === 2 || code === 5 ? [] : answers,
    authorities: negative
      ? [
          {
            name: 'test',
            type: 'SOA',
            ttl: NEGATIVE_TTL,
            data: { mname: 'ns.test', rname: 'root.test', serial: 1, minimum: NEGATIVE_TTL },
          },
        ]
      : [],
  });
  if (node?.garbage === true) {
    response.writeUInt16BE(7, 6);
    return [Buffer.concat([response, Buffer.from([0xc0, 0xff, 0xff])])];
  }
  if (transport === 'tcp' || node?.spoof === undefined) return [response];
  const forged = Buffer.from(response);
  forged.writeUInt16BE((response.readUInt16BE(0) + 1) & 0xffff, 0);
  return [...Array.from({ length: node.spoof }, () => forged), response];
}

function recordsOf(node: ZoneNode, name: string, type: RecordType): Answer[] {
  const ttl = node.ttl ?? 300;
  if (type === 'A') return (node.A ?? []).map((data) => ({ name, type: 'A', ttl, data }));
  if (type === 'AAAA') return (node.AAAA ?? []).map((data) => ({ name, type: 'AAAA', ttl, data }));
  if (type === 'TXT') return (node.TXT ?? []).map((data) => ({ name, type: 'TXT', ttl, data }));
  if (type === 'CNAME') return node.CNAME === undefined ? [] : [{ name, type: 'CNAME', ttl, data: node.CNAME }];
  if (type === 'TLSA') return (node.TLSA ?? []).map((data) => ({ name, type: 'TLSA', ttl, data }));
  if (type !== 'MX') return [];
  return (node.MX ?? []).map(([preference, exchange]) => ({ name, type: 'MX', ttl, data: { preference, exchange } }));
}

/** UDP and TCP on the same port; another is tried when the free UDP port is taken on TCP. */
async function bindBoth(port: number): Promise<{ udp: UdpSocket; tcp: Server; bound: number }> {
  for (let attempt = 0; ; attempt++) {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject);
      udp.bind(port, '127.0.0.1', resolve);
    });
    const bound = udp.address().port;
    const tcp = createServer();
    try {
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen(bound, '127.0.0.1', resolve);
      });
      return { udp, tcp, bound };
    } catch (error) {
      udp.close();
      if (port !== 0 || attempt >= 10) throw error;
    }
  }
}
