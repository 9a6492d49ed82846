/**
 * The table [[tenant]] of the configuration file: whose mail is whose, and what holds for all of it.
 *
 *   [[tenant]]
 *   name = "acme"
 *   accounts = ["acme", "@acme.example"]
 *   senders = ["@acme.example", "@*.acme.example"]
 *   clients = ["10.1.0.0/16"]
 *   header = "acme"
 *   egress = "warm"
 *   weight = 2
 *   messages_per_hour = 10000
 *   suppression = "drop"
 *   verp = "bounces-*@acme.example"
 *   history = "30d"
 */
import { z } from 'zod';
import { addressPattern, count, item, listOf, word } from '../accounts/account-settings.js';
import { canonicalName, nameProblem } from '../accounts/canonical-text.js';
import { SPANS } from '../core/span.js';
import type { TenantLimit, TenantSettings } from '../message/tenant.js';
import { canonicalDomain, network } from './address-type.js';
import { historyAge } from './history-settings.js';
import { once, tableOf, withUnit } from './table-types.js';

const COUNTED = ['messages', 'recipients'] as const;
const MAX_TENANTS = 10_000;
const MAX_WEIGHT = 1000;
const WEIGHT = `allowed: a whole number from 1 to ${MAX_WEIGHT}`;

/** The part that tells the recipient (outcomes/verp-token.ts) takes 39 of the 64 octets of RFC 5321 section 4.5.3.1.1. */
const MAX_BESIDE_TOKEN = 25;

const limits = Object.fromEntries(
  COUNTED.flatMap((counted) => SPANS.map((span) => [`${counted}_per_${span}`, count])),
) as Record<`${(typeof COUNTED)[number]}_per_${(typeof SPANS)[number]}`, typeof count>;

/** `@domain` of a domain alone. */
function returnPath(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = at < 0 ? '*' : text.slice(0, at).toLowerCase();
  const domain = canonicalDomain(text.slice(at + 1));
  return domain !== undefined && local.length <= 1 + MAX_BESIDE_TOKEN && /^[a-z0-9.+=_-]*\*[a-z0-9.+=_-]*$/.test(local)
    ? `${local}@${domain}`
    : undefined;
}

/** Names of listeners, as ?name= of SLUICE_LISTEN or the listener's address. */
export const listenerNames = listOf(
  item('the name of a listener, without blanks', (text) => (/^\S{1,255}$/.test(text) ? text : undefined)),
  '["submission"]',
);

/** Networks, as SLUICE_RELAY_NETWORKS has them. */
export const networks = listOf(
  item(network().allowed, (text) => {
    const parsed = network().parse(text);
    return 'value' in parsed ? parsed.value : undefined;
  }),
  '["10.0.0.0/8", "2001:db8::/32"]',
);

const shape = {
  name: word,
  accounts: listOf(
    item('the name of an account, or "@domain" for all whose name ends so', (text) => {
      if (text.startsWith('@')) return addressPattern(text);
      return nameProblem(text) === '' ? canonicalName(text) : undefined;
    }),
    '["ann@example.org", "@example.net"]',
  ).optional(),
  senders: listOf(
    item('an address, "@domain", or "@*.domain" for all below it', addressPattern),
    '["ann@example.org", "@example.org", "@*.example.org"]',
  ).optional(),
  listeners: listenerNames.optional(),
  clients: networks.optional(),
  header: word.optional(),
  egress: word.optional(),
  weight: z.int(WEIGHT).min(1, WEIGHT).max(MAX_WEIGHT, WEIGHT).optional(),
  ...limits,
  suppression: z.enum(['reject', 'drop'], { error: 'allowed: "reject" or "drop"' }).optional(),
  verp: item('a domain, or an address with one * such as "bounces-*@example.org"', returnPath).optional(),
  lane: z.enum(['immediate', 'bulk'], { error: 'allowed: "immediate" or "bulk"' }).optional(),
  tags: listOf(word, '["newsletter"]').optional(),
  history: withUnit(historyAge()).optional(),
};

const tenant = tableOf('tenant', shape).transform((fields): TenantSettings => {
  const found: TenantLimit[] = [];
  for (const counted of COUNTED)
    for (const span of SPANS) {
      const most = fields[`${counted}_per_${span}`];
      if (most !== undefined) found.push({ counted, span, most });
    }
  return {
    name: fields.name,
    accounts: fields.accounts ?? [],
    senders: fields.senders ?? [],
    listeners: fields.listeners ?? [],
    clients: fields.clients ?? [],
    header: fields.header ?? '',
    egress: fields.egress ?? '',
    weight: fields.weight ?? 1,
    limits: found,
    suppression: fields.suppression ?? null,
    verp: fields.verp ?? '',
    lane: fields.lane ?? null,
    tags: fields.tags ?? [],
    history: fields.history ?? 0,
  };
});

/** All tenants, each name once. */
export const tenantTable = z
  .array(tenant, { error: 'allowed: tables of tenants, [[tenant]]' })
  .max(MAX_TENANTS, `allowed: at most ${MAX_TENANTS}`)
  .superRefine(once('tenant'))
  .default([]);
