/**
 * Bearer tokens: what is asked, how long an answer is kept, what becomes of failures.
 */
import { describe, expect, it } from 'vitest';
import type { SluiceError } from '../../src/core/errors.js';
import type { HttpRequest, HttpResponse } from '../../src/core/http.js';
import { AccessTokens, type TokenGrant } from '../../src/delivery/access-tokens.js';

const GRANT: TokenGrant = {
  url: 'https://id.example/token',
  clientId: 'id',
  clientSecret: 's+/&',
  refreshToken: '',
  scope: 'mail send',
};

/** A service that gives the answers in turn, the last again and again. */
class Service {
  readonly asked: Record<string, string>[] = [];
  now = 1000;
  readonly tokens: AccessTokens;

  constructor(
    grant: Partial<TokenGrant>,
    private readonly answers: (object | string | Error)[],
    private readonly status = 200,
  ) {
    this.tokens = new AccessTokens({ ...GRANT, ...grant }, this, { now: () => this.now, wall: () => this.now });
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    this.asked.push(Object.fromEntries(new URLSearchParams(String(request.body))));
    await new Promise((resolve) => setImmediate(resolve));
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    if (answer instanceof Error) throw answer;
    const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
    return { status: this.status, headers: {}, body };
  }
}

async function failure(promise: Promise<string>): Promise<[string, boolean, string]> {
  const error = (await promise.then(
    () => expect.unreachable(),
    (thrown: unknown) => thrown,
  )) as SluiceError;
  return [error.code, error.temporary, error.message];
}

describe('AccessTokens', () => {
  it('asks by client credentials', async () => {
    const service = new Service({}, [{ access_token: 'A', expires_in: 3600 }]);
    expect(await service.tokens.get()).toBe('A');
    expect(service.asked).toEqual([
      { grant_type: 'client_credentials', client_id: 'id', client_secret: 's+/&', scope: 'mail send' },
    ]);
  });

  it('asks by refresh token, and uses the new one that it gets', async () => {
    const service = new Service({ refreshToken: 'R1', scope: '', clientSecret: '' }, [
      { access_token: 'A', expires_in: 100, refresh_token: 'R2' },
      { access_token: 'B', expires_in: 100 },
    ]);
    expect(await service.tokens.get()).toBe('A');
    service.now += 100_000;
    expect(await service.tokens.get()).toBe('B');
    expect(service.asked).toEqual([
      { grant_type: 'refresh_token', refresh_token: 'R1', client_id: 'id' },
      { grant_type: 'refresh_token', refresh_token: 'R2', client_id: 'id' },
    ]);
  });

  it('keeps a token until shortly before its end, and asks once for all who wait', async () => {
    const service = new Service({}, [
      { access_token: 'A', expires_in: 3600 },
      { access_token: 'B', expires_in: 3600 },
    ]);
    expect(await Promise.all([service.tokens.get(), service.tokens.get(), service.tokens.get()])).toEqual([
      'A',
      'A',
      'A',
    ]);
    service.now += 3_539_000;
    expect(await service.tokens.get()).toBe('A');
    service.now += 2000;
    expect(await service.tokens.get()).toBe('B');
    expect(service.asked).toHaveLength(2);
  });

  it('uses half the life of a short one', async () => {
    const service = new Service({}, [
      { access_token: 'A', expires_in: 10 },
      { access_token: 'B', expires_in: 10 },
    ]);
    await service.tokens.get();
    service.now += 4900;
    expect(await service.tokens.get()).toBe('A');
    service.now += 200;
    expect(await service.tokens.get()).toBe('B');
  });

  it('asks again at once after a host refused the token', async () => {
    const service = new Service({}, [{ access_token: 'A', expires_in: 3600 }, { access_token: 'B' }]);
    await service.tokens.get();
    service.tokens.forget();
    expect(await service.tokens.get()).toBe('B');
  });

  it.each<[string, object | string | Error, number, string, boolean, RegExp]>([
    [
      'a refusal',
      { error: 'invalid_client', error_description: 'wrong secret\n' },
      401,
      'token-refused',
      false,
      /401: invalid_client: wrong secret/,
    ],
    ['a service that is out', { error: 'server_error' }, 503, 'token-unavailable', true, /503/],
    ['one that wants us slower', { error: 'slow_down' }, 429, 'token-unavailable', true, /429/],
    ['a page instead', '<html>', 200, 'token-unavailable', true, /without a token/],
    ['a token that is no token', { access_token: 'a b' }, 200, 'token-unavailable', true, /without a token/],
    ['a list', '[]', 200, 'token-unavailable', true, /without a token/],
    ['no answer', new Error('no route'), 200, 'token-unavailable', true, /no route/],
  ])('%s is a failure', async (_name, answer, status, code, temporary, words) => {
    const service = new Service({}, [answer], status);
    expect(await failure(service.tokens.get())).toEqual([code, temporary, expect.stringMatching(words)]);
  });

  it('leaves the service alone for longer and longer after failures, and says why meanwhile', async () => {
    const service = new Service({}, [{ error: 'x' }, { error: 'y' }, { access_token: 'A' }], 200);
    const first = await failure(service.tokens.get());
    expect(await failure(service.tokens.get())).toEqual(first);
    service.now += 2000;
    await failure(service.tokens.get());
    service.now += 2000;
    await failure(service.tokens.get());
    expect(service.asked).toHaveLength(2);
    service.now += 2000;
    expect(await service.tokens.get()).toBe('A');
  });
});
