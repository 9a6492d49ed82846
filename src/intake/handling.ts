/**
 * How an accepted message is to be handled: its lane, tenant and tags, and the times its client asked for.
 *
 * Lane, the first that says one: the header (X-Sluice-Lane), a rule, MT-PRIORITY (RFC 6710), the account, the listener,
 * the tenant, the default. Tenant: the account's; the header (X-Sluice-Tenant) where the account has none; else by rule
 * (`tenantOf`). Tags: those of account and tenant, and the header's (X-Sluice-Tags).
 * Headers count from clients that may relay only, and so does a priority above normal: anybody can give one. What is not
 * valid is ignored and told of. An account with a tenant cannot send in the name of another.
 * A message about which nothing is said costs nothing: it gets one object that all such share.
 */
import type { CapturedFields } from '../../workers/contract.js';
import { type DeliverBy, type Handling, type Lane, PLAIN_HANDLING, type Recipient } from '../message/envelope.js';
import type { Transaction } from '../smtp/server-host.js';

/** What rules are told of a message. */
export interface HandlingFacts {
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly account: string;
  /** '' while the tenant itself is looked for. */
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly listener: string;
  readonly clientAddress: string;
  /** The client may relay. */
  readonly relays: boolean;
  readonly fields: CapturedFields;
}

export interface AccountTraits {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
  /** '' for none. */
  readonly tenant: string;
}

export interface TenantTraits {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
}

/** All that is configured about it. The hooks are asked anew for each message, so that they can change. */
export interface HandlingRules {
  readonly defaultLane: Lane;
  /** Least MT-PRIORITY that is immediate, greatest that is bulk; between them it says nothing. */
  readonly immediateFrom: number;
  readonly bulkUpTo: number;
  /** Lanes of listeners that have one, by name. */
  readonly listenerLanes: ReadonlyMap<string, Lane>;
  /** Rules or reports ask by which listener mail came. */
  readonly keepsListener: boolean;
  /** null: there is nothing to be said of this account. `name` is not ''. */
  account(name: string): AccountTraits | null;
  /** null: there is no such tenant. `name` is not ''. */
  tenant(name: string): TenantTraits | null;
  /** A tenant that no table names may be named in a header. */
  readonly anyTenant: boolean;
  /** By listener, sender or client; '' for nobody. null: there are no such rules. */
  readonly tenantOf: ((facts: HandlingFacts) => string) | null;
  /** null: there are no such rules. */
  readonly laneOf: ((facts: HandlingFacts) => Lane | null) | null;
  /** A header field of a submission says nothing that can be followed. */
  ignored(clientAddress: string, field: string, value: string): void;
}

/** Nothing configured. */
export const NO_HANDLING_RULES: HandlingRules = {
  defaultLane: 'bulk',
  immediateFrom: 1,
  bulkUpTo: -1,
  listenerLanes: new Map(),
  keepsListener: false,
  account: () => null,
  tenant: () => null,
  anyTenant: true,
  tenantOf: null,
  laneOf: null,
  ignored: () => {},
};

/** From whom a message came. */
export interface HandlingClient {
  readonly address: string;
  readonly relays: boolean;
  /** Name of the listener, '' for mail of our own. */
  readonly listener: string;
}

const TAG = /^[\w.:-]{1,64}$/;
const TENANT = /^[\w.@-]{1,64}$/;
/** Tags of one header. */
const MAX_TAGS = 16;
const NO_FIELDS: CapturedFields = {};
const NO_TAGS: readonly string[] = [];

export class MessageHandling {
  private readonly rules: HandlingRules;
  /** By listener: that of mail about which nothing is said. */
  private readonly plain = new Map<string, Handling>();

  constructor(rules: HandlingRules) {
    this.rules = rules;
  }

