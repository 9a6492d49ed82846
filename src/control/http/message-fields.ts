/**
 * Shapes of mail that applications hand in, and of what they are told.
 *
 * An item is read by the schema of its own form (about a microsecond each); the union of all is for the OpenAPI document.
 */
import { z } from 'zod';
import type { Attachment, ComposedItem, RawItem } from '../../injection/mail-item.js';

/** Items of one request. */
export const MAX_ITEMS = 1000;
const MAX_ADDRESSES = 10_000;
const WORD = /^[\w.:-]{1,64}$/;
const WORD_ALLOWED = 'allowed: 1 to 64 letters, digits and _ . : -';
const KEY = /^[!-~]{1,255}$/;

const address = z.string().max(1000);
const addresses = z.union([address, z.array(address).max(MAX_ADDRESSES)]);
const word = z.string().regex(WORD, WORD_ALLOWED);
const key = z.string().regex(KEY, 'allowed: 1 to 255 printable ASCII characters without blanks');

const options = {
  mailFrom: address.optional().describe('Reverse-path in place of from; empty: the null sender'),
  lane: z.enum(['immediate', 'bulk']).optional(),
  tenant: word.optional(),
  tags: z.array(word).max(16).optional(),
  campaign: word.optional().describe('One more tag'),
  holdFor: z.int().min(1).max(999_999_999).optional().describe('Seconds before it goes'),
  holdUntil: z.string().max(64).optional().describe('Date-time of RFC 3339 before which it does not go'),
  idempotencyKey: key.optional(),
};
const attachment = z.strictObject({
  filename: z.string().optional(),
  contentType: z.string().optional(),
  content: z.string().describe('Base64'),
  cid: z.string().optional(),
  disposition: z.enum(['attachment', 'inline']).optional(),
}) satisfies z.ZodType<Attachment>;
export const composedItem = z.strictObject({
  from: address.describe('a@example.org or Ann <a@example.org>'),
  to: addresses.optional(),
  cc: addresses.optional(),
  bcc: addresses.optional(),
  replyTo: addresses.optional(),
  subject: z.string().optional(),
  text: z.string().optional(),
  html: z.string().optional(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  attachments: z.array(attachment).max(100).optional(),
  ...options,
}) satisfies z.ZodType<ComposedItem>;
export const rawItem = z.strictObject({
  ...options,
  rcptTo: addresses.optional().describe('Not given: the addresses of To, Cc and Bcc'),
  raw: z.string().describe('The message (RFC 5322) in base64'),
}) satisfies z.ZodType<RawItem>;
const item = z.union([composedItem, rawItem]);
export const mailItems = z.union([item, z.array(item).min(1).max(MAX_ITEMS)]);

/** Of a body that is a message itself. */
export const rawQuery = z.strictObject({
  from: address.optional().describe('Reverse-path; not given: the address of From'),
  to: z.array(address).optional().describe('Not given: the addresses of To, Cc and Bcc'),
  lane: options.lane,
  tenant: options.tenant,
  tag: options.tags,
  campaign: options.campaign,
  holdFor: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'allowed: seconds')
    .transform(Number)
    .optional(),
  holdUntil: options.holdUntil,
});
export type RawQuery = z.infer<typeof rawQuery>;
export const idempotencyKey = z.union([z.literal(''), key]);

const refusedRecipients = z.array(z.object({ recipient: z.string(), reply: z.string() })).optional();
const taken = z.object({
  id: z.string(),
  refused: refusedRecipients.describe('Recipients that were not taken'),
  repeated: z.literal(true).optional().describe('It was taken by an earlier request of the same key'),
});
const refused = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  reply: z.string().optional().describe('As SMTP would answer'),
});
/** What one item is answered, and what several are. */
export const mailAnswer = z.union([
  taken,
  z.object({ items: z.array(z.union([taken.extend({ status: z.literal(202) }), refused])) }),
]);
