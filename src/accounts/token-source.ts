/**
 * Accounts by OAuth 2.0 bearer tokens (XOAUTH2, OAUTHBEARER of RFC 7628): the token says who it is.
 *
 * A token that looks like a JWT is verified with the keys where there are some, any other by introspection.
 */
import type { Clock } from '../core/clock.js';
import type { AuthQuestion, Mechanism } from '../smtp/authentication.js';
import { type AccountSource, type AuthAttempt, BLOCKED, type SourceAnswer } from './account-source.js';
import { looksSigned, type SignedTokens } from './signed-tokens.js';
import { type TokenRules, userOfClaims } from './token-claims.js';
import type { TokenIntrospection } from './token-introspection.js';

export interface TokenSourceOptions {
  /** At least one of the two. */
  readonly signed: SignedTokens | null;
  readonly introspection: TokenIntrospection | null;
  readonly rules: TokenRules;
  readonly clock: Clock;
}

export class TokenSource implements AccountSource {
  readonly name = 'oauth';
  readonly mechanisms: readonly Mechanism[] = ['OAUTHBEARER', 'XOAUTH2'];
  private readonly options: TokenSourceOptions;

  constructor(options: TokenSourceOptions) {
    this.options = options;
  }

  async answer(question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer> {
    if (question.kind !== 'token') return { kind: 'unknown', reason: 'unknown user' };
    const { signed, introspection, rules, clock } = this.options;
    if (!attempt.mayGoOn()) return BLOCKED;
    let claims: Awaited<ReturnType<SignedTokens['verify']>>;
    if (signed !== null && (introspection === null || looksSigned(question.token)))
      claims = await signed.verify(question.token);
    else if (introspection !== null) claims = await introspection.verify(question.token, () => attempt.mayGoOn());
    else return { kind: 'unavailable', reason: 'no way to verify tokens' };
    if (typeof claims === 'string') return { kind: 'refused', reason: claims };
    const user = userOfClaims(claims, rules, question.user, clock.wall());
    return typeof user === 'string' ? { kind: 'refused', reason: user } : { kind: 'accepted', name: user.name };
  }

  async reload(): Promise<void> {
    this.options.introspection?.forget();
    await this.options.signed?.reload();
  }
}
