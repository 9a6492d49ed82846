/**
 * DNS messages: a query's bytes, whether a response belongs to it, and what it says.
 *
 * Stateless. The packet format is dns-packet's; what this file adds is the judgement: the question is compared byte for
 * byte (RFC 5452 section 9.1), CNAME chains are followed inside one response (RFC 1034 section 3.6.2), and the four
 * kinds of negative answer are told apart (RFC 2308 section 2).
 * Limits: names of at most 253 bytes, MAX_RECORDS records of a response, MAX_CNAMES aliases in a chain.
 */
import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet';

/** MX data; `exchange` in lower case without its final dot, '.' for a null MX (RFC 7505). */
export interface MxRecord {
  readonly preference: number;
  readonly exchange: string;
}

/** TLSA data (RFC 6698 section 2.1). */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Buffer;
}

/** Record types that can be asked for, with the shape of one record's data. TXT: its strings joined, one char a byte. */
export interface DnsRecordData {
  A: string;
  AAAA: string;
  MX: MxRecord;
  TXT: string;
  TLSA: TlsaRecord;
  /** Where an alias points to, itself; other types follow it. */
  CNAME: string;
}

export type DnsRecordType = keyof DnsRecordData;

/** What one response says. `ttl` in seconds; for negative answers the time RFC 2308 section 5 gives, or -1 when unknown. */
export type DnsResponse<D> =
  | {
      readonly kind: 'records';
      readonly records: readonly D[];
      readonly ttl: number;
      readonly authenticated: boolean;
      /** The name that has the records: the one asked for, or where its aliases lead. */
      readonly canonical: string;
    }
  | { readonly kind: 'nxdomain' | 'nodata'; readonly ttl: number; readonly authenticated: boolean }
  | { readonly kind: 'truncated' }
  /** The server does not know EDNS0: ask again without (RFC 6891 section 7). */
  | { readonly kind: 'no-edns' }
  | { readonly kind: 'servfail' | 'refused' | 'malformed'; readonly detail: string };

/** UDP payload announced with EDNS0: what passes every common path unfragmented (DNS flag day 2020). */
const UDP_PAYLOAD_SIZE = 1232;
const MAX_RECORDS = 100;
const MAX_CNAMES = 12;
const HEADER_LENGTH = 12;
const RECURSION_DESIRED = 1 << 8;
/** In a query: asks to be told whether the answer was validated (RFC 6840 section 5.7). */
const AUTHENTIC_DATA = 1 << 5;

/** A query on its way: its bytes and where its question ends in them. */
export interface DnsQuery {
  readonly bytes: Buffer;
  readonly questionEnd: number;
}

