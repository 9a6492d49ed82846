/**
 * One action on every message that waits and fits: by recipient, through everything that the spool holds.
 *
 * It reads a page of ids at a time and a few messages at once, so a queue of millions costs time and no memory. What came
 * after it began is left alone. A message whose attempt is just being settled is looked at again at the end. Recipients
 * that are being sent to are told to end so when the attempt leaves them open.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Envelope } from '../message/envelope.js';
import type { Spool, StoredMessage } from '../spool/spool.js';
import type { Outcome } from './outcome.js';
import { QueuedMessage } from './queued-message.js';
import type { Scheduler } from './scheduler.js';

export type MassAction = 'retry' | 'bounce' | 'delete' | 'hold' | 'release';

/** Whether a recipient of a message is concerned. */
export type RecipientSelect = (envelope: Envelope, recipient: number) => boolean;

/** What is done to messages that are not in memory; QueueCommands does it. */
export interface SingleActions {
  retry(id: QueueId, stored: StoredMessage): number;
  hold(id: QueueId, stored: StoredMessage): number;
  release(id: QueueId, stored: StoredMessage): number;
  remove(id: QueueId, stored: StoredMessage): number;
}

/** Ids of one page, and messages read at once. */
const PAGE = 500;
const READS = 32;
/** Pause before messages that were being settled are looked at again, ms, and how often that is done. */
const SETTLE_PAUSE = 20;
const LOOKS = 500;

export class MassCommand {
  private readonly spool: Spool;
  private readonly scheduler: Scheduler;
  private readonly single: SingleActions;
  private readonly select: RecipientSelect;
  private readonly action: MassAction;
  private readonly ended: Outcome;
  private concernsWaitingJobs = false;

  /** `reason`: for the sender, of a bounce. */
  constructor(
    spool: Spool,
    scheduler: Scheduler,
    single: SingleActions,
    select: RecipientSelect,
    action: MassAction,
    reason: string,
  ) {
    this.spool = spool;
    this.scheduler = scheduler;
    this.single = single;
    this.select = select;
    this.action = action;
    this.ended = { kind: 'failed', reply: reason, enhanced: '5.7.0', host: '', relayed: false };
  }

  /** Runs to the end; the number of messages concerned. `until`: only ids up to it. */
  async run(until: QueueId): Promise<number> {
    let count = 0;
    let after: QueueId = 0;
    const again: QueueId[] = [];
    for (;;) {
      const ids = this.spool.list(after, PAGE).filter((id) => id <= until);
      if (ids.length === 0) break;
      for (let at = 0; at < ids.length; at += READS)
        for (const [id, done] of await this.doSome(ids.slice(at, at + READS)))
          if (done === null) again.push(id);
          else count += done;
      after = ids[ids.length - 1]!;
    }
    for (let look = 0; again.length > 0 && look < LOOKS; look++) {
      this.withdraw();
      await new Promise((resolve) => setTimeout(resolve, SETTLE_PAUSE));
      for (const [id, done] of await this.doSome(again.splice(0, READS)))
        if (done === null) again.push(id);
        else count += done;
    }
    this.withdraw();
    return count;
  }

  private doSome(ids: readonly QueueId[]): Promise<[QueueId, number | null][]> {
    return Promise.all(ids.map(async (id) => [id, await this.doOne(id)] as [QueueId, number | null]));
  }

  /** Messages concerned, null: it is between memory and spool just now. */
  private async doOne(id: QueueId): Promise<number | null> {
    const before = this.scheduler.active.get(id);
    if (before !== undefined) return this.changeActive(before);
    const done = await this.scheduler.withStored(id, (stored) => this.changeStored(id, stored));
    return done === undefined ? 0 : done;
  }

  private changeActive(message: QueuedMessage): number | null {
    const concerned = this.selected(message);
    if (concerned.length === 0) return 0;
    if (message.openJobs === 0) return null;
    switch (this.action) {
      case 'retry':
        return 0;
      case 'release':
        if (!message.held) return 0;
        message.held = false;
        return 1;
      case 'hold':
        message.held = true;
        break;
      default:
        this.order(message, concerned);
    }
    this.concernsWaitingJobs = true;
    return 1;
  }

  private async changeStored(id: QueueId, stored: StoredMessage): Promise<number> {
    const message = new QueuedMessage(stored.envelope, stored.content, stored.state);
    const concerned = this.selected(message);
    if (concerned.length === 0) return 0;
    const { single, action } = this;
    if (action === 'retry') return single.retry(id, stored);
    if (action === 'hold') return stored.state?.held === true ? 0 : single.hold(id, stored);
    if (action === 'release') return single.release(id, stored);
    const pending = stored.envelope.recipients.filter((_, i) => message.isPending(i)).length;
    if (action === 'delete' && concerned.length === pending) return single.remove(id, stored);
    this.order(message, concerned);
    this.scheduler.interrupt(id);
    await this.scheduler.settleUntouched(message);
    return 1;
  }

  private selected(message: QueuedMessage): number[] {
    const found: number[] = [];
    for (let i = 0; i < message.envelope.recipients.length; i++)
      if (message.isPending(i) && this.select(message.envelope, i)) found.push(i);
    return found;
  }

  private order(message: QueuedMessage, recipients: readonly number[]): void {
    message.orders ??= [];
    for (const i of recipients) message.orders[i] = { outcome: this.ended, notify: this.action === 'bounce' };
  }

  /** Takes jobs out of their queues that have nothing left to do. */
  private withdraw(): void {
    if (!this.concernsWaitingJobs) return;
    this.concernsWaitingJobs = false;
    this.scheduler.withdraw((job) => {
      const { orders, held, removed } = job.message;
      if (held || removed) return true;
      if (orders === null) return false;
      job.recipients = job.recipients.filter((i) => orders[i] === undefined);
      return job.recipients.length === 0;
    });
  }
}
