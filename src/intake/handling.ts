/**
 * How an accepted message is to be handled: its lane, tenant and tags, and the times its client asked for.
 *
 * Lane, the first that says one: the header (X-Sluice-Lane), a rule, MT-PRIORITY (RFC 6710), the account, the listener,
 * the tenant, the default. Tenant: by the marks of [[tenant]] (see message/tenant.ts); without any such table
 * X-Sluice-Tenant may name whom it likes. Tags: those of account and tenant, and the header's (X-Sluice-Tags).
 * Headers count from clients that may relay only, and so does a priority that is immediate: anybody can give one. What is
 * not valid is ignored and told of.
 * A message about which nothing is said costs nothing: it gets one object that all such share.
 */
import type { CapturedFields } from '../../workers/contract.js';
import { type DeliverBy, type Handling, type Lane, PLAIN_HANDLING, type Recipient } from '../message/envelope.js';
import type { LaneSettings } from '../message/lane-settings.js';
import type { Tenants } from '../message/tenant.js';
import { domainOf } from '../smtp/address.js';
import type { Transaction } from '../smtp/server-host.js';

/** What rules are told of a message. */
export interface HandlingFacts {
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly account: string;
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly listener: string;
  readonly clientAddress: string;
  /** The client may relay. */
  readonly relays: boolean;
  readonly fields: CapturedFields;
}

/** Of an account, or as a rule has it. */
export interface AccountTraits {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
}

/** All that is configured about it. */
export interface HandlingRules {
  readonly lanes: Pick<LaneSettings, 'default' | 'immediatePriority' | 'bulkPriority'>;
  readonly tenants: Pick<Tenants, 'all' | 'of'>;
  /** Lanes of listeners that have one, by name. */
  readonly listenerLanes: ReadonlyMap<string, Lane>;
  /** Rules or people want to know by which listener mail came. */
  readonly keepsListener: boolean;
  /** null: there is nothing to be said of this account. `name` is not ''. */
  account(name: string): AccountTraits | null;
  /** What rules say; null: there are no such rules. */
  readonly traitsOf: ((facts: HandlingFacts) => AccountTraits | null) | null;
  /** A header field of a submission says nothing that can be followed. */
  ignored(clientAddress: string, field: string, value: string): void;
}

/** From whom a message came. */
export interface HandlingClient {
  readonly address: string;
  readonly relays: boolean;
  /** Name of the listener, '' for mail of our own. */
  readonly listener: string;
  /** What is asked for beside the message; goes before what its header says. Of clients that may relay. */
  readonly wishes?: Wishes | undefined;
}

