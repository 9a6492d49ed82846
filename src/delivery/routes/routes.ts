/**
 * All routes of one configuration: where each recipient's mail goes, what is refused at the door, and how mail is handled
 * because of its route.
 *
 * Contract: pure, nothing here waits or fails. The first route that fits decides; without one mail goes to the configured
 * upstreams or, where there are none, to the mail hosts of its domain. Without routes and tenants nothing is looked at.
 */
import type { Envelope, Lane, Recipient } from '../../message/envelope.js';
import { asciiDomain, domainOf } from '../../smtp/address.js';
import type { AddressSetOf, CompiledRoute, RouteFacts } from './compiled-route.js';
import { FixedKeys, MxKeys } from './destination-keys.js';
import { EnvelopeFacts } from './envelope-facts.js';
import { RouteIndex } from './route-index.js';
import { DEFAULT_GROUP, type RouteRefusal, type RouteSettings } from './route-settings.js';

export interface RoutesOptions {
  readonly routes: readonly RouteSettings[];
  /** Where mail without a route goes: the upstreams of SLUICE_UPSTREAM, or the mail hosts of its domain. */
  readonly fallback: 'upstream' | 'mx';
  /** Pool of egress sources of a tenant, '' for none. */
  egressOf(tenant: string): string;
  /** A tenant has a pool of its own. */
  readonly tenantsHaveEgress: boolean;
  readonly addressSet: AddressSetOf;
}

/** A message that is being accepted, without what routes may set. */
export interface RoutedMail extends Omit<RouteFacts, 'client' | 'lane'> {
  readonly recipients: readonly Recipient[];
  readonly clientAddress: string;
}

export interface RouteTraits {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
}

/** What is to be done about a recipient when it is named: take it, refuse it, or ask the target first. */
export type EdgeDecision = null | RouteRefusal | 'verify';

export class Routes {
  /** Header fields that conditions look at, lower case. */
  readonly fields: readonly string[];
  /** Recipients are to be asked about before they are taken: `edgeDecision` may say something. */
  readonly decidesAtEdge: boolean;
  /** Routes refuse: `contentDecision` may say something. */
  readonly refuses: boolean;
  /** A route looks at the listener that mail came by. */
  readonly asksListener: boolean;
  /** Routes set lanes or tags: `traitsOf` may say something. */
  readonly handles: boolean;
  /** Domains that are taken from anyone (`relay`), lower-case A-labels; `.example.org`: all below it. */
  readonly relayDomains: readonly string[];
  private readonly index: RouteIndex;
  private readonly options: RoutesOptions;
  private readonly byName = new Map<string, CompiledRoute>();
  private readonly keys: readonly (FixedKeys | null)[];
  private readonly fallback: FixedKeys | null;
  private readonly mx = new MxKeys();
  private readonly envelopeFacts = new EnvelopeFacts();

  constructor(options: RoutesOptions) {
    const { routes } = options;
    this.options = options;
    this.index = new RouteIndex(routes, options.addressSet);
    for (const route of this.index.routes) this.byName.set(route.settings.name, route);
    this.keys = routes.map(fixedKeysOf);
    this.fallback = options.fallback === 'mx' ? null : new FixedKeys('upstream', DEFAULT_GROUP);
    this.refuses = routes.some(({ target }) => target.kind === 'refuse');
    this.decidesAtEdge = this.refuses || routes.some(({ verify }) => verify);
    this.handles = routes.some(({ setLane, addTags }) => setLane !== null || addTags.length > 0);
    this.asksListener = routes.some(({ listeners }) => listeners !== null);
    this.fields = routeFields(routes);
    this.relayDomains = routes
      .flatMap(({ relay, recipients }) => (relay ? (recipients ?? []) : []))
      .map((pattern) => pattern.replace(/^@\*?/, ''));
  }

  /** There are routes. */
  get exist(): boolean {
    return this.index.routes.length > 0;
  }

  /** The route of that name, undefined: it is gone. */
  named(name: string): RouteSettings | undefined {
    return this.byName.get(name)?.settings;
  }

