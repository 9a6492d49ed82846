/**
 * The table [[route]] of the configuration file: where mail goes, the first that fits.
 *
 *   [[route]]
 *   recipient = ["@example.org", "@*.example.org"]
 *   host = "imap.internal:24"
 *   relay = true
 *   verify = true
 *
 *   [[route]]
 *   header = { "X-Campaign" = "spring*" }
 *   upstream = "ses"
 *   set_lane = "bulk"
 *
 * Conditions take one value or a list. Exactly one target.
 */
import { z } from 'zod';
import { addressPattern, item, listOf, word } from '../accounts/account-settings.js';
import { canonicalName, nameProblem } from '../accounts/canonical-text.js';
import type { FieldCondition, RouteRefusal, RouteSettings, RouteTarget } from '../delivery/routes/route-settings.js';
import { expressionProblem } from '../delivery/routes/text-pattern.js';
import { formatHostPort } from './address-type.js';
import { once, oneOrList, tableOf } from './table-types.js';
import { listenerNames, networks } from './tenant-table.js';
import { nextHop } from './upstream-table.js';
import type { UpstreamAddress } from './upstream-type.js';

/** A route of the file: what decides, and the host it names. */
export interface ConfiguredRoute extends RouteSettings {
  /** Of `host`. */
  readonly host: UpstreamAddress | null;
}

const MAX_ROUTES = 100_000;
const MAX_FIELDS = 16;
const MAX_GLOB = 255;
const TARGETS = ['upstream', 'mx', 'host', 'discard', 'reply'] as const;

const PATTERNS = 'an address, "@domain", "@*.domain" for all below it, or "/expression/"';

function pattern(allowed: string, nullSender: boolean) {
  return z.string({ error: `allowed: ${allowed}` }).transform((text, context): string => {
    if (nullSender && (text === '' || text === '<>')) return '';
    const expression = text.length > 1 && text.startsWith('/') && text.endsWith('/');
    const problem = expression ? expressionProblem(text.slice(1, -1)) : '';
    const value = expression ? text : addressPattern(text);
    if (value !== undefined && problem === '') return value;
    context.addIssue({ code: 'custom', message: `${problem === '' ? '' : `${problem}; `}allowed: ${allowed}` });
    return z.NEVER;
  });
}

const accounts = listOf(
  item('the name of an account, or "@domain" for all whose name ends so', (text) => {
    if (text.startsWith('@')) return addressPattern(text);
    return nameProblem(text) === '' ? canonicalName(text) : undefined;
  }),
  '["ann@example.org", "@example.net"]',
);

/** A code, its enhanced code (RFC 3463; may be left out) and a text. */
function refusal(text: string): RouteRefusal | undefined {
  const match = /^([45][0-5]\d)(?: ([45])\.(\d{1,3})\.(\d{1,3}))?(?: ([ -~]{1,400}))?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, code, kind, subject, detail, words] = match;
  if (kind !== undefined && kind !== code![0]) return undefined;
  const enhanced = kind === undefined ? `${code![0]}.7.1` : `${kind}.${subject}.${detail}`;
  return { code: Number(code), enhanced, text: words ?? 'Not accepted' };
}

const fields = z
  .record(
    z.string(),
    z
      .string({ error: 'allowed: a text, * in it stands for any' })
      .max(MAX_GLOB, `allowed: at most ${MAX_GLOB} characters`),
    { error: 'allowed: fields and their values, { "X-Campaign" = "spring*" }' },
  )
  .superRefine((given, context) => {
    for (const name of Object.keys(given)) {
      const mistake = (message: string): void => {
        context.addIssue({ code: 'custom', path: [name], message: `allowed: ${message}` });
      };
      if (!/^[!-9;-~]{1,76}$/.test(name)) mistake('the name of a header field');
      if (/^x-sluice-/i.test(name))
        mistake('other fields; what X-Sluice-... says is asked for by lane, tag and tenant');
    }
  })
  .transform((given): FieldCondition[] =>
    Object.entries(given).map(([name, glob]) => ({ name: name.toLowerCase(), glob })),
  )
  .refine((given) => given.length <= MAX_FIELDS, `allowed: at most ${MAX_FIELDS} fields`);

