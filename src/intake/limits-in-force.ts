/**
 * Who is over a limit for now, so that MAIL is refused before the message comes.
 *
 * The limits themselves are counted where all threads' messages come together, at the end of each message. Everybody has
 * a key here: an account its name, a client and a listener one with a blank, which names of accounts do not have.
 */
import type { Reply } from '../smtp/replies.js';

/** Remembered; past that all are forgotten: the end of their next message tells again. */
const MAX_KEYS = 10_000;

export interface LimitedClient {
  readonly account: string;
  readonly address: string;
  readonly listener: string;
}

/** Key of a client address. */
export function clientKey(address: string): string {
  return `client ${address}`;
}

/** Key of a listener. */
export function listenerKey(listener: string): string {
  return `listener ${listener}`;
}

export class LimitsInForce {
  private readonly limited = new Map<string, { readonly reply: Reply; readonly until: number }>();

  /** Refuses MAIL until then, ms. */
  set(key: string, reply: Reply, until: number): void {
    if (this.limited.size >= MAX_KEYS) this.limited.clear();
    this.limited.set(key, { reply, until });
  }

  /** The reply to a MAIL at `now`, ms; null: none. */
  refusal({ account, address, listener }: LimitedClient, now: number): Reply | null {
    if (this.limited.size === 0) return null;
    return (
      (account === '' ? null : this.at(account, now)) ??
      this.at(clientKey(address), now) ??
      this.at(listenerKey(listener), now)
    );
  }

  private at(key: string, now: number): Reply | null {
    const limit = this.limited.get(key);
    if (limit === undefined) return null;
    if (limit.until > now) return limit.reply;
    this.limited.delete(key);
    return null;
  }
}
