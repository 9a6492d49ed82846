/**
 * Bearer tokens for next hops: by client credentials (RFC 6749 section 4.4) or by a refresh token (section 6), kept until
 * shortly before they expire.
 *
 * One request at a time, whoever waits shares it. After a failure nobody is asked for a while, and those who want a token
 * meanwhile get the last reason. A refresh token that the service replaces is used from then on, in memory only.
 */
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { HttpClient, HttpResponse } from '../core/http.js';

/** What the service wants to know. */
export interface TokenGrant {
  readonly url: string;
  readonly clientId: string;
  /** '' for a public client. */
  readonly clientSecret: string;
  /** '': by client credentials. */
  readonly refreshToken: string;
  /** '' asks for none. */
  readonly scope: string;
}

/** A token is not used in the last part of its life, ms: a session must still be able to begin with it. */
const MARGIN = 60_000;
/** Where the service names no `expires_in`, s. */
const DEFAULT_LIFE = 300;
const MAX_LIFE = 86_400;
const TIMEOUT = 20_000;
const MAX_BYTES = 64 * 1024;
const FIRST_WAIT = 2000;
const LONGEST_WAIT = 300_000;
const MAX_TOKEN = 16_384;

export class AccessTokens {
  private readonly grant: TokenGrant;
  private readonly http: HttpClient;
  private readonly clock: Clock;
  private refreshToken: string;
  private token = '';
  private goodUntil = 0;
  private pending: Promise<string> | null = null;
  private failure: SluiceError | null = null;
  private failures = 0;
  private askAgain = 0;

  constructor(grant: TokenGrant, http: HttpClient, clock: Clock) {
    this.grant = grant;
    this.http = http;
    this.clock = clock;
    this.refreshToken = grant.refreshToken;
  }

  /** A token that is good now. @throws SluiceError `token-refused` (the settings are wrong) or `token-unavailable`. */
  async get(): Promise<string> {
    const now = this.clock.now();
    if (now < this.goodUntil) return this.token;
    if (this.pending !== null) return this.pending;
    if (this.failure !== null && now < this.askAgain) throw this.failure;
    this.pending = this.ask().finally(() => {
      this.pending = null;
    });
    return this.pending;
  }

  /** A host did not take the token: the next `get` asks for another. */
  forget(): void {
    this.goodUntil = 0;
  }

  private async ask(): Promise<string> {
    try {
      const answer = read(await this.request());
      const life = Math.min(MAX_LIFE, answer.expiresIn) * 1000;
      this.token = answer.token;
      this.goodUntil = this.clock.now() + life - Math.min(MARGIN, life / 2);
      if (answer.refreshToken !== '') this.refreshToken = answer.refreshToken;
      this.failure = null;
      this.failures = 0;
      return answer.token;
    } catch (error) {
      this.failure =
        error instanceof SluiceError && error.code.startsWith('token-')
          ? error
          : new SluiceError('token-unavailable', messageOf(error), { temporary: true, cause: error });
      this.askAgain = this.clock.now() + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.failures++, 8));
      throw this.failure;
    }
  }

  private request(): Promise<HttpResponse> {
    const { url, clientId, clientSecret, scope } = this.grant;
    const form = new URLSearchParams(
      this.refreshToken === ''
        ? { grant_type: 'client_credentials' }
        : { grant_type: 'refresh_token', refresh_token: this.refreshToken },
    );
    form.set('client_id', clientId);
    if (clientSecret !== '') form.set('client_secret', clientSecret);
    if (scope !== '') form.set('scope', scope);
    return this.http.request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: form.toString(),
      timeout: TIMEOUT,
      maxBytes: MAX_BYTES,
    });
  }
}

/** @throws SluiceError for anything but a token (RFC 6749 sections 5.1 and 5.2). */
function read(response: HttpResponse): { token: string; expiresIn: number; refreshToken: string } {
  let answer: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(response.body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) answer = parsed as Record<string, unknown>;
  } catch {
    // No JSON is no token, as below.
  }
  const word = (name: string): string => {
    const value = answer[name];
    return typeof value === 'string' ? value.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 300) : '';
  };
  const token = answer['access_token'];
  if (
    response.status === 200 &&
    typeof token === 'string' &&
    /^[\x21-\x7e]+$/.test(token) &&
    token.length <= MAX_TOKEN
  ) {
    const given = Number(answer['expires_in'] ?? DEFAULT_LIFE);
    const refreshToken = answer['refresh_token'];
    return {
      token,
      expiresIn: given > 0 ? given : DEFAULT_LIFE,
      refreshToken: typeof refreshToken === 'string' ? refreshToken : '',
    };
  }
  const said = [word('error'), word('error_description')].filter((text) => text !== '').join(': ');
  const temporary = response.status >= 500 || response.status === 429 || said === '';
  const reason = `the token service answered ${response.status}${said === '' ? ' without a token' : `: ${said}`}`;
  throw new SluiceError(temporary ? 'token-unavailable' : 'token-refused', reason, { temporary });
}
