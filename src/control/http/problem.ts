/**
 * What went wrong with a request, as clients are told: problem details (RFC 9457).
 */

/** One thing that is wrong with what was sent. */
export interface Flaw {
  /** Where, such as `body.selector.domain`. */
  readonly at: string;
  /** What is allowed. Never what was given, which may be a secret. */
  readonly detail: string;
}

interface ProblemExtras {
  readonly flaws?: readonly Flaw[];
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection cannot go on: more of the request may come. */
  readonly close?: boolean;
}

/** Reason phrases of RFC 9110 for the statuses in use. */
export const STATUS_TEXT: Readonly<Record<number, string>> = {
  101: 'Switching Protocols',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** An answer other than success. `code` is stable and names the kind; `message` is for people. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly flaws: readonly Flaw[];
  readonly headers: Readonly<Record<string, string>>;
  readonly close: boolean;

  constructor(status: number, code: string, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.flaws = extras.flaws ?? [];
    this.headers = extras.headers ?? {};
    this.close = extras.close ?? false;
  }

  /** The document of RFC 9457 section 3; `errors` is an extension member. */
  toJSON(): Readonly<Record<string, unknown>> {
    return {
      type: `urn:sluice:problem:${this.code}`,
      title: STATUS_TEXT[this.status] ?? '',
      status: this.status,
      detail: this.message,
      ...(this.flaws.length === 0 ? {} : { errors: this.flaws }),
    };
  }
}

/**
 * Anything that was thrown, as a Problem. The engine's own errors carry a code and whether another try can help and speak
 * to operators; of others nothing is told.
 */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const { code, temporary, message } = thrown as { code?: unknown; temporary?: unknown; message?: unknown };
  if (typeof code === 'string' && typeof temporary === 'boolean')
    return new Problem(temporary ? 503 : 422, code, String(message));
  return new Problem(500, 'internal', 'the request failed; the log of the engine says why');
}
