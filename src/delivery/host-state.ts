/**
 * What a pool knows of one host of its site: its connections, and whether it is worth dialling now.
 */
import type { SessionFault } from '../smtp/client-host.js';
import { LastReplies } from './last-replies.js';
import type { SiteHost } from './site.js';
import { Slots } from './slots.js';
import type { Throttling } from './throttling.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** Longest time a host that failed is left alone, ms: this late at most mail flows again when it is back. */
const MAX_REST = 30_000;
/** The same where it refused our credentials, ms: it is not asked often enough to lock the account. */
const MAX_CREDENTIALS_REST = 300_000;
/** How long TLS is not tried after a handshake failed, ms. */
const CLEAR_TIME = 300_000;
/** Pauses of a host that asks for fewer messages: the first, the longest, and that of a quota, ms. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
const QUOTA_PAUSE = 600_000;

/** How a transaction went, by its last reply. */
export type TransactionResult = 'delivered' | 'deferred' | 'failed' | 'lost';

export class HostState {
  site: SiteHost;
  /** Its connections over all pools of its site. */
  readonly slots = new Slots();
  /** Pools that have it among their hosts. */
  users = 0;
  /** What it said last. */
  readonly replies = new LastReplies();
  /** Made, without a job; the one used last is taken first. */
  readonly idle: UpstreamConnection[] = [];
  /** Not to be dialled before this, engine clock ms. */
  restUntil = 0;
  /** Why it rests. */
  lastFailure = '';
  /** Enhanced code for mail that has to wait for it. */
  lastEnhanced = '';
  /** Neither dialled nor given mail before this: it asked for less, engine clock ms. */
  pausedUntil = Number.NEGATIVE_INFINITY;
  /** Why TLS is not tried, '' when it is. */
  private clearReason = '';
  private clearUntil = 0;
  private pauses = 0;
  /** For smooth weighted round robin. */
  credit = 0;
  private failures = 0;
  private turn = 0;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(site: SiteHost) {
    this.site = site;
  }

  /** Connections being made and made. */
  get connections(): number {
    return this.slots.connections;
  }

  /** A connection can be had at once or, where one more is allowed, dialled. */
  isAvailable(now: number, mayDial: boolean): boolean {
    if (this.pausedUntil > now) return false;
    return this.idle.length > 0 || (mayDial && this.mayBeDialled(now));
  }

  mayBeDialled(now: number): boolean {
    return this.pausedUntil <= now && this.restUntil <= now && this.connections < this.site.limit;
  }

  /** The host with the address to dial now: after a failure the next of its addresses. */
  get target(): SiteHost {
    const { alternatives } = this.site;
    if (alternatives === undefined || alternatives.length === 0) return this.site;
    const turn = this.turn % (alternatives.length + 1);
    return turn === 0 ? this.site : { ...this.site, address: alternatives[turn - 1]! };
  }

  /** A transaction begins on one of its connections. */
  transactionBegan(now: number): void {
    void now;
  }

  /** One ended `ms` after it began; `lost`: the connection did, before the reply. Each that began ends once. */
  transactionEnded(result: TransactionResult, ms: number, now: number): void {
    void result;
    void ms;
    void now;
  }

  /** A connection became usable, `ms` after it was begun. */
  succeeded(ms: number, now: number): void {
    void ms;
    void now;
    this.failures = 0;
    this.restUntil = 0;
  }

  /**
   * A connection begun at `begunAt` failed before it became usable. `rest`: ms after the first failure; doubles with each
   * more. Those that were being made together count as one failure.
   */
  failed(reason: string, now: number, rest: number, begunAt: number, fault?: SessionFault): void {
    this.lastFailure = reason;
    this.lastEnhanced = fault?.enhanced ?? '';
    if (begunAt >= this.failedAt) {
      this.failures++;
      this.failedAt = now;
      this.turn++;
      // Another address is tried at once, once each.
      if (this.failures <= (this.site.alternatives?.length ?? 0)) return;
    }
    const most = fault?.kind === 'credentials' ? MAX_CREDENTIALS_REST : MAX_REST;
    this.restUntil = now + Math.min(most, rest * 2 ** Math.min(this.failures - 1, 6));
  }

  /** A handshake failed where TLS is not required: the next connections are in the clear. */
  handshakeFailed(reason: string, now: number): void {
    this.clearReason = `the TLS handshake failed: ${reason}`;
    this.clearUntil = now + CLEAR_TIME;
  }

  /** Why the next connection is in the clear although TLS is to be tried; '': it is tried. */
  clearBecause(now: number): string {
    return this.clearUntil > now ? this.clearReason : '';
  }

  /** Something is known of it that must not be forgotten yet. */
  isSetBack(now: number): boolean {
    return Math.max(this.restUntil, this.pausedUntil, this.clearUntil) > now;
  }

  /** For listings, JSON-safe. */
  describe(now: number): Readonly<Record<string, unknown>> {
    const { name, address, port } = this.site;
    const state = this.pausedUntil > now ? 'paused' : this.restUntil > now ? 'down' : 'closed';
    const until = Math.max(0, state === 'paused' ? this.pausedUntil : this.restUntil);
    const reason = state === 'closed' ? '' : this.lastFailure;
    return { name, address, port, state, reason, until, connections: this.connections, idle: this.idle.length };
  }

  /** It asked for less. True: it is left alone from now on; false: it was already. */
  throttled(kind: Throttling, reason: string, now: number): boolean {
    if (this.pausedUntil > now) return false;
    // Pauses grow while one soon follows the other.
    this.pauses = now - this.pausedUntil < LONGEST_PAUSE ? this.pauses + 1 : 0;
    this.pausedUntil =
      now + (kind === 'quota' ? QUOTA_PAUSE : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.pauses, 6)));
    this.lastFailure = reason;
    this.lastEnhanced = '4.7.0';
    return true;
  }
}

/**
 * The next host by smooth weighted round robin (the algorithm of nginx): every available host gains its weight, the
 * richest is chosen and pays the sum.
 */
export function pickBalanced(hosts: readonly HostState[], now: number, mayDial: boolean): HostState | undefined {
  if (hosts.length === 1) return hosts[0]!.isAvailable(now, mayDial) ? hosts[0] : undefined;
  let best: HostState | undefined;
  let total = 0;
  for (const host of hosts) {
    if (!host.isAvailable(now, mayDial)) continue;
    host.credit += host.site.weight;
    total += host.site.weight;
    if (best === undefined || host.credit > best.credit) best = host;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

/** The most preferred host that can be used now. */
export function pickPreferred(hosts: readonly HostState[], now: number, mayDial: boolean): HostState | undefined {
  for (const host of hosts) if (host.isAvailable(now, mayDial)) return host;
  return undefined;
}
