/**
 * What an operator may ask of the queue while it runs: look, retry, hold, release, delete, bounce; one message, or all
 * that fit (mass-command.ts).
 *
 * A message that is being delivered is changed when its attempt is over; one that waits is changed at once, whatever it
 * waits for.
 * Listings read one page from the spool at a time, so that a queue of millions costs no memory.
 */
import type { Clock } from '../core/clock.js';
import { formatQueueId, parseQueueId, type QueueId } from '../core/queue-id.js';
import type { DeliveryState, Spool, StoredMessage } from '../spool/spool.js';
import { laneAfter, type QueueLane } from './lanes.js';
import { type MassAction, MassCommand, type RecipientSelect } from './mass-command.js';
import { QueuedMessage } from './queued-message.js';
import type { Scheduler } from './scheduler.js';

/** One message as listings show it. */
export interface ListedMessage {
  readonly id: string;
  readonly sender: string;
  readonly size: number;
  readonly receivedAt: number;
  readonly recipients: number;
  readonly attempts: number;
  readonly due: number;
  readonly state: 'active' | 'deferred' | 'held';
  readonly reason: string;
}

export interface DetailedMessage extends ListedMessage {
  readonly clientAddress: string;
  readonly helo: string;
  readonly recipientDetails: readonly {
    readonly address: string;
    readonly status: 'pending' | 'delivered' | 'failed';
    readonly reply: string;
    readonly host: string;
    readonly lastAttempt: number;
  }[];
}

/** Recipients of one page: each may have a reply of some hundred bytes. */
const MANY = 10_000;
/** Messages changed by one step of a command for all. */
const STEP = 500;

export class QueueCommands {
  private readonly spool: Spool;
  private readonly scheduler: Scheduler;
  private readonly clock: Clock;

  constructor(spool: Spool, scheduler: Scheduler, clock: Clock) {
    this.spool = spool;
    this.scheduler = scheduler;
    this.clock = clock;
  }

  /** A page, oldest first, after the shown id `after` ('' for the first). */
  async list(after: string, limit: number): Promise<ListedMessage[]> {
    const page: ListedMessage[] = [];
    for (const id of this.spool.list(parseQueueId(after) ?? 0, Math.max(1, Math.min(limit, 10_000)))) {
      const stored = await this.spool.load(id);
      if (stored !== undefined) page.push(this.describe(id, stored));
    }
    return page;
  }

  async show(shown: string): Promise<DetailedMessage | undefined> {
    const id = parseQueueId(shown);
    const stored = id === undefined ? undefined : await this.spool.load(id);
    return id === undefined || stored === undefined ? undefined : this.detail(id, stored);
  }

  /** A page with recipients, as `list`; it ends early after MANY recipients. */
  async details(after: string, limit: number): Promise<DetailedMessage[]> {
    const page: DetailedMessage[] = [];
    let recipients = 0;
    for (const id of this.spool.list(parseQueueId(after) ?? 0, Math.max(1, Math.min(limit, 10_000)))) {
      const stored = await this.spool.load(id);
      if (stored === undefined) continue;
      page.push(this.detail(id, stored));
      recipients += stored.envelope.recipients.length;
      if (recipients >= MANY) break;
    }
    return page;
  }

  private detail(id: QueueId, stored: StoredMessage): DetailedMessage {
    const { envelope, state } = stored;
    return {
      ...this.describe(id, stored),
      clientAddress: envelope.origin.clientAddress,
      helo: envelope.origin.helo,
      recipientDetails: envelope.recipients.map((recipient, i) => {
        const known = state?.recipients[i];
        return {
          address: recipient.address,
          status: known?.status ?? 'pending',
          reply: known?.reply ?? '',
          host: known?.host ?? '',
          lastAttempt: known?.at ?? 0,
        };
      }),
    };
  }

  /** Tries one message, or with 'all' every one that waits, now. The number of messages concerned. */
  async retry(shown: string): Promise<number> {
    if (shown !== 'all')
      return this.change(
        shown,
        () => 0,
        (id, stored) => this.retryOne(id, stored),
      );
    let count = 0;
    let after: QueueId = 0;
    for (;;) {
      const ids = this.spool.list(after, STEP);
      if (ids.length === 0) return count;
      for (const id of ids) {
        if (this.scheduler.active.has(id)) continue;
        // Where something happened to it meanwhile, it is being tried.
        count += (await this.scheduler.withStored(id, (stored) => this.retryDeferred(id, stored))) ?? 0;
      }
      after = ids[ids.length - 1]!;
    }
  }

  async hold(shown: string): Promise<number> {
    return this.change(
      shown,
      (active) => {
        active.held = true;
        this.scheduler.recall(active);
        return 1;
      },
      (id, stored) => this.holdOne(id, stored),
    );
  }

