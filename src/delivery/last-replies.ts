/**
 * What a host said last, for listings: its last word on a message, and the last refusals. Bounded; costs no allocation
 * while mail is taken.
 */
import type { Verdict } from '../smtp/client-host.js';
import type { PeerReply } from '../smtp/reply-parser.js';

/** Refusals kept, and how long their text is at most. */
const KEPT = 5;
const KEPT_TEXT = 300;

/** JSON-safe; `at`: engine clock ms. */
export interface SaidReply {
  readonly at: number;
  readonly reply: string;
}

export class LastReplies {
  private last: PeerReply | null = null;
  private at = 0;
  private readonly kept: SaidReply[] = [];

  note(verdicts: readonly Verdict[], now: number): void {
    this.at = now;
    for (const { reply } of verdicts) {
      this.last = reply;
      if (reply.code < 400) continue;
      // A message with many recipients that are all refused alike is told once.
      const text = wordsOf(reply);
      if (this.kept.at(-1)?.at === now && this.kept.at(-1)?.reply === text) continue;
      this.kept.push({ at: now, reply: text });
      if (this.kept.length > KEPT) this.kept.shift();
    }
  }

  /** The last reply, null where there was none yet. */
  get newest(): SaidReply | null {
    return this.last === null ? null : { at: this.at, reply: wordsOf(this.last) };
  }

  /** The last that refused something, oldest first. */
  get refusals(): readonly SaidReply[] {
    return [...this.kept];
  }
}

function wordsOf({ code, text }: PeerReply): string {
  return `${code} ${text}`.slice(0, KEPT_TEXT);
}
