/**
 * Which routes can fit a recipient at all, in their order: by its domain, so that thousands of routes for a domain each
 * cost a message no more than one does.
 *
 * Routes with expressions, and routes for any recipient, are asked for every message; routes by sender or account are
 * among these. Answers are the same as those of a loop over all routes.
 */
import { isExpression } from './address-match.js';
import { type AddressSetOf, CompiledRoute, type RouteFacts } from './compiled-route.js';
import type { RouteSettings } from './route-settings.js';

/** Domains whose routes are remembered where `@*.domain` has to be looked for; past that all are forgotten. */
const MAX_REMEMBERED = 10_000;

const NONE: readonly CompiledRoute[] = [];

export class RouteIndex {
  readonly routes: readonly CompiledRoute[];
  private readonly byDomain = new Map<string, CompiledRoute[]>();
  private readonly below = new Map<string, CompiledRoute[]>();
  private readonly general: CompiledRoute[] = [];
  private readonly remembered = new Map<string, readonly CompiledRoute[]>();

  constructor(settings: readonly RouteSettings[], addressSet: AddressSetOf) {
    this.routes = settings.map((route, place) => new CompiledRoute(route, place, addressSet));
    for (const route of this.routes) this.add(route);
  }

  /**
   * The first route that fits or, where not all facts are known, may fit: `CompiledRoute.fits` tells. undefined: none.
   * `address` as received; `domain`: its domain in lower-case A-labels.
   */
  first(address: string, domain: string, facts: RouteFacts): CompiledRoute | undefined {
    const own = this.ownOf(domain);
    const { general } = this;
    let i = 0;
    let j = 0;
    while (i < own.length || j < general.length) {
      const ownIsNext = j >= general.length || (i < own.length && own[i]!.place < general[j]!.place);
      const route = ownIsNext ? own[i++]! : general[j++]!;
      if (route.fits(address, domain, facts) !== 'no') return route;
    }
    return undefined;
  }

  private add(route: CompiledRoute): void {
    const { recipients } = route.settings;
    if (recipients === null || recipients.some(isExpression)) {
      this.general.push(route);
      return;
    }
    for (const pattern of recipients) {
      const domain = pattern.slice(pattern.lastIndexOf('@') + 1);
      const [map, key] = domain.startsWith('*.') ? [this.below, domain.slice(2)] : [this.byDomain, domain];
      const routes = map.get(key);
      if (routes === undefined) map.set(key, [route]);
      else if (routes[routes.length - 1] !== route) routes.push(route);
    }
  }

  /** Routes whose recipients are in this domain, in their order. */
  private ownOf(domain: string): readonly CompiledRoute[] {
    if (this.below.size === 0) return this.byDomain.get(domain) ?? NONE;
    let own = this.remembered.get(domain);
    if (own === undefined) {
      own = this.gather(domain);
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
      this.remembered.set(domain, own);
    }
    return own;
  }

  private gather(domain: string): readonly CompiledRoute[] {
    const found = new Set(this.byDomain.get(domain));
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1))
      for (const route of this.below.get(domain.slice(dot + 1)) ?? NONE) found.add(route);
    return found.size === 0 ? NONE : [...found].sort((a, b) => a.place - b.place);
  }
}
