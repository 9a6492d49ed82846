/**
 * Where accounts come from: a file, an HTTP endpoint, OAuth tokens, client certificates. They are asked in order.
 */
import type { AuthQuestion, Mechanism } from '../smtp/authentication.js';
import type { AccountSettings } from './account-settings.js';

/** One attempt to log in. */
export interface AuthAttempt {
  /** The client's address. */
  readonly address: string;
  /** False once the address or the account is blocked: asked before work that costs something or tries a secret. */
  mayGoOn(): boolean;
}

/** What a source says. `reason` is for the log only. */
export type SourceAnswer =
  /** `name`: canonical. `supplied`: what the source says the account may do. `serverSignature`: SCRAM's. */
  | {
      readonly kind: 'accepted';
      readonly name: string;
      readonly supplied?: AccountSettings;
      readonly serverSignature?: string;
    }
  | { readonly kind: 'salt'; readonly salt: string; readonly iterations: number }
  /** The source knows the user or token and says no; no other is asked. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not an account of this source: the next is asked. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The source cannot be asked now. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface AccountSource {
  /** For the log. */
  readonly name: string;
  /** What it can answer as it is now. */
  readonly mechanisms: readonly Mechanism[];
  /** May throw: that is `unavailable`. */
  answer(question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer>;
  /** Reads anew what it was made from. A mistake keeps the old and is thrown. */
  reload?(): Promise<void>;
  close?(): void;
}

/** What a source answers to an attempt that `mayGoOn` ended. */
export const BLOCKED: SourceAnswer = { kind: 'refused', reason: 'blocked' };
