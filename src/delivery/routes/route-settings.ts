/**
 * Routes as the operator gave them ([[route]] of SLUICE_CONFIG): plain data in canonical form, in the order of the file.
 * All conditions of a route must fit; null is no condition; of a list one has to fit.
 */
import type { Lane } from '../../message/envelope.js';

/** The reply a route refuses with. */
export interface RouteRefusal {
  /** 400 to 599. */
  readonly code: number;
  /** `class.subject.detail` of the code's class. */
  readonly enhanced: string;
  readonly text: string;
}

/** `order` of an [[upstream]] group: by weight and speed, the nearest first, or as they are listed. */
export type UpstreamOrder = 'balance' | 'nearest' | 'preference';

export type RouteTarget =
  | { readonly kind: 'upstream'; readonly group: string }
  | { readonly kind: 'mx' }
  /** `host:port`, IPv6 in brackets. */
  | { readonly kind: 'host'; readonly name: string }
  | { readonly kind: 'discard' }
  | ({ readonly kind: 'refuse' } & RouteRefusal);

/** A header field and what its value has to be like: `*` any text, `?` any character; case does not matter. */
export interface FieldCondition {
  /** Lower case. */
  readonly name: string;
  readonly glob: string;
}

export interface RouteSettings {
  /** Given, or `route-3` by its place in the file. */
  readonly name: string;
  /** `ann@example.org`, `@example.org`, `@*.example.org` (lower case, A-labels), or `/regular expression/`. */
  readonly recipients: readonly string[] | null;
  /** The same; '' is the null sender. */
  readonly senders: readonly string[] | null;
  /** Canonical names, or `@domain` and `@*.domain` for all that end so. */
  readonly accounts: readonly string[] | null;
  readonly tenants: readonly string[] | null;
  readonly listeners: readonly string[] | null;
  /** All of them must fit. */
  readonly fields: readonly FieldCondition[];
  readonly tags: readonly string[] | null;
  readonly clients: readonly { readonly network: string; readonly excluded: boolean }[] | null;
  readonly lane: Lane | null;
  readonly target: RouteTarget;
  /** Pool of egress sources, '' for the tenant's or none. */
  readonly egress: string;
  /** The lane its mail gets, null: as it is. */
  readonly setLane: Lane | null;
  readonly addTags: readonly string[];
  /** Recipients are asked for at the target before they are taken. */
  readonly verify: boolean;
  /** Its recipient domains are taken from anyone. */
  readonly relay: boolean;
}

/** Name of the group that SLUICE_UPSTREAM makes. */
export const DEFAULT_GROUP = 'default';
