/**
 * The end of an attempt: outcomes become states, the sender is told what has to be told, and the message is removed or
 * deferred.
 *
 * Contract: a notification is durable before the message (or the recipient's pending state) that it speaks of is let go.
 * If it cannot be stored now, the recipients concerned stay pending and are tried again.
 */
import type { Clock } from '../core/clock.js';
import type { QueueId } from '../core/queue-id.js';
import { NOTIFY_NEVER, NOTIFY_SUCCESS } from '../message/envelope.js';
import type { Spool } from '../spool/spool.js';
import { isLapsed, isLate, LATE, lapsedOutcome, withinDeliverBy } from './deliver-by.js';
import type { Outcome } from './outcome.js';
import type { QueuedMessage } from './queued-message.js';
import { isExpired, nextAttempt, type RetryPolicy, untried } from './retry-policy.js';

/** Which notice about a recipient is due. */
export type NoticeKind = 'failed' | 'expired' | 'delayed' | 'relayed';

export interface Notice {
  readonly recipient: number;
  readonly kind: NoticeKind;
  readonly outcome: Outcome;
}

/** Makes and stores notifications. Resolves when they are durable, rejects when they cannot be stored now. */
export interface Notifier {
  notify(message: QueuedMessage, notices: readonly Notice[], retryUntil: number): Promise<void>;
}

/** Told of every recipient's outcome, for the log and metrics. */
export interface SettlementEvents {
  outcome(
    message: QueuedMessage,
    recipient: number,
    outcome: Outcome,
    status: Outcome['kind'] | 'expired',
    due: number,
  ): void;
  /** A message left the queue. */
  removed(id: QueueId): void;
  /** A stored message could not be read. */
  unreadable(id: QueueId, error: unknown): void;
  /** A notification could not be stored. */
  notNotified(message: QueuedMessage, error: unknown): void;
}

export interface SettlementOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  readonly delayWarning: number;
  readonly notifier: Notifier;
  readonly events: SettlementEvents;
}

/** Takes a settled message: when it is due again, engine clock ms; Infinity: it is held; null: it is gone. */
export type Settled = (message: QueuedMessage, due: number | null) => void;

export class Settlement {
  private readonly options: SettlementOptions;

  constructor(options: SettlementOptions) {
    this.options = options;
  }

  /**
   * Settles a finished attempt, or one that never began: what is over for other reasons (an operator's order, DELIVERBY)
   * ends then. `done` is called in the same step that hands the state to the spool, so that no command comes between.
   */
  settle(message: QueuedMessage, done: Settled): void {
    const { recipients } = message.envelope;
    const only = recipients.length === 1 ? message.outcomes[0] : undefined;
    if (only?.kind === 'delivered' && !this.wantsRelayNotice(message, 0, only)) {
      this.options.events.outcome(message, 0, only, 'delivered', 0);
      this.options.events.removed(message.id);
      this.options.spool.remove(message.id);
      done(message, null);
      return;
    }
    void this.settleFully(message, done);
  }

  /** Writes down the recipients of a half-finished attempt that are done, so that a crash does not send to them again. */
  saveProgress(message: QueuedMessage): void {
    const now = this.options.clock.now();
    const state = message.toState(now);
    const recipients = state.recipients.map((recipient, i) => {
      const outcome = message.outcomes[i];
      if (outcome?.kind !== 'delivered') return recipient;
      return { status: 'delivered' as const, reply: outcome.reply, host: outcome.host, at: now };
    });
    this.options.spool.defer(message.id, { ...state, recipients }, message.envelope.handling.lane);
  }

  private async settleFully(message: QueuedMessage, done: Settled): Promise<void> {
    const { clock, retry, events, spool } = this.options;
    const { envelope } = message;
    const now = clock.now();
    const outcomes = this.decide(message, now);
    const expired = isExpired(retry, envelope.receivedAt, now);
    const notices = this.noticesFor(message, outcomes, expired, now);
    let notified = true;
    if (notices.length > 0 && envelope.sender !== '' && !message.removed)
      try {
        await this.options.notifier.notify(message, notices, envelope.receivedAt + retry.expire);
      } catch (error) {
        notified = false;
        events.notNotified(message, error);
      }
    if (notified && notices.some((notice) => notice.kind === 'delayed')) message.delayNotified = true;
    const due = this.dueAgain(message, outcomes, notified, now);
    let pending = 0;
    for (let i = 0; i < envelope.recipients.length; i++) {
      if (!message.isPending(i)) continue;
      const outcome = outcomes[i];
      if (outcome === undefined) {
        pending++;
      } else if (outcome.kind === 'delivered') {
        this.close(message, i, 'delivered', outcome);
        events.outcome(message, i, outcome, 'delivered', 0);
      } else if (notified && (outcome.kind === 'failed' || expired)) {
        this.close(message, i, 'failed', outcome);
        events.outcome(message, i, outcome, outcome.kind === 'failed' ? 'failed' : 'expired', 0);
      } else {
        pending++;
        message.setState(i, { status: 'pending', reply: outcome.reply, host: outcome.host, at: now });
        events.outcome(message, i, outcome, 'deferred', due);
      }
    }
    message.outcomes = [];
    if (pending === 0 || message.removed) {
      events.removed(message.id);
      spool.remove(message.id);
      done(message, null);
      return;
    }
    spool.defer(message.id, message.toState(due), envelope.handling.lane);
    done(message, message.held ? Number.POSITIVE_INFINITY : due);
  }