/** The form in which names are compared and cached: lower case, no final dot. */
export function normalizeName(name: string): string {
  const lower = name.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** Whether a normalized name can be asked for: printable ASCII labels of 1 to 63 bytes, 253 in all (RFC 1035 section 2.3.4). */
export function isQueryableName(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  return name.split('.').every((label) => /^[\x21-\x2d\x2f-\x7e]{1,63}$/.test(label));
}

/** Bytes of a recursive query. `id`: 0 to 65535. */
export function encodeQuery(id: number, name: string, type: DnsRecordType, edns: boolean): DnsQuery {
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns
      ? [
          {
            name: '.',
            type: 'OPT',
            udpPayloadSize: UDP_PAYLOAD_SIZE,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
  // The name's labels and root take its length + 2 bytes, type and class 4.
  return { bytes, questionEnd: HEADER_LENGTH + name.length + 2 + 4 };
}

/**
 * Whether bytes are the response to a query: same id, a response, and the same question. A format error may come
 * without a question, from servers that could not read ours.
 */
export function answersQuery(query: DnsQuery, bytes: Buffer): boolean {
  if (bytes.length < HEADER_LENGTH) return false;
  if (bytes[0] !== query.bytes[0] || bytes[1] !== query.bytes[1]) return false;
  if ((bytes[2]! & 0x80) === 0) return false;
  const questions = bytes.readUInt16BE(4);
  const code = bytes[3]! & 15;
  if (questions === 0 && (code === 1 || code === 4)) return true;
  if (questions !== 1 || bytes.length < query.questionEnd) return false;
  for (let at = HEADER_LENGTH; at < query.questionEnd; at++) {
    if (lower(bytes[at]!) !== lower(query.bytes[at]!)) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** Reads a response that `answersQuery` accepted. `name` normalized; `overUdp`: the truncation flag counts. Never throws. */
export function readResponse<T extends DnsRecordType>(
  bytes: Buffer,
  name: string,
  type: T,
  edns: boolean,
  overUdp: boolean,
): DnsResponse<DnsRecordData[T]> {
  const code = bytes[3]! & 15;
  if (overUdp && (bytes[2]! & 0x02) !== 0) return { kind: 'truncated' };
  if ((code === 1 || code === 4) && edns) return { kind: 'no-edns' };
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch (error) {
    return { kind: 'malformed', detail: error instanceof Error ? error.message : String(error) };
  }
  const extended = extendedCode(packet.additionals ?? []);
  if (extended === 1 && code === 0) return edns ? { kind: 'no-edns' } : { kind: 'servfail', detail: 'BADVERS' };
  if (code === 3) return { kind: 'nxdomain', ttl: negativeTtl(packet), authenticated: packet.flag_ad };
  if (code === 5) return { kind: 'refused', detail: 'REFUSED' };
  if (code !== 0) return { kind: 'servfail', detail: code === 2 ? 'SERVFAIL' : `response code ${code}` };
  return readAnswers(packet, name, type);
}

function readAnswers<T extends DnsRecordType>(
  packet: DecodedPacket,
  name: string,
  type: T,
): DnsResponse<DnsRecordData[T]> {
  const answers = packet.answers ?? [];
  const records: DnsRecordData[T][] = [];
  let owner = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let hop = 0; hop <= MAX_CNAMES; hop++) {
    let alias = '';
    for (const answer of answers) {
      if (answer.type === 'OPT' || normalizeName(answer.name) !== owner || (answer.class ?? 'IN') !== 'IN') continue;
      if (answer.type === type) {
        const data = dataOf(answer, type);
        if (data !== undefined && records.length < MAX_RECORDS) records.push(data);
        ttl = Math.min(ttl, ttlOf(answer));
      } else if (answer.type === 'CNAME') {
        alias = normalizeName(answer.data);
        ttl = Math.min(ttl, ttlOf(answer));
      }
    }
    if (records.length > 0) return { kind: 'records', records, ttl, authenticated: packet.flag_ad, canonical: owner };
    if (alias === '' || alias === owner) break;
    owner = alias;
  }
  const soa = negativeTtl(packet);
  // Empty, not authoritative, no recursion and no SOA: a referral, which says nothing about the name.
  if (soa < 0 && !packet.flag_aa && !packet.flag_ra && answers.length === 0) {
    return { kind: 'refused', detail: 'the server does not do recursion' };
  }
  return { kind: 'nodata', ttl: soa < 0 ? soa : Math.min(soa, ttl), authenticated: packet.flag_ad };
}

function dataOf<T extends DnsRecordType>(answer: Answer, type: T): DnsRecordData[T] | undefined {
  return convert(answer) as DnsRecordData[T] | undefined;

  function convert(from: Answer): DnsRecordData[DnsRecordType] | undefined {
    if (from.type !== type) return undefined;
    if (from.type === 'A' || from.type === 'AAAA') return from.data;
    if (from.type === 'CNAME') return normalizeName(from.data);
    if (from.type === 'MX') {
      return { preference: from.data.preference ?? 0, exchange: normalizeName(from.data.exchange) };
    }
    if (from.type === 'TXT') {
      const parts = Array.isArray(from.data) ? from.data : [from.data];
      return parts.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))).join('');
    }
    return from.type === 'TLSA' ? from.data : undefined;
  }
}

/** A TTL with its top bit set counts as 0 (RFC 2181 section 8). */
function ttlOf(answer: Answer): number {
  const ttl = answer.type === 'OPT' ? 0 : (answer.ttl ?? 0);
  return ttl > 0x7fffffff ? 0 : ttl;
}

/** The lesser of the SOA's own TTL and its minimum field (RFC 2308 section 5), -1 without an SOA. */
function negativeTtl(packet: DecodedPacket): number {
  for (const authority of packet.authorities ?? []) {
    if (authority.type === 'SOA') return Math.min(ttlOf(authority), authority.data.minimum ?? 0);
  }
  return -1;
}

function extendedCode(additionals: readonly Answer[]): number {
  for (const additional of additionals) if (additional.type === 'OPT') return additional.extendedRcode;
  return 0;
}
