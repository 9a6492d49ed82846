/**
 * What an account may do, as the operator writes it ([[account]] of SLUICE_CONFIG) or an account source gives it with a
 * login (the answer of SLUICE_AUTH_URL): the same keys in both.
 */
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import type { Lane } from '../message/envelope.js';
import { MECHANISMS, type Mechanism } from '../smtp/authentication.js';
import { canonicalName, MAX_NAME, nameProblem } from './canonical-text.js';

/** Units of a limit: `messages_per_hour = 1000`. */
export const COUNTED = ['messages', 'recipients'] as const;
export const SPANS = ['minute', 'hour', 'day'] as const;

/** At most `most` messages or recipients in any span of that length. */
export interface AccountLimit {
  readonly counted: (typeof COUNTED)[number];
  readonly span: (typeof SPANS)[number];
  readonly most: number;
}

/** Everything is optional in the file; null and '' are "not said". */
export interface AccountSettings {
  /** Canonical name. */
  readonly name: string;
  /** As in AccountGrant; null: any. */
  readonly senders: readonly string[] | null;
  readonly limits: readonly AccountLimit[];
  readonly lane: Lane | null;
  /** `domain/selector` of the key its mail is signed with, '' for that of the author's domain. */
  readonly dkim: string;
  readonly tags: readonly string[];
  /** Client certificates that are this account: `sha256:<hex>` or a name of the certificate, lower case. */
  readonly certificates: readonly string[];
  /** The mechanisms it may log in by; null: any. */
  readonly mechanisms: readonly Mechanism[] | null;
}

const MAX_ITEMS = 10_000;
const MAX_COUNT = 1_000_000_000;
const FINGERPRINT = /^(?:sha256:)?([0-9a-f]{64})$/;
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** `ann@example.org`, `@example.org` or `@*.example.org` in lower case with A-labels, undefined when it is none of them. */
export function addressPattern(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const [local, place] = [text.slice(0, at), text.slice(at + 1)];
  const below = at === 0 && place.startsWith('*.');
  const domain = domainToASCII(below ? place.slice(2) : place).toLowerCase();
  if (at < 0 || local.length > 64 || domain.length > 253 || !DOMAIN.test(domain)) return undefined;
  if (/[\s\u0000-\u001f\u007f<>]/.test(local)) return undefined;
  return `${local.normalize('NFC').toLowerCase()}@${below ? '*.' : ''}${domain}`;
}

/** `sha256:<hex>` of a fingerprint in any usual form, or a name in lower case. */
function certificateRight(text: string): string {
  const hex = FINGERPRINT.exec(text.toLowerCase().replace(/(?<=[0-9a-f]{2}):(?=[0-9a-f]{2}(?::|$))/g, ''));
  return hex === null ? text.normalize('NFC').toLowerCase() : `sha256:${hex[1]}`;
}

/** A text turned into its canonical form by `parse`, or refused with what is allowed. */
export function item<T>(allowed: string, parse: (text: string) => T | undefined) {
  const error = `allowed: ${allowed}`;
  return z.string({ error }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

export function listOf<T extends z.ZodType>(type: T, allowed: string) {
  return z.array(type, { error: `allowed: a list such as ${allowed}` }).max(MAX_ITEMS, `allowed: at most ${MAX_ITEMS}`);
}

/** A limit or weight. */
export const count = z
  .int({ error: `allowed: a whole number from 1 to ${MAX_COUNT}` })
  .min(1, `allowed: a whole number from 1 to ${MAX_COUNT}`)
  .max(MAX_COUNT, `allowed: a whole number from 1 to ${MAX_COUNT}`)
  .optional();

/** The name of an account in its canonical form. */
export const accountName = item(`a name without spaces, at most ${MAX_NAME} characters`, (text) =>
  nameProblem(text) === '' ? canonicalName(text) : undefined,
);

/** What tags, tenants, routes and pools are called. */
export const word = item('a word of letters, digits and . _ : - , at most 64', (text) =>
  /^[\w.:-]{1,64}$/.test(text) ? text : undefined,
);

/** The keys of an account besides its name. */
export const accountShape = {
  senders: listOf(
    item('an address, "@domain", or "@*.domain" for all below it', addressPattern),
    '["ann@example.org", "@example.org", "@*.example.org"]',
  ).optional(),
  messages_per_minute: count,
  messages_per_hour: count,
  messages_per_day: count,
  recipients_per_minute: count,
  recipients_per_hour: count,
  recipients_per_day: count,
  lane: z.enum(['immediate', 'bulk'], { error: 'allowed: "immediate" or "bulk"' }).optional(),
  dkim: item('"domain/selector" of a signing key', (text) =>
    /^[^\s/]+\/[^\s/]+$/.test(text) ? text.toLowerCase() : undefined,
  ).optional(),
  tags: listOf(word, '["newsletter"]').optional(),
  certificates: listOf(
    item('a SHA-256 fingerprint in hex, or a name of the certificate', (text) =>
      text.trim() === '' || text.length > MAX_NAME ? undefined : certificateRight(text.trim()),
    ),
    '["sha256:9f86d0...", "client.example.org"]',
  ).optional(),
  mechanisms: listOf(
    z.enum(MECHANISMS, { error: `allowed: ${MECHANISMS.join(', ')}` }),
    '["SCRAM-SHA-256", "PLAIN"]',
  ).optional(),
};

/** The keys of an account as they are after parsing. */
export type AccountFields = z.infer<z.ZodObject<typeof accountShape>>;

/** Settings from the keys of an account. `name`: canonical. */
export function accountSettings(name: string, fields: AccountFields): AccountSettings {
  const limits: AccountLimit[] = [];
  for (const counted of COUNTED)
    for (const span of SPANS) {
      const most = fields[`${counted}_per_${span}`];
      if (most !== undefined) limits.push({ counted, span, most });
    }
  return {
    name,
    senders: fields.senders ?? null,
    limits,
    lane: fields.lane ?? null,
    dkim: fields.dkim ?? '',
    tags: fields.tags ?? [],
    certificates: fields.certificates ?? [],
    mechanisms: fields.mechanisms ?? null,
  };
}

/** `ours` where it says something, else `theirs`: what the operator wrote stands before what a source says. */
export function mergeSettings(ours: AccountSettings, theirs: AccountSettings): AccountSettings {
  const kindOf = ({ counted, span }: AccountLimit): string => `${counted}/${span}`;
  const said = new Set(ours.limits.map(kindOf));
  return {
    name: ours.name,
    senders: ours.senders ?? theirs.senders,
    limits: [...ours.limits, ...theirs.limits.filter((limit) => !said.has(kindOf(limit)))],
    lane: ours.lane ?? theirs.lane,
    dkim: ours.dkim === '' ? theirs.dkim : ours.dkim,
    tags: ours.tags.length === 0 ? theirs.tags : ours.tags,
    certificates: ours.certificates,
    mechanisms: ours.mechanisms ?? theirs.mechanisms,
  };
}
