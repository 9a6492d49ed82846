/**
 * How much mail may come in: by client address, by listener and by tenant; messages, recipients and bytes.
 *
 * Counted at the end of each message, where those of all threads come together, and booked only where all limits let it
 * through. Where one does not the message is refused with a reply that names the limit and when to come back.
 * Limits: counts are kept for MAX_CLIENTS addresses; past that those with nothing to count go, and if that is not enough
 * all, so that a client may send up to twice as much for once.
 */
import { SPAN_MS, type Span } from '../core/span.js';
import { RateLimit } from '../core/token-bucket.js';
import type { TenantSettings } from '../message/tenant.js';
import { limitReply, type Reply } from '../smtp/replies.js';
import { clientKey, listenerKey } from './limits-in-force.js';

export const COUNTED = ['messages', 'recipients', 'bytes'] as const;
export type Counted = (typeof COUNTED)[number];

/** At most `most` in any `span`. */
export interface EdgeLimit {
  readonly counted: Counted;
  readonly span: Span;
  readonly most: number;
}

export interface EdgeLimitOptions {
  /** Of each client address; empty: none. */
  readonly client: readonly EdgeLimit[];
  /** Clients that are not held to them. */
  isExempt(client: { readonly address: string; readonly relays: boolean }): boolean;
  /** Of listeners that have some, by name. */
  readonly listeners: ReadonlyMap<string, readonly EdgeLimit[]>;
}

/** Why a message is not taken, who is over the limit (key of LimitsInForce), and when to ask again, ms; Infinity: never. */
export interface EdgeRefusal {
  readonly key: string;
  readonly reply: Reply;
  readonly until: number;
}

/** What a message counts for. */
export interface MessageSize {
  readonly recipients: number;
  readonly bytes: number;
}

const MAX_CLIENTS = 50_000;

/** The limits of one client, listener or tenant. */
class LimitSet {
  private readonly limits: readonly { readonly limit: EdgeLimit; readonly rate: RateLimit }[];

  constructor(limits: readonly EdgeLimit[]) {
    this.limits = limits.map((limit) => ({ limit, rate: new RateLimit(limit.most, SPAN_MS[limit.span]) }));
  }

  /** The reply of the limit that lets it through last; null: all do. */
  refusal(who: string, size: MessageSize, now: number): { readonly reply: Reply; readonly until: number } | null {
    let worst: EdgeLimit | null = null;
    let until = 0;
    for (const { limit, rate } of this.limits) {
      const at = rate.freeAt(countOf(limit, size), now);
      if (at <= until) continue;
      until = at;
      worst = limit;
    }
    if (worst === null) return null;
    return { reply: limitReply(who, worst.most, worst.counted, worst.span, until - now), until };
  }

  book(size: MessageSize, now: number): void {
    for (const { limit, rate } of this.limits) rate.book(countOf(limit, size), now);
  }

  /** Nothing counts any more. */
  isIdle(now: number): boolean {
    return this.limits.every(({ rate }) => rate.used(now) === 0);
  }
}

function countOf({ counted }: EdgeLimit, { recipients, bytes }: MessageSize): number {
  if (counted === 'messages') return 1;
  return counted === 'recipients' ? recipients : bytes;
}

/** Limits of clients and listeners, which are known before a message is looked at. */
export class EdgeLimits {
  private readonly options: EdgeLimitOptions;
  private readonly clients = new Map<string, LimitSet>();
  private readonly listeners: ReadonlyMap<string, LimitSet>;

  constructor(options: EdgeLimitOptions) {
    this.options = options;
    this.listeners = new Map([...options.listeners].map(([name, limits]) => [name, new LimitSet(limits)]));
  }

  /** Addresses with counts. */
  get size(): number {
    return this.clients.size;
  }

  /** Books nothing. */
  refusal(client: EdgeClient, size: MessageSize, now: number): EdgeRefusal | null {
    const ofClient = this.clientSet(client, now)?.refusal('client', size, now) ?? null;
    const ofListener = this.listeners.get(client.listener)?.refusal('listener', size, now) ?? null;
    if (ofClient === null && ofListener === null) return null;
    return (ofClient?.until ?? 0) >= (ofListener?.until ?? 0)
      ? { ...ofClient!, key: clientKey(client.address) }
      : { ...ofListener!, key: listenerKey(client.listener) };
  }

  book(client: EdgeClient, size: MessageSize, now: number): void {
    this.clientSet(client, now)?.book(size, now);
    this.listeners.get(client.listener)?.book(size, now);
  }

  private clientSet(client: EdgeClient, now: number): LimitSet | undefined {
    const { client: limits, isExempt } = this.options;
    // Mail of our own has no client.
    if (limits.length === 0 || client.address === '' || isExempt(client)) return undefined;
    let set = this.clients.get(client.address);
    if (set === undefined) {
      if (this.clients.size >= MAX_CLIENTS) this.makeRoom(now);
      set = new LimitSet(limits);
      this.clients.set(client.address, set);
    }
    return set;
  }

  private makeRoom(now: number): void {
    for (const [address, set] of this.clients) if (set.isIdle(now)) this.clients.delete(address);
    // So that not every new client costs a look at all.
    if (this.clients.size > MAX_CLIENTS / 2) this.clients.clear();
  }
}

export interface EdgeClient {
  readonly address: string;
  readonly relays: boolean;
  readonly listener: string;
}

/** Limits of tenants, who are known once a message's header was read. */
export class TenantLimits {
  private readonly tenants = new Map<string, LimitSet>();

  constructor(tenants: readonly Pick<TenantSettings, 'name' | 'limits'>[]) {
    for (const { name, limits } of tenants) if (limits.length > 0) this.tenants.set(name, new LimitSet(limits));
  }

  /** No tenant has limits. */
  get none(): boolean {
    return this.tenants.size === 0;
  }

  /** Books the message, or says why it is not taken. */
  admit(tenant: string, size: MessageSize, now: number): Reply | null {
    const set = this.tenants.get(tenant);
    if (set === undefined) return null;
    const refusal = set.refusal('tenant', size, now);
    if (refusal !== null) return refusal.reply;
    set.book(size, now);
    return null;
  }
}
