/**
 * Tokens that only their issuer can read: introspection (RFC 7662).
 *
 * Contract: what the issuer says of a token is kept by a keyed hash of it, a good answer for `cacheTime` but never past
 * the token's own end, a bad one for a tenth of it. A revoked token is thus good for up to `cacheTime` longer.
 */
import { z } from 'zod';
import type { Clock } from '../core/clock.js';
import { SluiceError } from '../core/errors.js';
import type { HttpClient } from '../core/http.js';
import { AnswerCache } from './answer-cache.js';
import type { Claims } from './token-claims.js';
import { WorkLimit } from './work-limit.js';

export interface IntrospectionOptions {
  readonly url: string;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** With it this relay authenticates to the issuer (Basic, RFC 6749 section 2.3.1); '': it does not. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** How long an answer is kept, ms; 0: not at all. */
  readonly cacheTime: number;
  readonly timeout: number;
  readonly requestsAtOnce: number;
}

const MAX_BODY = 64 * 1024;
const MAX_WAITING = 1000;
const MAX_KEPT = 20_000;
const LONGEST_REFUSAL = 10_000;

const answerBody = z.looseObject({ active: z.boolean(), exp: z.number().optional() });

export class TokenIntrospection {
  private readonly options: IntrospectionOptions;
  private readonly requests: WorkLimit;
  private readonly kept = new AnswerCache<Claims | string>(MAX_KEPT);

  constructor(options: IntrospectionOptions) {
    this.options = options;
    this.requests = new WorkLimit(options.requestsAtOnce, MAX_WAITING);
  }

  /**
   * The claims of a token, or a text for why it is not good. `mayGoOn`: false ends it before the issuer is asked.
   * @throws SluiceError `introspection` when the issuer gives no usable answer, and what the HTTP client throws.
   */
  verify(token: string, mayGoOn: () => boolean): Promise<Claims | string> {
    return this.kept.get(
      [token],
      () => this.options.clock.now(),
      (claims) => this.lifetime(claims),
      () => this.requests.run(async () => (mayGoOn() ? this.ask(token) : 'blocked')),
    );
  }

  /** Answers kept are asked for again. */
  forget(): void {
    this.kept.clear();
  }

  private lifetime(claims: Claims | string): number {
    const { cacheTime, clock } = this.options;
    if (claims === 'blocked') return 0;
    if (typeof claims === 'string') return Math.min(cacheTime / 10, LONGEST_REFUSAL);
    const left = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 - clock.wall() : cacheTime;
    return Math.min(cacheTime, left);
  }

  private async ask(token: string): Promise<Claims | string> {
    const { url, http, timeout, clientId, clientSecret } = this.options;
    const basic = [clientId, clientSecret].map((part) => new URLSearchParams([['', part]]).toString().slice(1));
    const response = await http.request({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...(clientId === '' ? {} : { authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` }),
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      timeout,
      maxBytes: MAX_BODY,
    });
    if (response.status === 401 || response.status === 403)
      throw unusable(`${response.status}; check SLUICE_OAUTH_CLIENT_ID and SLUICE_OAUTH_CLIENT_SECRET`);
    if (response.status !== 200) throw unusable(String(response.status));
    let data: unknown;
    try {
      data = JSON.parse(response.body.toString('utf8'));
    } catch {
      throw unusable('something that is not JSON');
    }
    const parsed = answerBody.safeParse(data);
    if (!parsed.success) throw unusable('JSON without "active" (RFC 7662 section 2.2)');
    return parsed.data.active ? parsed.data : 'the token is not active';
  }
}

function unusable(what: string): SluiceError {
  return new SluiceError('introspection', `the introspection endpoint answered ${what}`, { temporary: true });
}
