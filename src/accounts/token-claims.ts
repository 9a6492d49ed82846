/**
 * What a token must say, however it was verified: issuer, audience, scopes, times and whose it is (RFC 7519, RFC 7662,
 * RFC 8693 for scope).
 */
import { canonicalName, nameProblem } from './canonical-text.js';

export interface TokenRules {
  /** '' : any. */
  readonly issuer: string;
  /** One of them must be among the token's; none: any. */
  readonly audiences: readonly string[];
  /** All of them must be among the token's. */
  readonly scopes: readonly string[];
  /** Claims that may name the user; the first that is there does. */
  readonly userClaims: readonly string[];
  /** How far clocks may differ, ms. */
  readonly clockSkew: number;
}

export type Claims = Readonly<Record<string, unknown>>;

/** Who the token is for, or a text for why it cannot be accepted. */
export type TokenUser = { readonly name: string } | string;

/** Checks claims that are known to be genuine. `user`: as the client gave it, '' for none. `now`: wall clock, ms. */
export function userOfClaims(claims: Claims, rules: TokenRules, user: string, now: number): TokenUser {
  const { issuer, audiences, scopes, clockSkew } = rules;
  if (issuer !== '' && claims['iss'] !== undefined && claims['iss'] !== issuer) return 'the token has another issuer';
  if (audiences.length > 0 && !audiences.some((audience) => words(claims['aud'], false).includes(audience)))
    return 'the token is for another audience';
  const { exp, nbf } = claims;
  if (typeof exp === 'number' && exp * 1000 + clockSkew <= now) return 'the token has expired';
  if (typeof nbf === 'number' && nbf * 1000 - clockSkew > now) return 'the token is not valid yet';
  const given = [...words(claims['scope'], true), ...words(claims['scp'], true)];
  const missing = scopes.find((scope) => !given.includes(scope));
  if (missing !== undefined) return `the token has no scope ${missing}`;
  return ownerOf(claims, rules, user);
}

function ownerOf(claims: Claims, rules: TokenRules, user: string): TokenUser {
  const claim = rules.userClaims.find((name) => typeof claims[name] === 'string' && claims[name] !== '');
  if (claim === undefined) return `the token has none of the claims ${rules.userClaims.join(', ')}`;
  // An address that its owner wrote there and nobody checked is not a name to log in by (OpenID Connect section 5.7).
  if (claim === 'email' && claims['email_verified'] === false) return 'the address in the token was not verified';
  const name = canonicalName(claims[claim] as string);
  if (nameProblem(name) !== '') return `the claim ${claim} is not the name of an account: ${nameProblem(name)}`;
  if (user !== '' && canonicalName(user) !== name) return `the token is for another user by its claim ${claim}`;
  return { name };
}

/** A claim that may be a text or a list of texts. */
function words(claim: unknown, split: boolean): string[] {
  const list = Array.isArray(claim) ? claim : [claim];
  return list.flatMap((one) => (typeof one !== 'string' ? [] : split ? one.split(' ') : [one]));
}
