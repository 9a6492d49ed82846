/**
 * The shaping: finds the control of the site that a destination's mail goes to. One for all destinations of a site.
 *
 * Limits: sites in which nothing is remembered are swept when they have become many, and were not asked for ten minutes:
 * a pool that waits asks more often, so that it never holds another control than the one here.
 */
import { type Destination, parseDestination } from '../destination.js';
import type { SiteHost } from '../site.js';
import type { SiteControl } from '../site-control.js';
import { canonical, siteNameOf } from './roll-up.js';
import type { ShapingRule } from './rule.js';
import { Scopes } from './scopes.js';
import { ShapedSite, type SiteEnvironment } from './shaped-site.js';
import type { ShapingActions, ShapingEvents } from './shaping-events.js';
import { type SiteFacts, SiteRules } from './site-rules.js';

export interface ShapingOptions {
  /** The operator's, in their order. */
  readonly rules: readonly ShapingRule[];
  readonly shipped: readonly ShapingRule[];
  readonly actions: ShapingActions;
  readonly events: ShapingEvents;
  /** Engine clock ms. */
  readonly now: () => number;
}

/** Looked for what can go when there are this many, then at twice what is left. */
const SWEEP_FROM = 1024;
const IDLE_TIME = 600_000;

export class Shaping {
  private readonly options: ShapingOptions;
  private readonly sites = new Map<string, ShapedSite>();
  /** Domains that a rule asks for: their mail has a control of its own. */
  private readonly domains: ReadonlySet<string>;
  private readonly environment: SiteEnvironment;
  private sweepAt = SWEEP_FROM;

  constructor(options: ShapingOptions) {
    this.options = options;
    this.domains = new Set([...options.rules, ...options.shipped].map(({ domain }) => domain));
    const { actions, events } = options;
    this.environment = { actions, events, scopes: new Scopes(options.now) };
  }

  /** The control for a destination with these hosts, in order of preference. */
  readonly controlOf = (destination: string, hosts: readonly SiteHost[]): SiteControl => {
    const facts = this.factsOf(parseDestination(destination), hosts);
    const key = `${facts.site}\n${facts.domain}`;
    let site = this.sites.get(key);
    if (site === undefined) {
      if (this.sites.size >= this.sweepAt) this.sweepSites();
      site = new ShapedSite(new SiteRules(facts, this.options.rules, this.options.shipped), this.environment);
      this.sites.set(key, site);
    }
    site.usedAt = this.options.now();
    return site;
  };

  /** The controls of all sites that are remembered. */
  get controls(): Iterable<SiteControl> {
    return this.sites.values();
  }

  private factsOf(destination: Destination, hosts: readonly SiteHost[]): SiteFacts {
    const isUpstream = destination.kind === 'upstream';
    const first = hosts[0];
    return {
      site: siteNameOf(destination, hosts),
      host: isUpstream || first === undefined ? '' : canonical(first.name),
      domain: destination.kind === 'mx' && this.domains.has(destination.name) ? destination.name : '',
      upstream: isUpstream ? destination.name : '',
    };
  }

  private sweepSites(): void {
    const now = this.options.now();
    for (const [key, site] of this.sites)
      if (site.usedAt <= now - IDLE_TIME && site.isIdle(now)) this.sites.delete(key);
    this.sweepAt = Math.max(SWEEP_FROM, this.sites.size * 2);
  }
}
