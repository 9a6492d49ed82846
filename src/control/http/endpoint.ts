/**
 * One endpoint: a row of the table that requests are served by and that the OpenAPI document is made from.
 */
import type { z } from 'zod';
import type { EngineControl } from '../engine-control.js';
import type { Plane } from './plane.js';

export type Method = 'GET' | 'POST' | 'DELETE';

/** An answer that is not JSON, or has another status than its endpoint's. */
export class Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, type: string, text: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.type = type;
    this.text = text;
    this.headers = headers;
  }
}

/** What of a request only some endpoints look at; '' for headers that are not there. */
export interface RequestFacts {
  /** Address. */
  readonly client: string;
  readonly secure: boolean;
  readonly contentType: string;
  readonly idempotencyKey: string;
  readonly traceparent: string;
  readonly query: string;
  /** The body as it came, of endpoints with `mail`. */
  readonly bytes: Buffer;
}

/** What an endpoint is given; `query` and `body` are as their schemas have them. */
export interface Call<Q, B> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  readonly body: B;
  /** The Accept header. */
  readonly accept: string;
  readonly request: RequestFacts;
  readonly plane: Plane;
  /** @throws Problem 503 while the engine is not there. */
  control(): EngineControl;
}

interface Shape<Q, B> {
  readonly method: Method;
  /** Segments in braces are parameters. */
  readonly path: string;
  /** One sentence. */
  readonly summary: string;
  /** Needs no token. */
  readonly open?: boolean;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** Parameters of the query that may be given several times: a list each. */
  readonly lists?: readonly string[];
  /** Takes mail: its body is given as it came, whatever its type and as long as mail may be; `body` describes it only. */
  readonly mail?: boolean;
  /** What is answered, as JSON; none where it is text. */
  readonly answer?: z.ZodType;
  /** Of success; 200 where not said. */
  readonly status?: number;
  /** What it gives is sent as JSON, an Answer as it is. @throws Problem, and errors of the engine. */
  run(call: Call<Q, B>): unknown;
}

export type Endpoint = Shape<unknown, unknown>;

/** Keeps the types of a row's schemas for its `run`. */
export function endpoint<Q = Record<string, never>, B = undefined>(row: Shape<Q, B>): Endpoint {
  return row as unknown as Endpoint;
}