const TAG = /^[\w.:-]{1,64}$/;
const TENANT = /^[\w.:-]{1,64}$/;
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
    const beside = client.wishes;
    const said =
      beside !== undefined ||
      fields !== undefined ||
      traits !== null ||
      priority !== 0 ||
      holdFor !== 0 ||
      deliverBy !== null;
    if (!said && rules.tenants.all.length === 0 && rules.traitsOf === null) return this.plainOf(client.listener);
    const inHeader = client.relays && fields !== undefined ? this.wishesOf(client, fields) : NO_WISHES;
    const wishes = beside === undefined ? inHeader : both(beside, inHeader);
    const kept = fields === undefined ? NO_FIELDS : withoutWishes(fields);
    const tenant = this.tenantOf(client, transaction, wishes);
    const own = joined(joined(traits?.tags ?? NO_TAGS, tenant.tags), wishes.tags);
    const ruled = this.ruleTraits(client, transaction, tenant.name, own, kept);
    const tags = ruled === null ? own : joined(own, ruled.tags);
    const lane =
      wishes.lane ??
      ruled?.lane ??
      this.laneOfPriority(priority, client.relays) ??
      traits?.lane ??
      rules.listenerLanes.get(client.listener) ??
      tenant.lane ??
      rules.lanes.default;
    return sharedIfPlain({
      lane,
      tenant: tenant.name,
      tags,
      listener: rules.keepsListener ? client.listener : '',
      fields: kept,
      holdUntil: holdFor === 0 ? 0 : now + holdFor,
      deliverBy: deliverByOf(transaction, now),
    });
  }

  private plainOf(listener: string): Handling {
    let plain = this.plain.get(listener);
    if (plain === undefined) {
      const { lanes, listenerLanes, keepsListener } = this.rules;
      const lane = listenerLanes.get(listener) ?? lanes.default;
      plain = sharedIfPlain({ ...PLAIN_HANDLING, lane, listener: keepsListener ? listener : '' });
      this.plain.set(listener, plain);
    }
    return plain;
  }

  private tenantOf(client: HandlingClient, { sender, account }: Transaction, wishes: Wishes): TenantTraits {
    const { tenants } = this.rules;
    const header = wishes.tenant;
    if (tenants.all.length === 0) {
      if (header === '') return NO_TENANT;
      if (TENANT.test(header)) return { ...NO_TENANT, name: header };
      this.rules.ignored(client.address, 'X-Sluice-Tenant', header);
      return NO_TENANT;
    }
    const { relays, listener, address } = client;
    const senderDomain = domainOf(sender);
    const found = tenants.of({ relays, account, header, sender, senderDomain, client: address, listener });
    if (header !== '' && found?.header !== header) this.rules.ignored(address, 'X-Sluice-Tenant', header);
    return found ?? NO_TENANT;
  }

  private ruleTraits(
    client: HandlingClient,
    { sender, recipients, account }: Transaction,
    tenant: string,
    tags: readonly string[],
    fields: CapturedFields,
  ): AccountTraits | null {
    const { traitsOf } = this.rules;
    if (traitsOf === null) return null;
    const { address: clientAddress, relays, listener } = client;
    return traitsOf({ sender, recipients, account, tenant, tags, listener, clientAddress, relays, fields });
  }

  private laneOfPriority(priority: number, relays: boolean): Lane | null {
    if (priority === 0) return null;
    const { immediatePriority, bulkPriority } = this.rules.lanes;
    if (priority >= immediatePriority && relays) return 'immediate';
    return priority <= bulkPriority ? 'bulk' : null;
  }

  private wishesOf(client: HandlingClient, fields: CapturedFields): Wishes {
    const laneText = fields['x-sluice-lane'];
    const tagText = fields['x-sluice-tags'];
    const tenant = fields['x-sluice-tenant'];
    if (laneText === undefined && tagText === undefined && tenant === undefined) return NO_WISHES;
    const { rules } = this;
    const lower = laneText?.toLowerCase();
    const lane = lower === 'immediate' || lower === 'bulk' ? lower : null;
    if (laneText !== undefined && lane === null) rules.ignored(client.address, 'X-Sluice-Lane', laneText);
    const words = tagText === undefined ? NO_TAGS : tagText.split(/[\s,]+/).filter((word) => word !== '');
    const tags = words.filter((word) => TAG.test(word)).slice(0, MAX_TAGS);
    if (tags.length < words.length) rules.ignored(client.address, 'X-Sluice-Tags', tagText!);
    return { lane, tags, tenant: tenant ?? '' };
  }
}

/** What the header of a submission asks for, or a client that has another way to say it. '' and null: nothing. */
export interface Wishes {
  readonly lane: Lane | null;
  readonly tags: readonly string[];
  readonly tenant: string;
}

interface TenantTraits {
  readonly name: string;
  readonly lane: Lane | null;
  readonly tags: readonly string[];
}

const NO_WISHES: Wishes = { lane: null, tags: NO_TAGS, tenant: '' };
const NO_TENANT: TenantTraits = { name: '', lane: null, tags: NO_TAGS };

function both(first: Wishes, second: Wishes): Wishes {
  return {
    lane: first.lane ?? second.lane,
    tags: joined(first.tags, second.tags),
    tenant: first.tenant === '' ? second.tenant : first.tenant,
  };
}

/** Both lists, each word once. */
function joined(some: readonly string[], more: readonly string[]): readonly string[] {
  if (more.length === 0) return some;
  return [...new Set([...some, ...more])];
}

function withoutWishes(fields: CapturedFields): CapturedFields {
  const kept = Object.entries(fields).filter(([name]) => !name.startsWith('x-sluice-') && name !== 'traceparent');
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