  /** `fields`: captured of the header. `now`: engine clock, ms. */
  of(client: HandlingClient, transaction: Transaction, fields: CapturedFields | undefined, now: number): Handling {
    const { rules } = this;
    const { account, priority, holdFor, deliverBy } = transaction;
    const traits = account === '' ? null : rules.account(account);
    const said = fields !== undefined || traits !== null || priority !== 0 || holdFor !== 0 || deliverBy !== null;
    if (!said && rules.tenantOf === null && rules.laneOf === null) return this.plainOf(client.listener);
    const wishes = client.relays && fields !== undefined ? this.wishesOf(client, fields, traits) : NO_WISHES;
    const kept = fields === undefined ? NO_FIELDS : withoutWishes(fields);
    const facts = {
      sender: transaction.sender,
      recipients: transaction.recipients,
      account,
      tenant: '',
      tags: joined(traits?.tags ?? NO_TAGS, wishes.tags),
      listener: client.listener,
      clientAddress: client.address,
      relays: client.relays,
      fields: kept,
    };
    facts.tenant = traits?.tenant || wishes.tenant || (rules.tenantOf?.(facts) ?? '');
    const tenant = facts.tenant === '' ? null : rules.tenant(facts.tenant);
    if (tenant !== null) facts.tags = joined(facts.tags, tenant.tags);
    const lane =
      wishes.lane ??
      rules.laneOf?.(facts) ??
      this.laneOfPriority(priority, client.relays) ??
      traits?.lane ??
      rules.listenerLanes.get(client.listener) ??
      tenant?.lane ??
      rules.defaultLane;
    const listener = rules.keepsListener ? client.listener : '';
    return sharedIfPlain({
      lane,
      tenant: facts.tenant,
      tags: facts.tags,
      listener,
      fields: kept,
      holdUntil: holdFor === 0 ? 0 : now + holdFor,
      deliverBy: deliverByOf(transaction, now),
    });
  }

  private plainOf(listener: string): Handling {
    let plain = this.plain.get(listener);
    if (plain === undefined) {
      const { defaultLane, listenerLanes, keepsListener } = this.rules;
      const lane = listenerLanes.get(listener) ?? defaultLane;
      plain = sharedIfPlain({ ...PLAIN_HANDLING, lane, listener: keepsListener ? listener : '' });
      this.plain.set(listener, plain);
    }
    return plain;
  }

  private laneOfPriority(priority: number, relays: boolean): Lane | null {
    const { immediateFrom, bulkUpTo } = this.rules;
    if (priority >= immediateFrom && relays) return 'immediate';
    return priority <= bulkUpTo ? 'bulk' : null;
  }

  private wishesOf(client: HandlingClient, fields: CapturedFields, traits: AccountTraits | null): Wishes {
    const laneText = fields['x-sluice-lane'];
    const tagText = fields['x-sluice-tags'];
    const tenant = fields['x-sluice-tenant'];
    if (laneText === undefined && tagText === undefined && tenant === undefined) return NO_WISHES;
    const { rules } = this;
    const lane = laneText?.toLowerCase();
    const goodLane = lane === 'immediate' || lane === 'bulk' ? lane : null;
    if (laneText !== undefined && goodLane === null) rules.ignored(client.address, 'X-Sluice-Lane', laneText);
    const words = tagText === undefined ? NO_TAGS : tagText.split(/[\s,]+/).filter((word) => word !== '');
    const tags = words.filter((word) => TAG.test(word)).slice(0, MAX_TAGS);
    if (tags.length < words.length) rules.ignored(client.address, 'X-Sluice-Tags', tagText!);
    const goodTenant = tenant !== undefined && this.mayName(tenant, traits) ? tenant : '';
    if (tenant !== undefined && goodTenant === '') rules.ignored(client.address, 'X-Sluice-Tenant', tenant);
    return { lane: goodLane, tags, tenant: goodTenant };
  }

  private mayName(tenant: string, traits: AccountTraits | null): boolean {
    if (!TENANT.test(tenant)) return false;
    if (traits !== null && traits.tenant !== '' && traits.tenant !== tenant) return false;
    return this.rules.anyTenant || this.rules.tenant(tenant) !== null;
  }
}

/** What the header of a submission asks for. */
interface Wishes {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
  readonly tenant: string;
}

const NO_WISHES: Wishes = { lane: null, tags: NO_TAGS, tenant: '' };

/** Both lists, each word once. */
function joined(some: readonly string[], more: readonly string[]): readonly string[] {
  if (more.length === 0) return some;
  return [...new Set([...some, ...more])];
}

function withoutWishes(fields: CapturedFields): CapturedFields {
  const kept = Object.entries(fields).filter(([name]) => !name.startsWith('x-sluice-'));
  return kept.length === 0 ? NO_FIELDS : Object.fromEntries(kept);
}

/** A message that is held is to be there that long after its release. */
function deliverByOf({ deliverBy, holdFor }: Transaction, now: number): DeliverBy | null {
  if (deliverBy === null) return null;
  return { at: now + holdFor + deliverBy.within, mode: deliverBy.mode, trace: deliverBy.trace };
}

/** The shared object, which costs nothing to keep, where it says the same. */
function sharedIfPlain(handling: Handling): Handling {
  const { lane, tenant, tags, listener, fields, holdUntil, deliverBy } = handling;
  const plain =
    lane === PLAIN_HANDLING.lane &&
    tenant === '' &&
    tags.length === 0 &&
    listener === '' &&
    holdUntil === 0 &&
    deliverBy === null &&
    Object.keys(fields).length === 0;
  return plain ? PLAIN_HANDLING : handling;
}
