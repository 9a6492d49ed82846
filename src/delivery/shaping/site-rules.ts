/**
 * Which rules hold for a site, and what comes of them for a source and a tenant there.
 *
 * Rules are asked in order: those of the operator, then those that are shipped, then the operator's for all sites (`*`).
 * For each key of a scope (the site, each source at it, a tenant ...) the first that says something stands. And what the
 * operator says of a site's key stands instead of what is shipped whatever the scope: a limit that was raised is not held
 * down by a shipped one for each source.
 */
import { isUnder } from './roll-up.js';
import { isOfSite, placeInWords, type Rate, type ShapingRule } from './rule.js';
import type { Scope } from './scope.js';

/** What rules look at. */
export interface SiteFacts {
  /** Its name. */
  readonly site: string;
  /** Most preferred mail host, canonical; '' for upstreams. */
  readonly host: string;
  /** Recipient domain where a rule asks for it, else ''. */
  readonly domain: string;
  /** Group of upstreams, '' for none. */
  readonly upstream: string;
}

/** Gives the scope of that key, making it with these limits if there is none. */
export type ScopeOf = (key: string, name: string, most: number, rates: readonly Rate[]) => Scope;

interface Draft {
  readonly name: string;
  connections: number | undefined;
  readonly rates: Map<string, Rate>;
}

export class SiteRules {
  readonly facts: SiteFacts;
  /** Transactions on a connection and recipients in a transaction at most; 0: as elsewhere. */
  readonly maxMessages: number;
  readonly maxRecipients: number;
  /** null: no rule says. */
  readonly adaptive: boolean | null;
  /** Rules ask for the tenant. */
  readonly asksTenant: boolean;
  /** The operator's, then the shipped ones. */
  private readonly rules: readonly ShapingRule[];
  /** In the order in which their limits stand. */
  private readonly ordered: readonly ShapingRule[];
  private readonly shipped: ReadonlySet<ShapingRule>;

  constructor(facts: SiteFacts, own: readonly ShapingRule[], shipped: readonly ShapingRule[]) {
    this.facts = facts;
    const ours = own.filter((rule) => fitsSite(rule, facts));
    const theirs = shipped.filter((rule) => fitsSite(rule, facts));
    const all = [...ours.filter((rule) => !isOfAllSites(rule)), ...theirs, ...ours.filter(isOfAllSites)];
    this.rules = [...ours, ...theirs];
    this.ordered = all;
    this.shipped = new Set(theirs);
    this.maxMessages = first(all, ({ messagesPerConnection }) => messagesPerConnection) ?? 0;
    this.adaptive = first(all, ({ adaptive }) => adaptive) ?? null;
    this.asksTenant = all.some(({ tenant }) => tenant !== '');
    // A transaction that no window has room for would wait for ever.
    const windows = all.flatMap(({ rates }) =>
      rates.filter(({ counted, most }) => counted === 'recipients' && most > 0),
    );
    const asked = first(all, ({ recipientsPerMessage }) => recipientsPerMessage) ?? 0;
    const most = Math.min(asked || Number.POSITIVE_INFINITY, ...windows.map((rate) => rate.most));
    this.maxRecipients = Number.isFinite(most) ? most : 0;
  }

  /** Rules whose replies count for a source and a tenant. */
  rulesFor(source: string, tenant: string): ShapingRule[] {
    return this.rules.filter((rule) => fitsBoth(rule, source, tenant));
  }

  /** The scopes that what `source` sends for `tenant` counts in. Only those with limits. */
  scopesFor(source: string, tenant: string, scopeOf: ScopeOf): Scope[] {
    const drafts = new Map<string, Draft>();
    const said = new Set<string>();
    for (const rule of this.ordered) {
      if (!fitsBoth(rule, source, tenant)) continue;
      const shipped = this.shipped.has(rule);
      const says = !shipped && isOfSite(rule) && rule.tenant === '';
      const draft = this.draftOf(rule, source, tenant, drafts);
      const { connections } = rule;
      if (connections !== undefined && !(shipped && said.has('connections'))) {
        draft.connections ??= connections;
        if (says) said.add('connections');
      }
      for (const rate of rule.rates) {
        const key = `${rate.counted}/${rate.span}`;
        if (shipped && said.has(key)) continue;
        if (!draft.rates.has(key)) draft.rates.set(key, rate);
        if (says) said.add(key);
      }
    }
    const scopes: Scope[] = [];
    for (const [key, { name, connections, rates }] of drafts) {
      const limits = [...rates.values()].filter(({ most }) => most > 0);
      const most = connections === undefined || connections === 0 ? Number.POSITIVE_INFINITY : connections;
      if (limits.length > 0 || most !== Number.POSITIVE_INFINITY) scopes.push(scopeOf(key, name, most, limits));
    }
    return scopes;
  }

  private draftOf(rule: ShapingRule, source: string, tenant: string, drafts: Map<string, Draft>): Draft {
    const { site, domain } = this.facts;
    const where = !isOfSite(rule) ? '' : rule.domain === '' ? placeInWords(site, '') : `domain ${domain}`;
    const parts = [where];
    if (rule.source !== '' && source !== '') parts.push(`source ${source}`);
    if (rule.tenant !== '') parts.push(`tenant ${tenant}`);
    const name = parts.filter((part) => part !== '').join(', ');
    // The same words without a source are another scope where there is none: each source, and all of them.
    const key = `${where}\n${rule.source === '' ? '' : `=${source}`}\n${rule.tenant === '' ? '' : `=${tenant}`}`;
    let draft = drafts.get(key);
    if (draft === undefined) {
      draft = { name, connections: undefined, rates: new Map() };
      drafts.set(key, draft);
    }
    return draft;
  }
}

function fitsSite(rule: ShapingRule, { site, host, domain, upstream }: SiteFacts): boolean {
  if (rule.site !== '' && rule.site !== '*' && rule.site !== site) return false;
  if (rule.mx !== '' && !isUnder(host, rule.mx)) return false;
  if (rule.domain !== '' && rule.domain !== domain) return false;
  return rule.upstream === '' || rule.upstream === upstream || (rule.upstream === '*' && upstream !== '');
}

/** A default of the operator. */
function isOfAllSites(rule: ShapingRule): boolean {
  return (
    isOfSite(rule) && rule.mx === '' && rule.domain === '' && /^\*?$/.test(rule.site) && /^\*?$/.test(rule.upstream)
  );
}

/** `*` is each source, also the one that the system chooses; each tenant, but not mail that is nobody's. */
function fitsBoth(rule: ShapingRule, source: string, tenant: string): boolean {
  if (rule.source !== '' && rule.source !== '*' && rule.source !== source) return false;
  return rule.tenant === '' || rule.tenant === tenant || (rule.tenant === '*' && tenant !== '');
}

function first<T>(rules: readonly ShapingRule[], of: (rule: ShapingRule) => T | undefined): T | undefined {
  for (const rule of rules) {
    const value = of(rule);
    if (value !== undefined) return value;
  }
  return undefined;
}
