/**
 * Tokens that are JWTs (RFC 7519, RFC 9068), verified with the keys of a JWKS (RFC 7517) by jose.
 *
 * Only asymmetric algorithms: with a shared secret every service that can check a token can make one. Keys from a URL are
 * kept ten minutes and asked for again when a token names one that is not there, at most every 30 s; keys from a file are
 * read at start and on reload. Verification runs on the thread pool (WebCrypto).
 */
import { readFile, stat } from 'node:fs/promises';
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { HttpClient } from '../core/http.js';
import type { Claims, TokenRules } from './token-claims.js';

export interface SignedTokensOptions {
  /** An absolute path, or a URL with http: or https:. */
  readonly jwks: string;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly rules: TokenRules;
  /** Names of RFC 7518 and RFC 8037; asymmetric ones only. */
  readonly algorithms: readonly string[];
  readonly timeout: number;
}

const MAX_JWKS = 512 * 1024;
const KEYS_KEPT = 600_000;
const COOLDOWN = 30_000;
/** Keys tried for a token that does not name its own. */
const MAX_TRIES = 10;

/** True for three parts of base64url with a head that is JSON and names an algorithm. */
export function looksSigned(token: string): boolean {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return false;
  try {
    return typeof decodeProtectedHeader(token).alg === 'string';
  } catch {
    return false;
  }
}

export class SignedTokens {
  private readonly options: SignedTokensOptions;
  private keys: JWTVerifyGetKey;

  private constructor(options: SignedTokensOptions, keys: JWTVerifyGetKey) {
    this.options = options;
    this.keys = keys;
  }

  /** @throws SluiceError `bad-jwks` when the keys are a file that cannot be read. */
  static async open(options: SignedTokensOptions): Promise<SignedTokens> {
    return new SignedTokens(options, await keysFrom(options));
  }

  /** @throws SluiceError `bad-jwks`; the old keys stay. */
  async reload(): Promise<void> {
    this.keys = await keysFrom(this.options);
  }

  /**
   * The claims of a token, or a text for why it is none of ours.
   * @throws Error when the keys cannot be had now.
   */
  async verify(token: string): Promise<Claims | string> {
    try {
      return await this.payloadOf(token, this.keys);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) return this.tryAll(token, error);
      return refusalOrThrow(error);
    }
  }

  /** A token that does not say which of several keys it is signed with. */
  private async tryAll(token: string, keys: AsyncIterable<CryptoKey>): Promise<Claims | string> {
    let tries = 0;
    let last: Claims | string = 'the token is not valid: signed by none of the keys';
    for await (const key of keys) {
      if (++tries > MAX_TRIES) break;
      try {
        return await this.payloadOf(token, async () => key);
      } catch (error) {
        last = refusalOrThrow(error);
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    return last;
  }

  private async payloadOf(token: string, keys: JWTVerifyGetKey): Promise<Claims> {
    const { rules, algorithms, clock } = this.options;
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [...algorithms],
      issuer: rules.issuer,
      audience: [...rules.audiences],
      requiredClaims: ['exp'],
      clockTolerance: rules.clockSkew / 1000,
      currentDate: new Date(clock.wall()),
    });
    return payload;
  }
}

/** Why a token is not good; what says nothing about the token, but that the keys cannot be had, is thrown. */
function refusalOrThrow(error: unknown): string {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) throw error;
  // JOSEError itself: the answer of the key server was not one of 200 with JSON.
  if (!(error instanceof errors.JOSEError) || error.code === errors.JOSEError.code) throw error;
  return error instanceof errors.JWTExpired ? 'the token has expired' : `the token is not valid: ${error.message}`;
}

async function keysFrom(options: SignedTokensOptions): Promise<JWTVerifyGetKey> {
  const { jwks, http, timeout } = options;
  if (!/^https?:/i.test(jwks)) return keysOfFile(jwks);
  return createRemoteJWKSet(new URL(jwks), {
    cacheMaxAge: KEYS_KEPT,
    cooldownDuration: COOLDOWN,
    timeoutDuration: timeout,
    [customFetch]: async (url: string) => {
      const response = await http.request({
        method: 'GET',
        url,
        headers: { accept: 'application/json' },
        timeout,
        maxBytes: MAX_JWKS,
      });
      return new Response(new Uint8Array(response.body), { status: response.status });
    },
  });
}

async function keysOfFile(path: string): Promise<JWTVerifyGetKey> {
  try {
    if ((await stat(path)).size > MAX_JWKS) throw new Error('it is larger than 512 KiB');
    return createLocalJWKSet(JSON.parse(await readFile(path, 'utf8')) as JSONWebKeySet);
  } catch (error) {
    const why = `JWKS ${path}: it cannot be used (${messageOf(error)}); it must be a JSON Web Key Set (RFC 7517)`;
    throw new SluiceError('bad-jwks', why, { temporary: false, cause: error });
  }
}
