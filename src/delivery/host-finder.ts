/**
 * The hosts of one destination: found when they are needed, found again when they expire.
 *
 * A site that was known goes on with what is known while the name servers are out.
 */
import type { Clock } from '../core/clock.js';
import type { Site, SiteHosts } from './site.js';

/** Least time between two looks for the hosts of a site, ms: a short TTL or a name server that fails is no busy loop. */
const MIN_INTERVAL = 1000;

export type FoundHosts = Exclude<SiteHosts, { kind: 'failed' }>;
export type FindFailure = Extract<SiteHosts, { kind: 'failed' }>;

/** Told of what was found. */
export interface FinderOwner {
  found(hosts: FoundHosts): void;
  /** `known`: the hosts known from before still stand. */
  notFound(failure: FindFailure, known: boolean): void;
  /** After either. */
  looked(): void;
}

export class HostFinder {
  /** Under way. */
  looking = false;
  private known: FoundHosts | null = null;
  /** Hosts are not looked for before this, engine clock ms. */
  private again = 0;
  private readonly site: Site;
  private readonly clock: Clock;
  private readonly owner: FinderOwner;

  constructor(site: Site, clock: Clock, owner: FinderOwner) {
    this.site = site;
    this.clock = clock;
    this.owner = owner;
  }

  /** Under way, and nothing is known from before. */
  get isNew(): boolean {
    return this.looking && this.known === null;
  }

  /** What is known now, null while it is being found out for the first time. Begins to look where that is due. */
  current(now: number): FoundHosts | null {
    if (this.known === null || this.known.expires <= now) this.look(now);
    return this.known;
  }

  private look(now: number): void {
    if (this.looking || now < this.again) return;
    this.looking = true;
    void this.site.resolve().then((found) => {
      this.looking = false;
      if (this.known !== null || found.kind !== 'failed') this.again = this.clock.now() + MIN_INTERVAL;
      if (found.kind !== 'failed') {
        this.known = found;
        this.owner.found(found);
      } else {
        if (found.forbidden === true) {
          this.known = null;
          this.again = 0;
        }
        this.owner.notFound(found, this.known !== null);
      }
      this.owner.looked();
    });
  }
}
