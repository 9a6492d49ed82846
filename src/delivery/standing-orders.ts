/**
 * Standing orders of operators and rules about mail: suspended, or sent another way than the routes say.
 *
 * Contract: asked for each job, so free while there are none and a look into a map while there are few. Orders end at
 * their time by themselves. Whoever keeps them over restarts is told of every change by `changed`.
 * Limits: MAX_ORDERS of each kind.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { SluiceError } from '../core/errors.js';
import type { Envelope, Handling, Recipient } from '../message/envelope.js';
import type { Selector, Suspension, SuspensionCheck } from '../queue/suspensions.js';
import { domainOf } from '../smtp/address.js';
import { parseDestination } from './destination.js';

/** Mail that goes to `to` (a target as routes have it) instead of where its route says. */
export interface Reroute extends Suspension {
  readonly to: string;
}

export interface StandingOrdersOptions {
  readonly clock: Clock;
  /** Something is to be kept. */
  changed(): void;
  /** Mail is suspended from now on, or no longer; an order that ends at its time is not told of. */
  suspension?(kind: 'suspended' | 'resumed', order: Suspension): void;
}

const MAX_ORDERS = 1000;

/** What is kept over restarts. */
export interface KeptOrders {
  readonly suspensions: readonly Suspension[];
  readonly reroutes: readonly Reroute[];
}

/** What an order says besides whom it concerns. */
export interface OrderTerms {
  readonly reason: string;
  /** How long, ms; 0: until it is taken back. */
  readonly forMs: number;
  readonly by: Suspension['by'];
}

export class StandingOrders implements SuspensionCheck {
  private readonly options: StandingOrdersOptions;
  private suspended = new OrderList<Suspension>();
  private rerouted = new OrderList<Reroute>();

  constructor(options: StandingOrdersOptions) {
    this.options = options;
  }

  get size(): number {
    return this.suspended.size;
  }

  /** Takes up what was kept; what is over or malformed is left out. */
  restore(kept: unknown): void {
    const { suspensions, reroutes } = (kept ?? {}) as Partial<Record<keyof KeptOrders, unknown>>;
    const now = this.options.clock.wall();
    if (Array.isArray(suspensions))
      for (const one of suspensions) if (isOrder(one) && !isOver(one, now)) this.suspended.add(one);
    if (Array.isArray(reroutes))
      for (const one of reroutes)
        if (isOrder(one) && !isOver(one, now) && typeof (one as Partial<Reroute>).to === 'string')
          this.rerouted.add(one as Reroute);
  }

  /** To be kept. */
  snapshot(): KeptOrders {
    return { suspensions: this.suspensions(), reroutes: this.reroutes() };
  }

  suspensions(): readonly Suspension[] {
    return this.suspended.list(this.options.clock.wall());
  }

  reroutes(): readonly Reroute[] {
    return this.rerouted.list(this.options.clock.wall());
  }

  /** An order suspends exactly whom the selector says. */
  isSuspended(selector: Selector): boolean {
    return this.suspensions().some((order) => sameSelector(order.selector, selector));
  }

  /** Suspends; the same selector again changes its terms. @throws SluiceError `too-many-orders`. */
  suspend(selector: Selector, terms: OrderTerms): Suspension {
    const order = this.orderOf(selector, terms, this.suspended);
    this.suspended.add(order);
    this.options.changed();
    this.options.suspension?.('suspended', order);
    return order;
  }

  /** @throws SluiceError `too-many-orders`. */
  reroute(selector: Selector, to: string, terms: OrderTerms): Reroute {
    const order = { ...this.orderOf(selector, terms, this.rerouted), to };
    this.rerouted.add(order);
    this.options.changed();
    return order;
  }

  /** Takes back orders by id, `all`, or that concern exactly whom a selector says. Those taken back. */
  takeBack(which: string | Selector): readonly Suspension[] {
    const fits = (order: Suspension): boolean =>
      typeof which === 'string' ? which === 'all' || order.id === which : sameSelector(order.selector, which);
    const resumed = this.suspended.remove(fits);
    const gone = [...resumed, ...this.rerouted.remove(fits)];
    if (gone.length > 0) this.options.changed();
    for (const order of resumed) this.options.suspension?.('resumed', order);
    return gone;
  }

