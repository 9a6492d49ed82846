/**
 * From which source and to which address of a host the next connection goes, as far as the control of the site and the
 * egress pool let it begin.
 */
import type { Wait } from '../queue/wait.js';
import type { EgressPool, EgressSource } from './egress.js';
import type { SiteHost } from './site.js';
import type { SiteControl } from './site-control.js';

/** How many sources, or addresses, are tried for one connection: one may have reached its limit and another not. */
const TRIES = 4;
/** After a refusal nothing is asked for so long, ms, unless a connection ends: many may want one. */
const HELD = 1000;

/** It may begin, and is booked. */
export interface Start {
  /** With the address to dial. */
  readonly host: SiteHost;
  /** null: the system chooses. */
  readonly source: EgressSource | null;
}

export class DialChoice {
  private readonly control: SiteControl;
  /** By name of the egress pool, '' without: what refused the last time, and until when that is taken to hold. */
  private readonly held = new Map<string, Wait>();

  constructor(control: SiteControl) {
    this.control = control;
  }

  /** A connection to the host at `address`, or another of its addresses where no source can reach that; or why not. */
  next(host: SiteHost, address: string, egress: EgressPool | null, now: number): Start | Wait {
    const key = egress === null ? '' : egress.name;
    const held = this.held.get(key);
    if (held !== undefined && held.until > now) return held;
    const start = this.ask(address === host.address ? host : { ...host, address }, egress, now);
    if (!('until' in start)) return start;
    this.held.set(key, { ...start, until: Math.min(start.until, now + HELD) });
    return start;
  }

  /** A connection is over: what was refused may be possible. */
  ended(): void {
    if (this.held.size > 0) this.held.clear();
  }

  private ask(host: SiteHost, egress: EgressPool | null, now: number): Start | Wait {
    if (egress === null) return this.control.admitConnection(host, '', now) ?? { host, source: null };
    const others = [host.address, ...(host.alternatives ?? [])];
    let target = host;
    let refusal: Wait | null = null;
    for (let tries = 0; tries < TRIES; tries++) {
      const source = egress.pick(target, this.control.site, now);
      let wait: Wait | null;
      if ('until' in source) {
        wait = source;
        // No source has an address of that family.
        const other =
          wait.until === Number.POSITIVE_INFINITY ? others.find((each) => isOther(each, target)) : undefined;
        if (other === undefined) tries = TRIES;
        else target = { ...host, address: other };
      } else {
        wait = this.control.admitConnection(target, source.name, now);
        if (wait === null) return { host: target, source };
      }
      if (refusal === null || wait.until < refusal.until) refusal = wait;
    }
    return refusal!;
  }
}

/** It is of the other family. */
function isOther(address: string, { address: target }: SiteHost): boolean {
  return address.includes(':') !== target.includes(':');
}
