/**
 * Accounts that are over a limit for now, so that their MAIL is refused before the message comes.
 *
 * The limits themselves are counted where all threads' messages come together, at the end of each message.
 */
import type { Reply } from '../smtp/replies.js';

/** Accounts remembered; past that all are forgotten: the end of their next message tells again. */
const MAX_ACCOUNTS = 10_000;

export class AccountLimits {
  private readonly limited = new Map<string, { readonly reply: Reply; readonly until: number }>();

  /** Refuses an account's MAIL until then, ms. */
  set(account: string, reply: Reply, until: number): void {
    if (this.limited.size >= MAX_ACCOUNTS) this.limited.clear();
    this.limited.set(account, { reply, until });
  }

  /** The reply to a MAIL at `now`, ms; null: none. */
  refusal(account: string, now: number): Reply | null {
    if (this.limited.size === 0 || account === '') return null;
    const limit = this.limited.get(account);
    if (limit === undefined) return null;
    if (limit.until > now) return limit.reply;
    this.limited.delete(account);
    return null;
  }
}
