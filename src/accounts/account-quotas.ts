/**
 * How much each account may send: messages and recipients per minute, hour and day.
 *
 * Sliding windows. A span is divided into 60 slots; what was sent counts until the slot it fell into is a whole span in
 * the past. So in no span whatever is more let through than the limit, and what was sent counts for at most a sixtieth
 * of the span longer than it must. Exact where all messages of an account come together: on one thread.
 * Limits: counts are kept for accounts with limits that sent something within a span, about 600 bytes for each limit.
 */
import { accountLimitReply, accountRecipientsReply, type Reply } from '../smtp/replies.js';
import type { AccountLimit } from './account-settings.js';

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

const SLOTS = 60;
const MINUTE = 60_000;
const SPAN_MS = { minute: MINUTE, hour: 60 * MINUTE, day: 24 * 60 * MINUTE } as const;
/** Between two looks for counts that have run out, ms. */
const SWEEP_INTERVAL = 10 * MINUTE;

/** What was counted in the last span and the current slot. */
class Window {
  private readonly slotMs: number;
  /** The current slot and the 60 before it, by number modulo 61. */
  private readonly counts = new Uint32Array(SLOTS + 1);
  private newest = 0;
  total = 0;

  constructor(span: number) {
    this.slotMs = span / SLOTS;
  }

  /** Forgets what is past. Time that goes back counts as standing still. */
  advance(now: number): void {
    const slot = Math.floor(now / this.slotMs);
    if (slot - this.newest > SLOTS) {
      this.counts.fill(0);
      this.total = 0;
      this.newest = slot;
    }
    while (this.newest < slot) {
      const index = ++this.newest % this.counts.length;
      this.total -= this.counts[index]!;
      this.counts[index] = 0;
    }
  }

  add(count: number): void {
    this.counts[this.newest % this.counts.length]! += count;
    this.total += count;
  }

  /** When at most `most` of what is counted now will still count, ms. */
  freeAt(most: number): number {
    let left = this.total;
    for (let slot = this.newest - SLOTS; slot <= this.newest && left > most; slot++) {
      left -= this.at(slot);
      if (left <= most) return (slot + SLOTS + 1) * this.slotMs;
    }
    return 0;
  }

  kept(): number[] {
    const slots: number[] = [];
    for (let slot = Math.max(0, this.newest - SLOTS); slot <= this.newest; slot++)
      if (this.at(slot) > 0) slots.push(slot, this.at(slot));
    return slots;
  }

  /** Takes kept counts over; slots of the future, which a clock that was set back leaves, are now. */
  restore(slots: readonly number[], now: number): void {
    this.advance(now);
    for (let i = 0; i + 1 < slots.length; i += 2) {
      const slot = Math.min(slots[i]!, this.newest);
      if (slot < this.newest - SLOTS) continue;
      this.counts[slot % this.counts.length]! += slots[i + 1]!;
      this.total += slots[i + 1]!;
    }
  }

  private at(slot: number): number {
    return slot < 0 ? 0 : this.counts[slot % this.counts.length]!;
  }
}

export class AccountQuotas {
  /** Something was counted since `keptCounts` was last asked. */
  changed = false;
  private readonly accounts = new Map<string, Map<string, Window>>();
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
    const [counted, span] = kept.limit.split('/');
    if ((counted !== 'messages' && counted !== 'recipients') || span === undefined || !Object.hasOwn(SPAN_MS, span))
      return;
    this.window(kept.account, { counted, span: span as keyof typeof SPAN_MS, most: 0 }).restore(kept.slots, now);
  }

  private window(account: string, { counted, span }: AccountLimit): Window {
    let windows = this.accounts.get(account);
    if (windows === undefined) {
      windows = new Map();
      this.accounts.set(account, windows);
    }
    const name = `${counted}/${span}`;
    let window = windows.get(name);
    if (window === undefined) {
      window = new Window(SPAN_MS[span]);
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