  async release(shown: string): Promise<number> {
    return this.change(
      shown,
      (active) => {
        active.held = false;
        return 1;
      },
      (id, stored) => this.releaseOne(id, stored),
    );
  }

  /** Deletes a message; nobody is notified. */
  async remove(shown: string): Promise<number> {
    return this.change(
      shown,
      (active) => {
        active.removed = true;
        this.scheduler.recall(active);
        return 1;
      },
      (id, stored) => this.removeOne(id, stored),
    );
  }

  /**
   * Does something to every message of which a pending recipient is selected. `bounce` and `delete` end just those
   * recipients, with a notice that gives `reason` and without one. The number of messages concerned.
   */
  apply(
    select: RecipientSelect,
    action: MassAction,
    reason = 'returned by the operator of the relay',
  ): Promise<number> {
    const single = {
      retry: (id: QueueId, stored: StoredMessage) => this.retryDeferred(id, stored),
      hold: (id: QueueId, stored: StoredMessage) => this.holdOne(id, stored),
      release: (id: QueueId, stored: StoredMessage) => this.releaseOne(id, stored),
      remove: (id: QueueId, stored: StoredMessage) => this.removeOne(id, stored),
    };
    const command = new MassCommand(this.spool, this.scheduler, single, select, action, reason);
    return command.run(this.clock.wall() * 1000);
  }

  /** Changes a message in memory, or else the one in the spool. */
  private async change(
    shown: string,
    inMemory: (active: QueuedMessage) => number,
    inSpool: (id: QueueId, stored: StoredMessage) => number,
  ): Promise<number> {
    const id = parseQueueId(shown);
    if (id === undefined) return 0;
    for (;;) {
      const active = this.scheduler.active.get(id);
      if (active !== undefined) return inMemory(active);
      const done = await this.scheduler.withStored(id, (stored) => inSpool(id, stored));
      if (done !== null) return done ?? 0;
    }
  }

  private holdOne(id: QueueId, stored: StoredMessage): number {
    this.scheduler.interrupt(id);
    this.spool.defer(id, { ...stateOf(stored, this.clock.now()), held: true }, stored.envelope.handling.lane);
    return 1;
  }

  private releaseOne(id: QueueId, stored: StoredMessage): number {
    if (stored.state?.held !== true) return 0;
    // What was held before its own time (FUTURERELEASE) still waits for that.
    return this.retryOne(id, stored, stored.envelope.handling.holdUntil);
  }

  private removeOne(id: QueueId, stored: StoredMessage): number {
    this.scheduler.interrupt(id);
    this.spool.remove(id);
    this.scheduler.removed(laneOf(stored));
    return 1;
  }

  /** One of many: what is ready anyway, held, or waits for a time that its sender gave (FUTURERELEASE) stays as it is. */
  private retryDeferred(id: QueueId, stored: StoredMessage): number {
    const { state, envelope } = stored;
    if (state === null || state.held || envelope.handling.holdUntil > this.clock.now()) return 0;
    return this.retryOne(id, stored);
  }

  private retryOne(id: QueueId, stored: StoredMessage, notBefore = 0): number {
    const now = this.clock.now();
    const due = Math.max(now, notBefore);
    this.scheduler.interrupt(id);
    this.spool.defer(id, { ...stateOf(stored, now), due, held: false }, stored.envelope.handling.lane);
    this.scheduler.await(id, due, laneOf(stored));
    return 1;
  }

  private describe(id: QueueId, stored: StoredMessage): ListedMessage {
    const { envelope, state } = stored;
    const active = this.scheduler.active.get(id);
    const held = active?.held ?? state?.held ?? false;
    const lastReply = state?.recipients.find((recipient) => recipient.status === 'pending' && recipient.reply !== '');
    const waiting = active === undefined && state !== null;
    return {
      id: formatQueueId(id),
      sender: envelope.sender,
      size: envelope.content.size,
      receivedAt: envelope.receivedAt,
      recipients: envelope.recipients.length,
      attempts: state?.attempts ?? 0,
      due: waiting ? state.due : 0,
      state: held ? 'held' : waiting ? 'deferred' : 'active',
      reason: lastReply?.reply ?? '',
    };
  }
}

/** The state of a message, made up when it was never tried. */
function stateOf(stored: StoredMessage, now: number): DeliveryState {
  return stored.state ?? new QueuedMessage(stored.envelope, stored.content, null).toState(now);
}

function laneOf({ envelope, state }: StoredMessage): QueueLane {
  return laneAfter(envelope.handling.lane, state?.attempts ?? 0);
}
