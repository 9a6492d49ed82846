/**
 * What a pool knows of one host of its site: its connections, and whether it is worth dialling now.
 */
import type { SiteHost } from './site.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** Longest time a host that failed is left alone, ms: this late at most mail flows again when it is back. */
const MAX_REST = 30_000;

export class HostState {
  site: SiteHost;
  /** Connections being made and made. */
  connections = 0;
  /** Made, without a job; the one used last is taken first. */
  readonly idle: UpstreamConnection[] = [];
  /** Not to be dialled before this, engine clock ms. */
  restUntil = 0;
  /** Why it rests. */
  lastFailure = '';
  /** For smooth weighted round robin. */
  credit = 0;
  private failures = 0;
  private turn = 0;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(site: SiteHost) {
    this.site = site;
  }

  /** A connection can be had at once or, where one more is allowed, dialled. */
  isAvailable(now: number, mayDial: boolean): boolean {
    return this.idle.length > 0 || (mayDial && this.restUntil <= now && this.connections < this.site.limit);
  }

  /** The host with the address to dial now: after a failure the next of its addresses. */
  get target(): SiteHost {
    const { alternatives } = this.site;
    if (alternatives === undefined || alternatives.length === 0) return this.site;
    const turn = this.turn % (alternatives.length + 1);
    return turn === 0 ? this.site : { ...this.site, address: alternatives[turn - 1]! };
  }

  /** A connection became usable. */
  succeeded(): void {
    this.failures = 0;
    this.restUntil = 0;
  }

  /**
   * A connection begun at `begunAt` failed before it became usable. `rest`: ms after the first failure; doubles with each
   * more. Those that were being made together count as one failure.
   */
  failed(reason: string, now: number, rest: number, begunAt: number): void {
    this.lastFailure = reason;
    if (begunAt >= this.failedAt) {
      this.failures++;
      this.failedAt = now;
      this.turn++;
      // Another address is tried at once, once each.
      if (this.failures <= (this.site.alternatives?.length ?? 0)) return;
    }
    this.restUntil = now + Math.min(MAX_REST, rest * 2 ** Math.min(this.failures - 1, 6));
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
