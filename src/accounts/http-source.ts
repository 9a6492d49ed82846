/**
 * Accounts of an HTTP endpoint (SLUICE_AUTH_URL).
 *
 * POST with JSON {"user", "password", "mechanism", "address"}. 200: the login is good; the JSON object of its body (an
 * empty body is {}) may have "account", the account's name where it is not the user, and any key of [[account]] besides
 * name: "senders", "lane", "messages_per_hour" ... Other keys are ignored. 401 or 403: refused. Anything else, no answer
 * in time, or a body that cannot be read: the client is told to try later.
 * Limits: bodies of 64 KiB, `requestsAtOnce` requests, 1,000 waiting, 20,000 answers kept.
 */
import { z } from 'zod';
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { HttpClient, HttpResponse } from '../core/http.js';
import type { AuthQuestion, Mechanism } from '../smtp/authentication.js';
import { accountName, accountSettings, accountShape } from './account-settings.js';
import { type AccountSource, type AuthAttempt, BLOCKED, type SourceAnswer } from './account-source.js';
import { AnswerCache } from './answer-cache.js';
import { canonicalName, nameProblem } from './canonical-text.js';
import { WorkLimit } from './work-limit.js';

export interface HttpSourceOptions {
  readonly url: string;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** How long a good answer is kept, ms; 0: not at all. A refusal is kept a tenth of it, at most 10 s. */
  readonly cacheTime: number;
  readonly timeout: number;
  readonly requestsAtOnce: number;
}

const MAX_BODY = 64 * 1024;
const MAX_WAITING = 1000;
const MAX_KEPT = 20_000;
const LONGEST_REFUSAL = 10_000;

const answerBody = z.object({ account: accountName.optional(), ...accountShape });

export class HttpSource implements AccountSource {
  readonly name = 'http';
  readonly mechanisms: readonly Mechanism[] = ['PLAIN', 'LOGIN'];
  private readonly options: HttpSourceOptions;
  private readonly requests: WorkLimit;
  private readonly kept = new AnswerCache<SourceAnswer>(MAX_KEPT);

  constructor(options: HttpSourceOptions) {
    this.options = options;
    this.requests = new WorkLimit(options.requestsAtOnce, MAX_WAITING);
  }

  async answer(question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer> {
    if (question.kind !== 'password') return { kind: 'unknown', reason: 'unknown user' };
    const { user, password, mechanism } = question;
    const { address } = attempt;
    return this.kept.get(
      [user, password, mechanism, address],
      () => this.options.clock.now(),
      (answer) => this.lifetime(answer),
      () =>
        this.requests.run(async () =>
          attempt.mayGoOn() ? this.ask(user, JSON.stringify({ user, password, mechanism, address })) : BLOCKED,
        ),
    );
  }

  /** Answers kept are asked for again. */
  async reload(): Promise<void> {
    this.kept.clear();
  }

  private lifetime(answer: SourceAnswer): number {
    const { cacheTime } = this.options;
    if (answer.kind === 'accepted') return cacheTime;
    return answer.kind === 'refused' && answer !== BLOCKED ? Math.min(cacheTime / 10, LONGEST_REFUSAL) : 0;
  }

  private async ask(user: string, body: string): Promise<SourceAnswer> {
    const { url, http, timeout } = this.options;
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await http.request({ method: 'POST', url, headers, body, timeout, maxBytes: MAX_BODY });
    if (response.status === 200) return accepted(user, response);
    if (response.status === 401 || response.status === 403)
      return { kind: 'refused', reason: `refused by the endpoint with ${response.status}` };
    return { kind: 'unavailable', reason: `the endpoint answered ${response.status}` };
  }
}

/** @throws SluiceError `auth-answer` when the body cannot be used: an account must never get more than was meant. */
function accepted(user: string, response: HttpResponse): SourceAnswer {
  const text = response.body.toString('utf8').trim();
  let data: unknown;
  try {
    data = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw unusable(`not JSON (${messageOf(error)})`);
  }
  const parsed = answerBody.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw unusable(`${issue?.path.join('.') || 'the body'} is not allowed; ${issue?.message ?? ''}`);
  }
  const { account, ...fields } = parsed.data;
  const name = account ?? canonicalName(user);
  if (nameProblem(name) !== '') return { kind: 'refused', reason: `not the name of an account: ${nameProblem(name)}` };
  return { kind: 'accepted', name, supplied: accountSettings(name, fields) };
}

function unusable(why: string): SluiceError {
  return new SluiceError('auth-answer', `the answer of the endpoint cannot be used: ${why}`, { temporary: true });
}
