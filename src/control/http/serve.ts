/**
 * From a request to its answer: who asks, which endpoint, what was sent, what came of it.
 *
 * Contract: never rejects. Every request is answered once, unless its client goes away; every mistake of a client is a
 * problem of RFC 9457.
 */
import type { z } from 'zod';
import { Answer, type Endpoint, type RequestFacts } from './endpoint.js';
import type { BodyMemory, Exchange, Limits } from './exchange.js';
import type { Guard } from './guard.js';
import type { Plane } from './plane.js';
import { type Flaw, Problem, problemOf } from './problem.js';
import type { Router } from './router.js';
import { Stream } from './stream.js';

const JSON_TYPE = 'application/json';
const NO_MAIL = { bytes: Buffer.alloc(0), done: (): void => {} };
/** Flaws that are told of at most. */
const MAX_FLAWS = 20;

export interface Serving {
  readonly router: Router;
  readonly guard: Guard;
  readonly limits: Limits;
  readonly plane: Plane;
  /** It is spoken over TLS. */
  readonly secure: boolean;
  readonly memory: BodyMemory;
}

export async function serve(exchange: Exchange, serving: Serving): Promise<void> {
  try {
    await respond(exchange, serving);
  } catch (thrown) {
    refuse(exchange, serving.plane, thrown);
  }
}

/** Answers with the problem that something thrown is. */
export function refuse(exchange: Exchange, plane: Plane, thrown: unknown): void {
  const problem = problemOf(thrown);
  if (problem.status === 500) plane.failed(exchange.path, thrown);
  if (problem.status === 401) plane.refused(exchange.client, problem.code);
  exchange.answer(problem.status, 'application/problem+json', JSON.stringify(problem), problem.headers, problem.close);
}

async function respond(exchange: Exchange, serving: Serving): Promise<void> {
  const { router, guard, limits, plane, memory } = serving;
  const found = tryFind(router, exchange);
  // Strangers do not learn what there is.
  if (found instanceof Problem || found.endpoint.open !== true) guard.check(exchange);
  if (found instanceof Problem) throw found;
  const { endpoint, params } = found;
  const query = checked(endpoint.query, queryOf(exchange.query, endpoint), 'query');
  const mail = endpoint.mail === true ? await exchange.mailBody(limits, memory) : NO_MAIL;
  try {
    const json = endpoint.body !== undefined && endpoint.mail !== true;
    const body = json ? await bodyOf(exchange, limits, endpoint.body!) : undefined;
    const result = await endpoint.run({
      params,
      query,
      body,
      accept: exchange.accept,
      request: factsOf(exchange, serving.secure, mail.bytes),
      plane,
      control: () => {
        const control = plane.control(exchange.client);
        if (control === undefined) throw new Problem(503, 'not-running', 'the engine is starting');
        return control;
      },
    });
    if (result instanceof Stream) await exchange.stream(result.type, result.pieces);
    else answer(exchange, endpoint, result);
  } finally {
    mail.done();
  }
}

function factsOf(exchange: Exchange, secure: boolean, bytes: Buffer): RequestFacts {
  const { client, contentType, idempotencyKey, traceparent, query } = exchange;
  return { client, contentType, idempotencyKey, traceparent, query, secure, bytes };
}

function answer(exchange: Exchange, endpoint: Endpoint, result: unknown): void {
  if (result instanceof Answer) exchange.answer(result.status, result.type, result.text, result.headers);
  else exchange.answer(endpoint.status ?? 200, JSON_TYPE, JSON.stringify(result));
}

function tryFind(router: Router, { method, path }: Exchange) {
  try {
    return router.find(method, path);
  } catch (thrown) {
    return problemOf(thrown);
  }
}

/** The parameters of a query, each once. @throws Problem 422. */
export function queryOf(
  text: string,
  endpoint: Pick<Endpoint, 'query' | 'lists'>,
): Readonly<Record<string, string | string[]>> {
  const given = [...new URLSearchParams(text)];
  const names = new Set(given.map(([name]) => name));
  if (endpoint.query === undefined && names.size > 0)
    throw new Problem(422, 'not-allowed', 'no parameters are allowed');
  const query: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of given) {
    const before = query[name];
    if (endpoint.lists?.includes(name) === true) query[name] = [...(before ?? []), value];
    else if (before === undefined) query[name] = value;
    else throw new Problem(422, 'not-allowed', 'a parameter is given twice');
  }
  return { ...query };
}

async function bodyOf(exchange: Exchange, limits: Limits, schema: z.ZodType): Promise<unknown> {
  // Also what a web page cannot send to another site without asking.
  if (!/^application\/json\s*(?:;|$)/i.test(exchange.contentType))
    throw new Problem(415, 'not-json', `allowed: a body of Content-Type ${JSON_TYPE}`, { close: true });
  const bytes = await exchange.body(limits);
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem(400, 'bad-json', 'the body is not JSON in UTF-8');
  }
  return checked(schema, given, 'body');
}

/** What was given, as its schema has it. @throws Problem 422 that says what is allowed. */
export function checked<T>(schema: z.ZodType<T> | undefined, given: unknown, where: string): T {
  if (schema === undefined) return {} as T;
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const flaws: Flaw[] = parsed.error.issues
    .slice(0, MAX_FLAWS)
    .map(({ path, message }) => ({ at: [where, ...path].join('.'), detail: message }));
  const [first] = flaws;
  throw new Problem(422, 'not-allowed', `${first!.at}: ${first!.detail}`, { flaws });
}