const lane = z.enum(['immediate', 'bulk'], { error: 'allowed: "immediate" or "bulk"' }).optional();
const flag = z.boolean('allowed: true or false').optional();
const yes = z.literal(true, { error: 'allowed: true, or another target' }).optional();

const shape = {
  name: word.optional(),
  recipient: oneOrList(listOf(pattern(PATTERNS, false), '["ann@example.org", "@example.org"]')),
  sender: oneOrList(listOf(pattern(`${PATTERNS}, or "<>" for the null sender`, true), '["@example.org", "<>"]')),
  account: oneOrList(accounts),
  tenant: oneOrList(listOf(word, '["acme"]')),
  listener: oneOrList(listenerNames),
  header: fields.optional(),
  tag: oneOrList(listOf(word, '["newsletter"]')),
  client: oneOrList(networks),
  lane,
  upstream: word.optional(),
  mx: yes,
  host: nextHop(true).optional(),
  discard: yes,
  reply: item(
    'a code from 400 to 559, an enhanced code of its class, and a text, as a server says it',
    refusal,
  ).optional(),
  egress: word.optional(),
  set_lane: lane,
  add_tags: listOf(word, '["newsletter"]').optional(),
  verify: flag,
  relay: flag,
};

const route = tableOf('route', shape).superRefine((given, context) => {
  const mistake = (key: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [key], message: `allowed: ${message}` });
  };
  const targets = TARGETS.filter((key) => given[key] !== undefined);
  if (targets.length === 0) mistake('upstream', `one target of ${TARGETS.join(', ')}`);
  for (const target of targets.slice(1)) mistake(target, `one target; ${targets[0]} is another`);
  const local = given.discard === true || given.reply !== undefined;
  for (const key of ['egress', 'verify'] as const)
    if (local && given[key] !== undefined && given[key] !== false) mistake(key, 'with upstream, mx or host only');
  if (given.relay === true && !(given.recipient ?? []).some((one) => one.startsWith('@')))
    mistake('relay', 'with recipient = "@domain" only');
  else if (given.relay === true && !given.recipient!.every((one) => one.startsWith('@')))
    mistake('relay', 'where each recipient is "@domain" or "@*.domain"');
});

function targetOf(given: z.infer<typeof route>): RouteTarget {
  if (given.upstream !== undefined) return { kind: 'upstream', group: given.upstream };
  if (given.host !== undefined) return { kind: 'host', name: formatHostPort(given.host.host, given.host.port) };
  if (given.reply !== undefined) return { kind: 'refuse', ...given.reply };
  return { kind: given.discard === true ? 'discard' : 'mx' };
}

function settingsOf(given: z.infer<typeof route>, place: number): ConfiguredRoute {
  return {
    name: given.name ?? `route-${place + 1}`,
    recipients: given.recipient ?? null,
    senders: given.sender ?? null,
    accounts: given.account ?? null,
    tenants: given.tenant ?? null,
    listeners: given.listener ?? null,
    fields: given.header ?? [],
    tags: given.tag ?? null,
    clients: given.client ?? null,
    lane: given.lane ?? null,
    target: targetOf(given),
    egress: given.egress ?? '',
    setLane: given.set_lane ?? null,
    addTags: given.add_tags ?? [],
    verify: given.verify ?? false,
    relay: given.relay ?? false,
    host: given.host ?? null,
  };
}

/** All routes in their order, each name once. */
export const routeTable = z
  .array(route, { error: 'allowed: tables of routes, [[route]]' })
  .max(MAX_ROUTES, `allowed: at most ${MAX_ROUTES}`)
  .transform((routes) => routes.map(settingsOf))
  .superRefine(once('route'))
  .default([]);