  match(envelope: Envelope, recipient: number, destination: string): Suspension | undefined {
    if (this.suspended.size === 0) return undefined;
    const { address } = envelope.recipients[recipient]!;
    return this.suspended.match(envelope.handling, address, destination, this.options.clock.wall());
  }

  /** Where mail of the destination that its route gave goes instead, undefined: there. */
  rerouteOf(
    { handling }: Pick<Envelope, 'handling'>,
    { address }: Recipient,
    destination: string,
  ): Reroute | undefined {
    if (this.rerouted.size === 0) return undefined;
    return this.rerouted.match(handling, address, destination, this.options.clock.wall());
  }

  private orderOf<O extends Suspension>(selector: Selector, terms: OrderTerms, list: OrderList<O>): Suspension {
    const now = this.options.clock.wall();
    const same = list.list(now).find((order) => sameSelector(order.selector, selector));
    if (same === undefined && list.size >= MAX_ORDERS)
      throw new SluiceError('too-many-orders', `there are ${MAX_ORDERS} already: take some back first`, {
        temporary: false,
      });
    return {
      id: same?.id ?? randomBytes(4).toString('hex'),
      selector,
      reason: terms.reason,
      since: now,
      until: terms.forMs === 0 ? 0 : now + terms.forMs,
      by: terms.by,
    };
  }
}

/** What a message is known by. */
type Marks = Pick<Handling, 'tenant' | 'tags'>;

/** A selector speaks of a message's recipient. `destination`: the key. */
export function selects(selector: Selector, handling: Marks, address: string, destination: string): boolean {
  const { domain, tenant, pool, campaign } = selector;
  if (tenant !== '' && tenant !== handling.tenant) return false;
  if (campaign !== '' && !handling.tags.includes(campaign)) return false;
  if (domain !== '') {
    const given = domainOf(address);
    if (domain.startsWith('.') ? !given.endsWith(domain) : given !== domain) return false;
  }
  if (pool === '') return true;
  const { kind, name, egress } = parseDestination(destination);
  return egress === pool || (kind === 'upstream' && name === pool);
}

/** Orders, those for one domain by its name. */
class OrderList<O extends Suspension> {
  private byDomain = new Map<string, O[]>();
  private others: O[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(order: O): void {
    this.remove(({ id }) => id === order.id);
    const { domain } = order.selector;
    this.count++;
    if (domain === '' || domain.startsWith('.')) this.others.push(order);
    else this.byDomain.set(domain, [...(this.byDomain.get(domain) ?? []), order]);
  }

  remove(fits: (order: O) => boolean): O[] {
    const all = this.all();
    const gone = all.filter(fits);
    if (gone.length === 0) return gone;
    this.byDomain = new Map();
    this.others = [];
    this.count = 0;
    for (const order of all) if (!gone.includes(order)) this.add(order);
    return gone;
  }

  list(now: number): O[] {
    this.remove((order) => isOver(order, now));
    return this.all();
  }

  match(handling: Marks, address: string, destination: string, now: number): O | undefined {
    const fits = (order: O): boolean => !isOver(order, now) && selects(order.selector, handling, address, destination);
    const named = this.byDomain.size === 0 ? undefined : this.byDomain.get(domainOf(address));
    return named?.find(fits) ?? this.others.find(fits);
  }

  private all(): O[] {
    return [...[...this.byDomain.values()].flat(), ...this.others];
  }
}

function isOver({ until }: Suspension, now: number): boolean {
  return until !== 0 && until <= now;
}

function sameSelector(a: Selector, b: Selector): boolean {
  return a.domain === b.domain && a.tenant === b.tenant && a.pool === b.pool && a.campaign === b.campaign;
}

function isOrder(given: unknown): given is Suspension {
  const { id, selector, reason, since, until, by } = (given ?? {}) as Partial<Suspension>;
  const { domain, tenant, pool, campaign } = (selector ?? {}) as Partial<Selector>;
  return (
    [id, reason, domain, tenant, pool, campaign].every((text) => typeof text === 'string') &&
    typeof since === 'number' &&
    typeof until === 'number' &&
    (by === 'operator' || by === 'rule')
  );
}
