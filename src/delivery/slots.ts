/**
 * Connections in one scope (a host, a destination, a site) and what they carry. The last of a limit are for immediate
 * mail only, so that it finds a connection even while every other transaction hangs.
 */

export class Slots {
  /** Being made and made. */
  connections = 0;
  /** Of these carrying an immediate job, and any other job. */
  urgent = 0;
  other = 0;
  /** Of these resting (counted for a site only), and saying goodbye (not for a destination). */
  idle = 0;
  leaving = 0;
  limit = Number.POSITIVE_INFINITY;
  /** Of the limit, for immediate jobs. */
  reserve = 0;
  private share = 0;

  /** `share`: of the limit that is for immediate jobs. */
  setLimit(limit: number, share: number): void {
    if (limit === this.limit && share === this.share) return;
    this.limit = limit;
    this.share = share;
    this.reserve = reserveOf(limit, share);
  }

  /** One more may be dialled. `urgent`: for an immediate job. */
  hasRoom(urgent: boolean): boolean {
    if (this.connections >= this.limit) return false;
    return urgent || this.connections - this.urgent < this.limit - this.reserve;
  }

  /** How many more have to go before there is room. */
  excess(urgent: boolean): number {
    const staying = this.connections - this.leaving;
    const all = staying - this.limit + 1;
    return urgent ? all : Math.max(all, staying - this.urgent - (this.limit - this.reserve) + 1);
  }

  /** A free connection may be given a job that is not immediate. */
  get sparesOne(): boolean {
    return this.other < this.limit - this.reserve;
  }

  began(urgent: boolean): void {
    if (urgent) this.urgent++;
    else this.other++;
  }

  ended(urgent: boolean): void {
    if (urgent) this.urgent--;
    else this.other--;
  }
}

/** Connections of a limit that are for immediate mail: a share of it, at least one of three or more. */
export function reserveOf(limit: number, share: number): number {
  if (share <= 0 || limit < 3 || limit === Number.POSITIVE_INFINITY) return 0;
  return Math.min(limit - 1, Math.max(1, Math.floor(limit * share)));
}
