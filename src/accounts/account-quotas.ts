/**
 * How much each account may send: messages and recipients per minute, hour and day.
 *
 * Sliding windows (core/sliding-count.ts): in no span whatever is more let through than the limit, and what was sent
 * counts for at most a sixtieth of the span longer than it must. Exact where all messages of an account come together:
 * on one thread.
 * Limits: counts are kept for accounts with limits that sent something within a span, at most 1 KiB for each limit.
 */

import { SlidingCount } from '../core/sliding-count.js';
import { SPAN_MS } from '../core/span.js';
import { accountLimitReply, accountRecipientsReply, type Reply } from '../smtp/replies.js';
import { type AccountLimit, SPANS } from './account-settings.js';

/** Why an account may not send now, and when to ask again, ms; Infinity: never this message. */
export interface QuotaRefusal {
  readonly reply: Reply;
  readonly until: number;
}

/** Counts of one account and limit, to be kept over a restart: `[slot, count, slot, count, ...]`. */
export interface KeptCount {
  readonly account: string;
  /** `messages/hour`. */
  readonly limit: string;
  readonly slots: readonly number[];
}

/** Between two looks for counts that have run out, ms. */
const SWEEP_INTERVAL = 600_000;

export class AccountQuotas {
  /** Something was counted since `keptCounts` was last asked. */
  changed = false;
  private readonly accounts = new Map<string, Map<string, SlidingCount>>();
  private swept = 0;

  /** Counts a message, or says why it may not be sent. `now`: ms since the epoch. */
  admit(account: string, limits: readonly AccountLimit[], recipients: number, now: number): QuotaRefusal | null {
    if (limits.length === 0) return null;
    const never = limits.find(({ counted, most }) => counted === 'recipients' && recipients > most);
    if (never !== undefined)
      return { reply: accountRecipientsReply(never.most, never.span), until: Number.POSITIVE_INFINITY };
    const refusal = this.refusal(account, limits, recipients, now);
    if (refusal !== null) return refusal;
    for (const limit of limits) this.window(account, limit).add(limit.counted === 'messages' ? 1 : recipients);
    this.changed = true;
    return null;
  }

  /** Why an account may not send even a message to one recipient now, null when it may. */
  refusal(account: string, limits: readonly AccountLimit[], recipients: number, now: number): QuotaRefusal | null {
    this.sweep(now);
    let worst: QuotaRefusal | null = null;
    for (const limit of limits) {
      const window = this.window(account, limit);
      window.advance(now);
      const room = limit.most - (limit.counted === 'messages' ? 1 : recipients);
      if (window.total <= room) continue;
      const until = window.freeAt(room);
      if (worst !== null && until <= worst.until) continue;
      const wait = Math.max(1, Math.ceil((until - now) / 1000));
      worst = { reply: accountLimitReply(limit.most, limit.counted, limit.span, wait), until };
    }
    return worst;
  }

  /** Everything that still counts. Yields while it is read: what changes meanwhile is there or not. */
  *keptCounts(): Generator<KeptCount> {
    this.changed = false;
    for (const [account, windows] of this.accounts)
      for (const [limit, window] of windows) if (window.total > 0) yield { account, limit, slots: window.kept() };
  }

  /** Takes over what `keptCounts` gave before a restart. */
  restore(kept: KeptCount, now: number): void {
    const [counted, given] = kept.limit.split('/');
    const span = SPANS.find((one) => one === given);
    if ((counted !== 'messages' && counted !== 'recipients') || span === undefined) return;
    this.window(kept.account, { counted, span, most: 0 }).restore(kept.slots, now);
  }

  private window(account: string, { counted, span }: AccountLimit): SlidingCount {
    let windows = this.accounts.get(account);
    if (windows === undefined) {
      windows = new Map();
      this.accounts.set(account, windows);
    }
    const name = `${counted}/${span}`;
    let window = windows.get(name);
    if (window === undefined) {
      window = new SlidingCount(SPAN_MS[span]);
      windows.set(name, window);
    }
    return window;
  }

  private sweep(now: number): void {
    if (now - this.swept < SWEEP_INTERVAL) return;
    this.swept = now;
    for (const [account, windows] of this.accounts) {
      for (const [name, window] of windows) {
        window.advance(now);
        if (window.total === 0) windows.delete(name);
      }
      if (windows.size === 0) this.accounts.delete(account);
    }
  }
}
