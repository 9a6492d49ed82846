/**
 * A route ready to be asked. What is not known yet (header fields before the content came) makes the answer `unknown`.
 */
import type { Lane } from '../../message/envelope.js';
import { domainOf } from '../../smtp/address.js';
import { type AddressMatch, accountMatch, addressMatch } from './address-match.js';
import type { RouteSettings } from './route-settings.js';
import { matchesGlob } from './text-pattern.js';

/** What routes look at besides the recipient. null: not known yet. */
export interface RouteFacts {
  /** Reverse-path, '' for the null sender. */
  readonly sender: string;
  readonly account: string;
  readonly tenant: string;
  readonly listener: string;
  /** Address of the client, '' for mail of our own. */
  readonly client: string;
  readonly lane: Lane | null;
  readonly tags: readonly string[] | null;
  /** Name in lower case -> value. */
  readonly fields: Readonly<Record<string, string>> | null;
}

/** `yes`, `no`, or `unknown`: only what is not known yet can decide it. */
export type Fit = 'yes' | 'no' | 'unknown';

/** As net/address-set.ts makes it. */
export type AddressSetOf = (
  networks: readonly { readonly network: string; readonly excluded: boolean }[],
) => (address: string) => boolean;

type Condition = (facts: RouteFacts) => Fit;

export class CompiledRoute {
  readonly settings: RouteSettings;
  /** Its place among all routes. */
  readonly place: number;
  private readonly recipient: AddressMatch | null;
  private readonly conditions: readonly Condition[];

  constructor(settings: RouteSettings, place: number, addressSet: AddressSetOf) {
    this.settings = settings;
    this.place = place;
    const { recipients } = settings;
    // Where all of them are domains, that the index has it for the domain is all there is to know.
    this.recipient =
      recipients === null || recipients.every((pattern) => pattern.startsWith('@')) ? null : addressMatch(recipients);
    this.conditions = conditionsOf(settings, addressSet);
  }

  /**
   * Of a route that the index has for this domain. `address` as received; `domain`: its domain in lower-case A-labels.
   */
  fits(address: string, domain: string, facts: RouteFacts): Fit {
    if (this.recipient !== null && !this.recipient(address, domain)) return 'no';
    let fit: Fit = 'yes';
    for (const condition of this.conditions) {
      const one = condition(facts);
      if (one === 'no') return 'no';
      if (one === 'unknown') fit = 'unknown';
    }
    return fit;
  }
}

/** What is known at once comes first. */
function conditionsOf(settings: RouteSettings, addressSet: AddressSetOf): Condition[] {
  const { senders, accounts, tenants, listeners, clients, lane, tags, fields } = settings;
  const conditions: Condition[] = [];
  const known = (holds: (facts: RouteFacts) => boolean): void => {
    conditions.push((facts) => (holds(facts) ? 'yes' : 'no'));
  };
  if (accounts !== null) {
    const match = accountMatch(accounts);
    known(({ account }) => match(account));
  }
  if (tenants !== null) {
    const names = new Set(tenants);
    known(({ tenant }) => names.has(tenant));
  }
  if (listeners !== null) {
    const names = new Set(listeners);
    known(({ listener }) => names.has(listener));
  }
  if (clients !== null) {
    const has = addressSet(clients);
    known(({ client }) => client !== '' && has(client));
  }
  if (senders !== null) {
    const match = addressMatch(senders);
    const takesNull = senders.includes('');
    known(({ sender }) => (sender === '' ? takesNull : match(sender, domainOf(sender))));
  }
  if (lane !== null) conditions.push((facts) => fitOf(facts.lane, (given) => given === lane));
  if (tags !== null) conditions.push((facts) => fitOf(facts.tags, (given) => tags.some((tag) => given.includes(tag))));
  for (const { name, glob } of fields)
    conditions.push((facts) =>
      fitOf(facts.fields, (given) => Object.hasOwn(given, name) && matchesGlob(glob, given[name]!)),
    );
  return conditions;
}

function fitOf<T>(given: T | null, holds: (given: T) => boolean): Fit {
  if (given === null) return 'unknown';
  return holds(given) ? 'yes' : 'no';
}