  /** The key of the destination of a recipient's mail. */
  destinationOf(recipient: Recipient, envelope: Envelope): string {
    const { address } = recipient;
    if (!this.exist && this.fallback !== null && !this.options.tenantsHaveEgress) return this.fallback.of('');
    const domain = asciiDomain(address.slice(address.lastIndexOf('@') + 1));
    const route = this.exist ? this.index.first(address, domain, this.envelopeFacts.of(envelope)) : undefined;
    const tlsOptional = envelope.tlsOptional === true;
    return this.keyOf(route, domain, envelope.handling.tenant, tlsOptional);
  }

  /** The route of a recipient, undefined: none. `facts` must be whole. */
  find(address: string, facts: RouteFacts): RouteSettings | undefined {
    return this.index.first(address, domainOf(address), facts)?.settings;
  }

  /** The key of the destination for facts that may not be whole: as if what is not known did not fit. */
  destinationFor(address: string, facts: RouteFacts): string {
    const domain = domainOf(address);
    const route = this.index.first(address, domain, facts);
    const certain = route?.fits(address, domain, facts) === 'yes' ? route : undefined;
    return this.keyOf(certain, domain, facts.tenant, false);
  }

  /**
   * What is to be done about a recipient before there is content. A route that looks at what only the content tells is
   * waited for: the recipient is taken, and `contentDecision` speaks.
   */
  edgeDecision(address: string, facts: RouteFacts): EdgeDecision {
    if (!this.decidesAtEdge) return null;
    const domain = domainOf(address);
    const route = this.index.first(address, domain, facts);
    if (route === undefined || route.fits(address, domain, facts) !== 'yes') return null;
    const { target, verify } = route.settings;
    if (target.kind === 'refuse') return target;
    return verify ? 'verify' : null;
  }

  /** The refusal of a whole message, when each of its recipients is refused; a part of them is told by a notification. */
  contentDecision(envelope: Envelope): RouteRefusal | null {
    if (!this.refuses || envelope.recipients.length === 0) return null;
    let refusal: RouteRefusal | null = null;
    for (const { address } of envelope.recipients) {
      const target = this.index.first(address, domainOf(address), this.envelopeFacts.of(envelope))?.settings.target;
      if (target?.kind !== 'refuse') return null;
      // What may succeed later is not given up for what may not.
      if (refusal === null || target.code < refusal.code) refusal = target;
    }
    return refusal;
  }

  /**
   * What the routes of a message's recipients say of its handling: the lane of the first of them that says one, the tags
   * of all. null: nothing. No route decides by what another sets (the configuration file is held to that), so it does not
   * matter that lane and these tags are not known yet.
   */
  traitsOf(mail: RoutedMail): RouteTraits | null {
    if (!this.handles) return null;
    const facts: RouteFacts = { ...mail, client: mail.clientAddress, lane: null };
    let lane: Lane | null = null;
    let tags: readonly string[] = [];
    for (const { address } of mail.recipients) {
      const settings = this.find(address, facts);
      if (settings === undefined) continue;
      lane ??= settings.setLane;
      const added = settings.addTags.filter((tag) => !tags.includes(tag));
      if (added.length > 0) tags = [...tags, ...added];
    }
    return lane === null && tags.length === 0 ? null : { lane, tags };
  }

  private keyOf(route: CompiledRoute | undefined, domain: string, tenant: string, tlsOptional: boolean): string {
    const keys = route === undefined ? this.fallback : this.keys[route.place]!;
    const kind = route?.settings.target.kind;
    if (kind === 'discard' || kind === 'refuse') return keys!.of('');
    const own = route?.settings.egress ?? '';
    const egress = own === '' && this.options.tenantsHaveEgress && tenant !== '' ? this.options.egressOf(tenant) : own;
    return keys === null ? this.mx.of(domain, egress, tlsOptional) : keys.of(egress);
  }
}

/** Header fields that conditions look at, lower case. */
export function routeFields(routes: readonly RouteSettings[]): string[] {
  return [...new Set(routes.flatMap(({ fields }) => fields.map(({ name }) => name)))];
}

/** null: the key follows the recipient's domain. */
function fixedKeysOf({ name, target }: RouteSettings): FixedKeys | null {
  switch (target.kind) {
    case 'mx':
      return null;
    case 'upstream':
      return new FixedKeys('upstream', target.group);
    case 'host':
      return new FixedKeys('host', target.name);
    default:
      return new FixedKeys(target.kind, name);
  }
}
