/**
 * Who may send what to whom, and whether there is room for it now.
 *
 * Relay policy: clients in the relay networks send anywhere, everybody else only to the relay domains; never an open
 * relay. Room: a new transaction is refused (452) while the spool is down to its reserve or the shared memory for bodies
 * is nearly used up, so that what was begun can still be finished.
 */
import type { SegmentPool } from '../memory/segment-pool.js';
import { type Reply, replies } from '../smtp/replies.js';

export interface AdmissionOptions {
  /** Bytes of mail that the spool has room for. */
  room(): number;
  readonly segments: SegmentPool;
  /** Domains taken from anyone, lower-case A-labels; `.example.org`: all below it. */
  readonly relayDomains: ReadonlySet<string>;
}

/** Share of the segments kept for messages that are already coming in. */
const SEGMENT_RESERVE = 1 / 16;

export class Admission {
  /** Set while the engine cannot take mail at all: the answer to every MAIL. */
  closed: Reply | null = null;
  private readonly options: AdmissionOptions;
  private readonly segmentReserve: number;
  private relayDomains!: ReadonlySet<string>;
  private relayBelow!: readonly string[];

  constructor(options: AdmissionOptions) {
    this.options = options;
    this.segmentReserve = Math.ceil(options.segments.count * SEGMENT_RESERVE);
    this.setRelayDomains(options.relayDomains);
  }

  /** Takes other domains from anyone from now on. */
  setRelayDomains(domains: ReadonlySet<string>): void {
    this.relayDomains = domains;
    this.relayBelow = [...domains].filter((domain) => domain.startsWith('.'));
  }

  /** null: a transaction may begin. `declaredSize` in bytes, 0 when not declared. */
  admitMail(declaredSize: number): Reply | null {
    if (this.closed !== null) return this.closed;
    const { segments } = this.options;
    if (this.options.room() <= declaredSize) return replies.spoolFull;
    const needed = Math.ceil(declaredSize / segments.segmentSize);
    if (segments.available <= this.segmentReserve + Math.min(needed, segments.count / 2)) return replies.outOfMemory;
    return null;
  }

  /** null: the recipient is taken. `relays`: the client may relay; `domain`: lower-case A-labels, '' for bare postmaster. */
  admitRecipient(relays: boolean, domain: string): Reply | null {
    if (relays || this.relayDomains.has(domain) || this.relayBelow.some((above) => domain.endsWith(above))) return null;
    // RFC 5321 section 4.5.1: a host that takes mail for any domain takes it for its postmaster.
    if (domain === '' && this.relayDomains.size > 0) return null;
    return replies.relayDenied;
  }
}
