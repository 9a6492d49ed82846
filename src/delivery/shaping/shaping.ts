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
  /** Share of limits that only immediate mail may take, 0 to 0.5. */
  readonly reserve: number;
  readonly actions: ShapingActions;
  readonly events: ShapingEvents;
  /** Engine clock ms. */
  readonly now: () => number;
}

/** Looked for what can go when there are this many, then at twice what is left. */
const SWEEP_FROM = 1024;
const IDLE_TIME = 600_000;
const NEVER = Number.NEGATIVE_INFINITY;

export class Shaping {
  /** What is counted, to be kept over restarts. */
  readonly scopes: Scopes;
  private readonly options: ShapingOptions;
  private readonly sites = new Map<string, ShapedSite>();
  /** Domains that a rule asks for: their mail has a control of its own. */
  private domains: ReadonlySet<string> = new Set();
  private rules: readonly ShapingRule[] = [];
  private readonly environment: SiteEnvironment & { revision: number; reserve: number };
  private sweepAt = SWEEP_FROM;

  constructor(options: ShapingOptions) {
    this.options = options;
    const { actions, events, shipped } = options;
    const rulesFor = (facts: SiteFacts): SiteRules => new SiteRules(facts, this.rules, shipped);
    this.scopes = new Scopes(options.now);
    this.environment = { actions, events, scopes: this.scopes, rulesFor, revision: 0, reserve: 0, urgentAt: NEVER };
    this.configure(options.rules, options.reserve);
  }

  /** Other rules of the operator: from now on, with all that was counted and learnt. */
  configure(rules: readonly ShapingRule[], reserve: number): void {
    this.rules = rules;
    this.environment.reserve = reserve;
    this.domains = new Set([...rules, ...this.options.shipped].map(({ domain }) => domain));
    this.environment.revision++;
    this.scopes.renew();
  }

  /** The control for a destination with these hosts, in order of preference. */
  readonly controlOf = (destination: string, hosts: readonly SiteHost[]): SiteControl => {
    const facts = this.factsOf(parseDestination(destination), hosts);
    const key = `${facts.site}\n${facts.domain}`;
    let site = this.sites.get(key);
    if (site === undefined) {
      if (this.sites.size >= this.sweepAt) this.sweepSites();
      site = new ShapedSite(facts, this.environment);
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
