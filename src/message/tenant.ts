/**
 * Tenants: whose mail a message is, and what holds for all of it ([[tenant]] of SLUICE_CONFIG).
 *
 * Mail is a tenant's by any one of the marks the operator gave; the stronger mark wins, and among tenants with the same
 * mark the first in the file: account, then X-Sluice-Tenant, sender, client, listener. Account, header and sender count
 * only for clients that may relay: a stranger can write any sender. Asked once per message, and without tenants not at all.
 */
import type { Span } from '../core/span.js';
import type { Lane } from './envelope.js';

/** At most `most` messages or recipients in any span of that length. */
export interface TenantLimit {
  readonly counted: 'messages' | 'recipients';
  readonly span: Span;
  readonly most: number;
}

/** A network in CIDR notation, `excluded` to take it out of those before. */
export interface TenantNetwork {
  readonly network: string;
  readonly excluded: boolean;
}

/** '' and null are "not said". */
export interface TenantSettings {
  readonly name: string;
  /** Canonical names, or `@domain` and `@*.domain` for all accounts whose name ends so. */
  readonly accounts: readonly string[];
  /** `ann@example.org`, `@example.org`, `@*.example.org`, lower case with A-labels. */
  readonly senders: readonly string[];
  /** Names of listeners. */
  readonly listeners: readonly string[];
  readonly clients: readonly TenantNetwork[];
  /** The value of X-Sluice-Tenant that stands for it; '' : the header cannot name it. */
  readonly header: string;
  /** Pool of egress sources, where the route names none. */
  readonly egress: string;
  /** Its share inside a lane against other tenants, 1 to 1000. */
  readonly weight: number;
  readonly limits: readonly TenantLimit[];
  /** What becomes of a recipient on its suppression list: 550 at RCPT, or taken and dropped. */
  readonly suppression: 'reject' | 'drop' | null;
  /** Reverse-path of its mail, with one `*` for what tells the recipient: `bounces-*@example.org`. */
  readonly verp: string;
  readonly lane: Lane | null;
  readonly tags: readonly string[];
  /** How long what happened to its mail is kept, ms; 0: as SLUICE_HISTORY_AGE says. */
  readonly history: number;
}

/** What a message is judged by. Texts are '' where there is none. */
export interface TenantFacts {
  /** The client may relay: by its network or its login. */
  readonly relays: boolean;
  /** Canonical name. */
  readonly account: string;
  /** Value of X-Sluice-Tenant. */
  readonly header: string;
  /** Reverse-path; its domain in lower-case A-labels. */
  readonly sender: string;
  readonly senderDomain: string;
  readonly client: string;
  readonly listener: string;
}

interface Marks {
  /** Whole addresses or names, and `@domain`s. */
  readonly exact: Map<string, TenantSettings>;
  /** `.domain` of `@*.domain`, in the order of the file. */
  readonly below: { readonly suffix: string; readonly tenant: TenantSettings }[];
}

/** The tenants of a configuration. */
export class Tenants {
  readonly all: readonly TenantSettings[];
  private readonly names = new Map<string, TenantSettings>();
  private readonly accounts: Marks = { exact: new Map(), below: [] };
  private readonly senders: Marks = { exact: new Map(), below: [] };
  private readonly headers = new Map<string, TenantSettings>();
  private readonly listeners = new Map<string, TenantSettings>();
  private readonly clients: { readonly has: (address: string) => boolean; readonly tenant: TenantSettings }[] = [];

  /** `addressSet`: as net/address-set.ts makes it. */
  constructor(
    settings: readonly TenantSettings[],
    addressSet: (networks: readonly TenantNetwork[]) => (address: string) => boolean,
  ) {
    this.all = settings;
    for (const tenant of settings) {
      this.names.set(tenant.name, tenant);
      for (const account of tenant.accounts) addMark(this.accounts, account, tenant);
      for (const sender of tenant.senders) addMark(this.senders, sender, tenant);
      for (const listener of tenant.listeners) addFirst(this.listeners, listener, tenant);
      if (tenant.header !== '') addFirst(this.headers, tenant.header, tenant);
      if (tenant.clients.length > 0) this.clients.push({ has: addressSet(tenant.clients), tenant });
    }
  }

  /** The one of that name, undefined: none. */
  named(name: string): TenantSettings | undefined {
    return this.names.get(name);
  }

  /** Whose mail it is, null: nobody's in particular. */
  of(facts: TenantFacts): TenantSettings | null {
    if (this.all.length === 0) return null;
    if (facts.relays) {
      const { account, header, sender, senderDomain } = facts;
      const found =
        marked(this.accounts, account, account.slice(account.lastIndexOf('@') + 1)) ??
        (header === '' ? undefined : this.headers.get(header)) ??
        marked(this.senders, sender, senderDomain);
      if (found !== undefined) return found;
    }
    for (const { has, tenant } of this.clients) if (has(facts.client)) return tenant;
    return this.listeners.get(facts.listener) ?? null;
  }
}

function addFirst(map: Map<string, TenantSettings>, key: string, tenant: TenantSettings): void {
  if (!map.has(key)) map.set(key, tenant);
}

function addMark(marks: Marks, pattern: string, tenant: TenantSettings): void {
  if (pattern.startsWith('@*.')) marks.below.push({ suffix: pattern.slice(2), tenant });
  else addFirst(marks.exact, pattern, tenant);
}

/** The whole text before its domain, the domain before those above it. */
function marked({ exact, below }: Marks, text: string, domain: string): TenantSettings | undefined {
  if (text === '') return undefined;
  const at = text.lastIndexOf('@');
  const whole = at < 0 ? text : `${text.slice(0, at).normalize('NFC').toLowerCase()}@${domain}`;
  const found = exact.get(whole) ?? (at < 0 ? undefined : exact.get(`@${domain}`));
  if (found !== undefined || at < 0) return found;
  return below.find(({ suffix }) => domain.endsWith(suffix))?.tenant;
}
