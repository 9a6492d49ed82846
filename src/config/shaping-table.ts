/**
 * The table [[shaping]] of the configuration file: what sites, sources and tenants may get, and what replies lead to.
 *
 *   [[shaping]]
 *   mx = "google.com"
 *   source = "*"
 *   connections = 20
 *   messages_per_minute = 600
 *
 *   [[shaping.reply]]
 *   match = "unusual rate of unsolicited mail"
 *   code = 421
 *   action = "pause_source"
 *   for = "30m"
 *
 * All that is given of site, mx, domain, upstream, source and tenant must fit; `*` is each of them, with a share of its
 * own. Of several tables the first that says something of a key stands; see delivery/shaping/site-rules.ts.
 */
import { z } from 'zod';
import { item, word } from '../accounts/account-settings.js';
import { SPANS } from '../core/span.js';
import type { Action, Rate, ReplyRule, ShapingRule } from '../delivery/shaping/rule.js';
import { canonicalDomain } from './address-type.js';
import { replyPattern } from './reply-pattern.js';
import { tableOf, withUnit } from './table-types.js';
import { duration, size } from './value-type.js';

const MAX_TABLES = 10_000;
const MAX_REPLIES = 100;
const MAX_COUNT = 1_000_000_000;
const DAY = 86_400_000;
const ACTIONS = [
  'slow_down',
  'pause_source',
  'switch_source',
  'suspend_tenant',
  'pause_site',
] as const satisfies readonly Action[];

function whole(least: number, most: number, zero: boolean) {
  const error = `allowed: a whole number from ${least} to ${most}${zero ? ', or 0 (no limit)' : ''}`;
  return z
    .int({ error })
    .min(zero ? 0 : least, error)
    .max(most, error);
}

const pattern = z.string({ error: 'allowed: a regular expression' }).transform((text, context): RegExp => {
  const found = replyPattern(text);
  if (typeof found !== 'string') return found;
  context.addIssue({
    code: 'custom',
    message: `${found}; allowed: a regular expression such as "rate limit.*exceeded"`,
  });
  return z.NEVER;
});

const CODE = 'allowed: a reply code such as 421, or 4 or 5 for all of a class';
const code = z
  .int({ error: CODE })
  .refine((given) => given === 4 || given === 5 || (given >= 400 && given <= 599), CODE);

const reply = tableOf('shaping.reply', {
  match: pattern,
  code: code.optional(),
  action: z.enum(ACTIONS, { error: `allowed: ${ACTIONS.map((action) => `"${action}"`).join(', ')}` }),
  for: withUnit(duration({ min: 1000, max: 7 * DAY })),
}).transform(({ match, code: asked, action, for: ms }): ReplyRule => ({ match, code: asked ?? 0, action, ms }));

const count = whole(1, MAX_COUNT, true).optional();
const bytes = withUnit(size({ min: 1024, max: 2 ** 50, zero: 'no limit' })).optional();
const domainOf = (text: string): string | undefined => canonicalDomain(text.replace(/^\.|\.$/g, ''));
const nameOrAll = z.union([z.literal('*'), word], { error: 'allowed: a name, or "*" for each' }).optional();

const shape = {
  site: item('the name of a site as `sluice destinations` shows it, or "*" for each', (text) =>
    /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(text) ? text : undefined,
  ).optional(),
  mx: item('a host name, or the end of those of mail hosts, such as "protection.outlook.com"', domainOf).optional(),
  domain: item('a domain of recipients such as "example.org"', domainOf).optional(),
  upstream: nameOrAll,
  source: nameOrAll,
  tenant: nameOrAll,
  connections: whole(1, 100_000, true).optional(),
  new_connections_per_second: count,
  new_connections_per_minute: count,
  new_connections_per_hour: count,
  messages_per_second: count,
  messages_per_minute: count,
  messages_per_hour: count,
  messages_per_day: count,
  recipients_per_second: count,
  recipients_per_minute: count,
  recipients_per_hour: count,
  recipients_per_day: count,
  bytes_per_second: bytes,
  bytes_per_minute: bytes,
  bytes_per_hour: bytes,
  bytes_per_day: bytes,
  messages_per_connection: whole(1, 1_000_000, true).optional(),
  recipients_per_message: whole(1, 100_000, true).optional(),
  adaptive: z.boolean({ error: 'allowed: true or false' }).optional(),
  reply: z
    .array(reply, { error: 'allowed: tables of replies, [[shaping.reply]]' })
    .max(MAX_REPLIES, `allowed: at most ${MAX_REPLIES}`)
    .optional(),
};

type Fields = z.infer<z.ZodObject<typeof shape>>;

/** Keys that are about connections, which carry mail of all tenants. */
const OF_CONNECTIONS = [
  'connections',
  'new_connections_per_second',
  'new_connections_per_minute',
  'new_connections_per_hour',
] as const;
/** Keys that are about a site as a whole. */
const OF_SITE = ['messages_per_connection', 'recipients_per_message', 'adaptive'] as const;
const SCOPES = ['site', 'mx', 'domain', 'upstream', 'source', 'tenant'] as const;

function ratesOf(fields: Fields): Rate[] {
  const rates: Rate[] = [];
  for (const [counted, prefix] of [
    ['messages', 'messages'],
    ['recipients', 'recipients'],
    ['bytes', 'bytes'],
    ['connections', 'new_connections'],
  ] as const)
    for (const span of SPANS) {
      const most = (fields as Record<string, unknown>)[`${prefix}_per_${span}`];
      if (typeof most === 'number') rates.push({ counted, span, most });
    }
  return rates;
}

const shaping = tableOf('shaping', shape)
  .superRefine((fields, context) => {
    const refuse = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message: `allowed: ${message}` });
    if (SCOPES.every((key) => fields[key] === undefined))
      refuse('site', `at least one of ${SCOPES.join(', ')}; site = "*" is each site`);
    if (fields.tenant !== undefined)
      for (const key of OF_CONNECTIONS)
        if (fields[key] !== undefined) refuse(key, 'without tenant only: a connection carries the mail of all tenants');
    if (fields.tenant !== undefined || fields.source !== undefined)
      for (const key of OF_SITE)
        if (fields[key] !== undefined) refuse(key, 'without source and tenant only: it is about a site as a whole');
    if (fields.upstream !== undefined && (fields.mx !== undefined || fields.domain !== undefined))
      refuse('upstream', 'without mx and domain only: mail for upstreams does not go by them');
  })
  .transform(
    (fields): ShapingRule => ({
      name: '',
      site: fields.site ?? '',
      mx: fields.mx ?? '',
      domain: fields.domain ?? '',
      upstream: fields.upstream ?? '',
      source: fields.source ?? '',
      tenant: fields.tenant ?? '',
      connections: fields.connections,
      rates: ratesOf(fields),
      messagesPerConnection: fields.messages_per_connection,
      recipientsPerMessage: fields.recipients_per_message,
      adaptive: fields.adaptive,
      replies: fields.reply ?? [],
    }),
  );

/** All rules in their order, with the names they are spoken of by: `[[shaping]] 1`. */
export const shapingTable = z
  .array(shaping, { error: 'allowed: tables of limits, [[shaping]]' })
  .max(MAX_TABLES, `allowed: at most ${MAX_TABLES}`)
  .transform((rules): ShapingRule[] => rules.map((rule, index) => ({ ...rule, name: `[[shaping]] ${index + 1}` })))
  .default([]);
