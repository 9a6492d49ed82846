/**
 * Whether a host can be reached: rests after connections that failed, the address to dial next, and whether TLS is tried.
 */
import type { SiteHost } from '../site.js';

/** Longest time a host that failed is left alone, ms: this late at most mail flows again when it is back. */
const MAX_REST = 30_000;
/** The same where it refused our credentials, ms: it is not asked often enough to lock the account. */
const MAX_CREDENTIALS_REST = 300_000;
/** How long TLS is not tried after a handshake failed, ms. */
const CLEAR_TIME = 300_000;

export class Reach {
  /** Not to be dialled before this, engine clock ms. */
  restUntil = 0;
  /** Failed connections since the last that became usable; those made together count once. */
  failures = 0;
  /** The last of them: it did not take our credentials. */
  refusesUs = false;
  private turn = 0;
  private failedAt = Number.NEGATIVE_INFINITY;
  /** Why TLS is not tried, '' when it is. */
  private clearReason = '';
  private clearUntil = 0;

  /** A connection became usable. */
  succeeded(): void {
    this.refusesUs = false;
    this.failures = 0;
    this.restUntil = 0;
  }

  /** One begun at `begunAt` failed. `rest`: ms after the first failure, doubles; `addresses`: of the host. */
  failed(now: number, rest: number, begunAt: number, addresses: number, credentials: boolean): void {
    this.refusesUs = credentials;
    if (begunAt >= this.failedAt) {
      this.failures++;
      this.failedAt = now;
      this.turn++;
      // Another address is tried at once, once each.
      if (this.failures < addresses) return;
    }
    const most = credentials ? MAX_CREDENTIALS_REST : MAX_REST;
    this.restUntil = now + Math.min(most, rest * 2 ** Math.min(this.failures - 1, 6));
  }

  /** The host with the address to dial now: after a failure the next of its addresses. */
  target(site: SiteHost): SiteHost {
    const { alternatives } = site;
    if (alternatives === undefined || alternatives.length === 0) return site;
    const turn = this.turn % (alternatives.length + 1);
    return turn === 0 ? site : { ...site, address: alternatives[turn - 1]! };
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
}