  /** What becomes of each recipient: what came of the attempt, unless that leaves it open and something else ends it. */
  private decide(message: QueuedMessage, now: number): (Outcome | undefined)[] {
    const lapsed = isLapsed(message.envelope, now);
    if (message.orders === null && !lapsed) return message.outcomes;
    return message.envelope.recipients.map((_, i) => {
      const outcome = message.outcomes[i];
      if (!message.isPending(i) || (outcome !== undefined && outcome.kind !== 'deferred')) return outcome;
      return message.orders?.[i]?.outcome ?? (lapsed ? lapsedOutcome(outcome ?? message.stateOf(i)) : outcome);
    });
  }

  /**
   * When it is tried again. An attempt counts when a recipient was tried and is left, or when the sender could not be told
   * of its end; where all that are left were put off, it is due when the first of them may go.
   */
  private dueAgain(
    message: QueuedMessage,
    outcomes: readonly (Outcome | undefined)[],
    notified: boolean,
    now: number,
  ): number {
    const { retry } = this.options;
    const { receivedAt, recipients } = message.envelope;
    let counts = !notified;
    let putOff = Number.POSITIVE_INFINITY;
    let putOffs = 0;
    let untouched = 0;
    for (let i = 0; i < recipients.length; i++) {
      if (!message.isPending(i)) continue;
      const outcome = outcomes[i];
      if (outcome === undefined) untouched++;
      else if (outcome.kind === 'deferred') {
        if (outcome.putOff === undefined) counts = true;
        else {
          putOffs++;
          putOff = Math.min(putOff, outcome.putOff);
        }
      }
    }
    if (counts) message.attempts++;
    const due = counts
      ? nextAttempt(retry, message.attempts, receivedAt, now, Math.random())
      : putOffs === 0
        ? Math.max(now, message.due)
        : untried(retry, receivedAt, now, untouched === 0 ? putOff : Math.min(putOff, now + retry.min));
    const released = Math.max(due, message.envelope.handling.holdUntil);
    return withinDeliverBy(message.envelope, released, now, message.delayNotified);
  }

  private noticesFor(
    message: QueuedMessage,
    outcomes: readonly (Outcome | undefined)[],
    expired: boolean,
    now: number,
  ): Notice[] {
    const { delayWarning } = this.options;
    const { envelope } = message;
    const late = !expired && !message.delayNotified && isLate(envelope, now);
    const delayed = late || (delayWarning > 0 && !message.delayNotified && now - envelope.receivedAt >= delayWarning);
    const notices: Notice[] = [];
    for (let i = 0; i < envelope.recipients.length; i++) {
      const outcome = outcomes[i] ?? (late ? LATE : undefined);
      if (outcome === undefined || !message.isPending(i)) continue;
      if (outcome.kind === 'failed') {
        if (message.orders?.[i]?.notify !== false || outcome !== message.orders[i]!.outcome)
          notices.push({ recipient: i, kind: 'failed', outcome });
      } else if (outcome.kind === 'deferred' && expired) notices.push({ recipient: i, kind: 'expired', outcome });
      else if (outcome.kind === 'deferred' && delayed) notices.push({ recipient: i, kind: 'delayed', outcome });
      else if (this.wantsRelayNotice(message, i, outcome)) notices.push({ recipient: i, kind: 'relayed', outcome });
    }
    return notices;
  }

  private wantsRelayNotice(message: QueuedMessage, recipient: number, outcome: Outcome): boolean {
    if (outcome.kind !== 'delivered' || !outcome.relayed) return false;
    const { notify } = message.envelope.recipients[recipient]!;
    const { deliverBy } = message.envelope.handling;
    // RFC 2852 section 4.1: the sender hears of hops where its time is not passed on, or wanted to hear of each.
    const traced = deliverBy !== null && (deliverBy.mode === 'N' || deliverBy.trace);
    return (traced || (notify & NOTIFY_SUCCESS) !== 0) && (notify & NOTIFY_NEVER) === 0;
  }

  private close(message: QueuedMessage, recipient: number, status: 'delivered' | 'failed', outcome: Outcome): void {
    message.setState(recipient, { status, reply: outcome.reply, host: outcome.host, at: this.options.clock.now() });
  }
}
