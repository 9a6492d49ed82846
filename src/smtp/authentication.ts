/**
 * Authentication as a session sees it (RFC 4954): questions about credentials and their answers.
 *
 * Sessions run the dialogue of a mechanism and know no secret; whoever has the accounts answers. Questions and answers
 * are plain data, because a session may run on another thread than the accounts.
 */
import type { replies } from './replies.js';

/** SASL mechanisms by their registered names, in the order they are offered. */
export const MECHANISMS = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'EXTERNAL',
  'OAUTHBEARER',
  'XOAUTH2',
  'CRAM-MD5',
  'PLAIN',
  'LOGIN',
] as const;

export type Mechanism = (typeof MECHANISMS)[number];

/** A client certificate that was verified against the configured authorities. */
export interface ClientCertificate {
  /** Common name of the subject, '' when it has none. */
  readonly commonName: string;
  /** DNS names and e-mail addresses of subjectAltName. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate, lower-case hex without colons. */
  readonly fingerprint: string;
}

/** What is asked of the accounts. `user` is as the client gave it, UTF-8, not empty, without NUL. */
export type AuthQuestion =
  | { readonly kind: 'password'; readonly mechanism: Mechanism; readonly user: string; readonly password: string }
  /** RFC 2195: `digest` is the client's HMAC-MD5 in lower-case hex over `challenge`. */
  | { readonly kind: 'cram'; readonly user: string; readonly challenge: string; readonly digest: string }
  /** First half of SCRAM (RFC 5802): how the user's password is salted. Answered for unknown users too. */
  | { readonly kind: 'scram-salt'; readonly user: string }
  /** Second half of SCRAM: `proof` is base64, `authMessage` as in RFC 5802 section 3. */
  | {
      readonly kind: 'scram-proof';
      readonly mechanism: Mechanism;
      readonly user: string;
      readonly authMessage: string;
      readonly proof: string;
    }
  /** An OAuth 2.0 bearer token; `user` may be '' with OAUTHBEARER: then the token names it. */
  | { readonly kind: 'token'; readonly mechanism: Mechanism; readonly user: string; readonly token: string }
  /** EXTERNAL (RFC 4422 appendix A); `user` '' when the client asked for no identity. */
  | { readonly kind: 'certificate'; readonly user: string; readonly certificate: ClientCertificate };

/** What an authenticated session may do. */
export interface AccountGrant {
  /** The account's name. */
  readonly name: string;
  /**
   * Reverse-paths it may use, lower case: `ann@example.org`, `@example.org` for a domain, `@*.example.org` for all below
   * it. null: any.
   */
  readonly senders: readonly string[] | null;
}

/** Name of the reply that refuses: the table has its text. */
export type AuthRefusal = Extract<keyof typeof replies, 'badCredentials' | 'authUnavailable' | 'authBlocked'>;

export type AuthAnswer =
  /** `serverSignature`: base64, for SCRAM only. */
  | { readonly kind: 'accepted'; readonly account: AccountGrant; readonly serverSignature?: string }
  /** Answer to `scram-salt`; `salt` in base64. */
  | { readonly kind: 'salt'; readonly salt: string; readonly iterations: number }
  /** The same words whether the user is unknown or the secret is wrong. `authBlocked` closes the connection (421). */
  | { readonly kind: 'refused'; readonly reply: AuthRefusal };

/** Answers questions about credentials; slow on purpose where an attempt failed. Never rejects. */
export interface Authenticator {
  /** `address`: the client's. */
  answer(question: AuthQuestion, address: string): Promise<AuthAnswer>;
}
