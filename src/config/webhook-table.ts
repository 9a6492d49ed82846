/**
 * The table [[webhook]] of the configuration file: who is told of what happens to mail, over HTTP.
 *
 *   [[webhook]]
 *   name = "crm"
 *   url = "https://crm.example.org/mail-events"
 *   secret_file = "/etc/sluice/crm.secret"
 *   events = ["delivered", "bounced", "complained"]
 *   tenant = "shop"
 *   domain = ".example.net"
 *   tag = "newsletter"
 *   batch = 500
 *   delay = "1s"
 *   timeout = "15s"
 *   max_age = "3d"
 *   max_bytes = "256m"
 */
import { z } from 'zod';
import { item, listOf, word } from '../accounts/account-settings.js';
import { canonicalFilter, EVENT_KINDS } from '../telemetry/event-filter.js';
import { keyOfSecret, SECRET_FORM } from '../webhooks/signature.js';
import type { WebhookSettings } from '../webhooks/webhook-settings.js';
import { isLoopback } from './http-settings.js';
import { once, oneOrList, tableOf } from './table-types.js';
import { duration, size, type ValueType } from './value-type.js';

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const MIB = 1024 * 1024;
const MAX_WEBHOOKS = 100;
const MAX_SECRETS = 4;
const MAX_BATCH = 1000;
const BATCH = `allowed: a whole number of events from 1 to ${MAX_BATCH}`;
const TEXT = 'allowed: a text';

/** A number with its unit, or of the unit that the setting has. */
function withUnit(type: ValueType<number>) {
  return item(type.allowed, (text) => {
    const parsed = type.parse(text);
    return 'value' in parsed ? parsed.value : undefined;
  }).optional();
}

const shape = {
  name: word,
  url: item('a URL that begins with https:// (or http://), without user and password', (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    const good = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    return good && url.hash === '' && text.length <= 2048 ? text : undefined;
  }),
  allow_http: z.boolean({ error: 'allowed: true or false' }).optional(),
  secret: oneOrList(
    listOf(
      item(SECRET_FORM, (text) => (keyOfSecret(text) === undefined ? undefined : text.trim())),
      '["whsec_..."]; the first is the one in use',
    )
      .min(1, 'allowed: at least one')
      .max(MAX_SECRETS, `allowed: at most ${MAX_SECRETS}`),
  ),
  secret_file: z.string({ error: 'allowed: a path' }).min(1, 'allowed: a path').optional(),
  events: oneOrList(
    z.array(z.enum(EVENT_KINDS, { error: `allowed: ${EVENT_KINDS.map((kind) => `"${kind}"`).join(', ')}` }), {
      error: 'allowed: a list such as ["delivered", "bounced"]',
    }),
  ),
  tenant: z.string({ error: TEXT }).optional(),
  domain: z.string({ error: 'allowed: a domain of recipients, or ".domain" for all below it' }).optional(),
  tag: z.string({ error: TEXT }).optional(),
  batch: z.int(BATCH).min(1, BATCH).max(MAX_BATCH, BATCH).optional(),
  delay: withUnit(duration({ min: 0, max: 60 * SECOND })),
  timeout: withUnit(duration({ min: 100, max: 120 * SECOND })),
  max_age: withUnit(duration({ min: 60 * SECOND, max: 30 * DAY })),
  max_bytes: withUnit(size({ min: MIB, max: 64 * 1024 * MIB })),
};

const webhook = tableOf('webhook', shape).transform((fields, context): WebhookSettings => {
  const refuse = (path: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  const { secret, secret_file: secretFile = '' } = fields;
  if ((secret === undefined) === (secretFile === ''))
    refuse('secret', `allowed: either secret or secret_file; a secret is ${SECRET_FORM}`);
  const { protocol, hostname } = new URL(fields.url);
  if (protocol === 'http:' && fields.allow_http !== true && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
    refuse('url', 'allowed: https://; http:// beyond this machine only with allow_http = true, for all to read');
  const { events = [], tenant = '', domain = '', tag = '' } = fields;
  return {
    ...{ name: fields.name, url: fields.url, secrets: secret ?? [], secretFile },
    filter: canonicalFilter({ kinds: events, tenant, domain, tag, recipient: '', id: '' }),
    batch: fields.batch ?? 500,
    delay: fields.delay ?? SECOND,
    timeout: fields.timeout ?? 15 * SECOND,
    maxAge: fields.max_age ?? 3 * DAY,
    maxBytes: fields.max_bytes ?? 256 * MIB,
  };
});

/** All webhooks, each name once. */
export const webhookTable = z
  .array(webhook, { error: 'allowed: tables of webhooks, [[webhook]]' })
  .max(MAX_WEBHOOKS, `allowed: at most ${MAX_WEBHOOKS}`)
  .superRefine(once('webhook'))
  .default([]);
