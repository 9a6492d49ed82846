/**
 * Shaping rules: what a site, a source or a tenant may get, as data. Those that are shipped stand in provider-rules.ts,
 * those of the operator come from [[shaping]] of SLUICE_CONFIG; both have this form.
 */

import type { Span } from '../../core/span.js';

/** What a limit in time counts: messages (transactions), their recipients, their bytes, connections begun. */
export type Counted = 'messages' | 'recipients' | 'bytes' | 'connections';

/** At most `most` in any window of that length; 0: no limit, also where another rule has one. */
export interface Rate {
  readonly counted: Counted;
  readonly span: Span;
  readonly most: number;
}

/**
 * What a reply makes us do for a while. `slow_down`: the source is given fewer connections and messages at the site;
 * `pause_source`: it gets nothing there; `switch_source`: the same where another source is left, else slow_down;
 * `pause_site`: nobody does; `suspend_tenant`: the tenant whose mail it was sends nothing anywhere.
 */
export const ACTIONS = ['slow_down', 'pause_source', 'switch_source', 'suspend_tenant', 'pause_site'] as const;
export type Action = (typeof ACTIONS)[number];

/** A pattern of a reply's text (from behind its code on) and what to do about it. */
export interface ReplyRule {
  readonly match: RegExp;
  /** Reply code, or its first digit or two: 421, 4; 0: any. */
  readonly code: number;
  readonly action: Action;
  /** For how long, ms. */
  readonly ms: number;
}

export interface ShapingRule {
  /** How it is spoken of: `[[shaping]] 2`. */
  readonly name: string;
  /** Name of the site, `*` for each; as all of these: '' where it does not matter, and all that is given must fit. */
  readonly site: string;
  /** The most preferred mail host is this one or below it. */
  readonly mx: string;
  /** Domain of the recipients. */
  readonly domain: string;
  /** Group of upstreams, `*` for each. */
  readonly upstream: string;
  /** Egress source, `*`: each has its own share. */
  readonly source: string;
  /** Tenant, `*`: each has its own share. */
  readonly tenant: string;
  /** Most connections at once; 0: no limit; undefined, as all of these: not said. */
  readonly connections?: number | undefined;
  readonly rates: readonly Rate[];
  readonly messagesPerConnection?: number | undefined;
  readonly recipientsPerMessage?: number | undefined;
  /** Learns from replies and latency; false: keeps to what is set. */
  readonly adaptive?: boolean | undefined;
  readonly replies: readonly ReplyRule[];
}

/** It speaks of sites, and not of a source or a tenant wherever mail goes. */
export function isOfSite({ site, mx, domain, upstream }: ShapingRule): boolean {
  return site !== '' || mx !== '' || domain !== '' || upstream !== '';
}

/** `100 messages a minute`. */
export function wordsOf({ counted, span, most }: Rate): string {
  const what = counted === 'connections' ? 'new connections' : counted;
  return `${most} ${most === 1 ? what.slice(0, -1) : what} ${span === 'hour' ? 'an' : 'a'} ${span}`;
}

/** `3 connections`. */
export function connectionsInWords(most: number): string {
  return `${most} connection${most === 1 ? '' : 's'}`;
}

/** `site google.com`, `upstream ses`, with a source or not. */
export function placeInWords(site: string, source: string): string {
  const place = /^(?:upstream|host) /.test(site) ? site : `site ${site}`;
  return source === '' ? place : `${place}, source ${source}`;
}
