/**
 * Mail handed in over HTTP: `POST /v1/messages`.
 *
 * Contract: 202 means what 250 means in SMTP: durable. One object in is one object out; an array in gives `items` in its
 * order, each with its id or its own problem (RFC 9457), and 202 where at least one was taken.
 */
import { createHash } from 'node:crypto';
import type { ItemClient, ItemOutcome, MailItem, Refusal } from '../../injection/mail-item.js';
import { Answer, type Call, type Endpoint, endpoint, type RequestFacts } from './endpoint.js';
import {
  composedItem,
  idempotencyKey,
  MAX_ITEMS,
  mailAnswer,
  mailItems,
  type RawQuery,
  rawItem,
  rawQuery,
} from './message-fields.js';
import { Problem, STATUS_TEXT } from './problem.js';

/** When to come again, s: limits are by the minute at least, room comes as mail goes. */
const LIMIT_WAIT = '30';
const ROOM_WAIT = '5';

/** What was sent: one item or several. */
interface Given {
  readonly items: readonly (MailItem | Refusal)[];
  readonly many: boolean;
}

async function inject({ request, query, plane }: Call<RawQuery, unknown>): Promise<Answer> {
  const given = isType(request.contentType, 'message/rfc822') ? rawMessage(request, query) : jsonItems(request);
  const injector = plane.injector();
  if (injector === undefined) throw new Problem(503, 'not-running', 'the engine is starting');
  return answerOf(await injector.submit(clientOf(request), given.items), given.many);
}

function clientOf({
  client,
  secure,
  idempotencyKey: key,
  traceparent,
  contentType,
  query,
  bytes,
}: RequestFacts): ItemClient {
  if (!idempotencyKey.safeParse(key).success)
    throw new Problem(
      422,
      'not-allowed',
      'Idempotency-Key: allowed: 1 to 255 printable ASCII characters without blanks',
    );
  let digest: Buffer | undefined;
  return {
    address: client,
    protocol: secure ? 'HTTPS' : 'HTTP',
    idempotencyKey: key,
    traceparent,
    digest: () => {
      digest ??= createHash('sha256').update(`${contentType}\n${query}\n`).update(bytes).digest();
      return digest;
    },
  };
}

function isType(contentType: string, wanted: string): boolean {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase() === wanted;
}

function rawMessage({ bytes }: RequestFacts, query: RawQuery): Given {
  const { from, to, tag, ...rest } = query;
  return { items: [{ mailFrom: from, rcptTo: to, tags: tag, raw: bytes, ...rest }], many: false };
}

function jsonItems({ bytes, contentType, query }: RequestFacts): Given {
  if (!isType(contentType, 'application/json'))
    throw new Problem(415, 'not-json', 'allowed: a body of Content-Type application/json or message/rfc822');
  if (query !== '') throw new Problem(422, 'not-allowed', 'parameters are allowed with message/rfc822 only');
  const given = parsed(bytes);
  if (!Array.isArray(given)) return { items: [itemOf(given, 'body')], many: false };
  if (given.length === 0 || given.length > MAX_ITEMS)
    throw new Problem(422, 'not-allowed', `body: 1 to ${MAX_ITEMS} messages are allowed`);
  return { items: given.map((value: unknown, i) => itemOf(value, `body.${i}`)), many: true };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem(400, 'bad-json', 'the body is not JSON in UTF-8');
  }
}

/** The item, or what is wrong with its shape. */
function itemOf(value: unknown, where: string): MailItem | Refusal {
  if (typeof value !== 'object' || value === null) return misshapen(`${where}: an object is allowed`);
  const result = ('raw' in value ? rawItem : composedItem).safeParse(value);
  if (result.success) return result.data;
  const flaws = result.error.issues.slice(0, 5).map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`);
  return misshapen(flaws.join('; '));
}

function misshapen(detail: string): Refusal {
  return { status: 422, code: 'not-allowed', detail, reply: '' };
}

function answerOf(outcomes: readonly ItemOutcome[], many: boolean): Answer {
  const [first] = outcomes;
  if (!many) return 'id' in first! ? json(202, takenOf(first)) : problem(first!.status, problemOf(first!));
  const items = outcomes.map((one) => ('id' in one ? { status: 202, ...takenOf(one) } : problemOf(one)));
  if (outcomes.some((one) => 'id' in one)) return json(202, { items });
  const status = commonStatus(outcomes as readonly Refusal[]);
  return problem(status, {
    ...{ type: 'urn:sluice:problem:none-taken', title: STATUS_TEXT[status], status },
    ...{ detail: 'none of the messages was taken; items say why', items },
  });
}

function takenOf({ id, refused, repeated }: Exclude<ItemOutcome, Refusal>) {
  return { id, ...(refused.length === 0 ? {} : { refused }), ...(repeated ? { repeated } : {}) };
}

function problemOf({ status, code, detail, reply }: Refusal) {
  const type = `urn:sluice:problem:${code}`;
  return { type, title: STATUS_TEXT[status] ?? '', status, code, detail, ...(reply === '' ? {} : { reply }) };
}

/** That of all; where they differ 503 if another try can help some, else 422. */
function commonStatus(refusals: readonly Refusal[]): number {
  const [{ status }] = refusals as readonly [Refusal];
  if (refusals.every((one) => one.status === status)) return status;
  return refusals.some((one) => passes(one.status)) ? 503 : 422;
}

function passes(status: number): boolean {
  return status === 429 || status === 503 || status === 507;
}

function json(status: number, body: unknown): Answer {
  return new Answer(status, 'application/json', JSON.stringify(body));
}

function problem(status: number, body: unknown): Answer {
  const headers = passes(status) ? { 'Retry-After': status === 429 ? LIMIT_WAIT : ROOM_WAIT } : {};
  return new Answer(status, 'application/problem+json', JSON.stringify(body), headers);
}

export const messageEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/messages',
    summary: 'Takes mail: one message, several, or (Content-Type message/rfc822) one as it is; 202 when durable.',
    mail: true,
    query: rawQuery,
    lists: ['to', 'tag'],
    body: mailItems,
    answer: mailAnswer,
    status: 202,
    run: inject,
  }),
];
