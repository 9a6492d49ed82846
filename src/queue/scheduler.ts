/**
 * What is sent next.
 *
 * A message that is ready is split into one job per destination; jobs wait in their destination's queue, from which
 * delivery takes them. When the last job of an attempt is finished the message is settled: removed, or deferred to its
 * next attempt, with notifications stored before anything they speak of is forgotten.
 * Bounds: ready mail takes at most `memory` bytes; what is beyond that, and everything deferred, is an id and a time in
 * the due heap and is read back from the spool when its turn comes.
 */
import type { Clock } from '../core/clock.js';
import type { QueueId } from '../core/queue-id.js';
import type { Envelope, Recipient } from '../message/envelope.js';
import type { RecoveryReport, Spool } from '../spool/spool.js';
import { DestinationQueue } from './destination-queue.js';
import { DueHeap } from './due-heap.js';
import type { Outcome } from './outcome.js';
import { type DeliveryJob, QueuedMessage } from './queued-message.js';
import type { RetryPolicy } from './retry-policy.js';
import { type Notifier, Settlement, type SettlementEvents } from './settlement.js';

export interface SchedulerOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** Age in ms at which the sender is told of a delay; 0: never. */
  readonly delayWarning: number;
  /** Bytes of ready mail kept in memory. */
  readonly memory: number;
  readonly notifier: Notifier;
  readonly events: SettlementEvents;
  /** The key of the destination that a recipient's mail goes to. */
  destinationOf(recipient: Recipient, envelope: Envelope): string;
  /** A destination's queue is no longer empty. */
  wake(queue: DestinationQueue): void;
}

/** Reads from the spool under way at once. */
const MAX_LOADS = 32;
/** Longest sleep of the due timer, ms: setTimeout takes no more than 2^31. */
const MAX_SLEEP = 3_600_000;
/** How often half-done messages are written down, ms: bounds what is sent twice after a crash. */
const PROGRESS_INTERVAL = 50;

export class Scheduler {
  /** Messages in memory by id. */
  readonly active = new Map<QueueId, QueuedMessage>();
  private readonly options: SchedulerOptions;
  private readonly queues = new Map<string, DestinationQueue>();
  private readonly waiting = new DueHeap();
  private readonly settlement: Settlement;
  private readonly progress = new Set<QueuedMessage>();
  private progressTimer: NodeJS.Timeout | null = null;
  private dueTimer: NodeJS.Timeout | null = null;
  private dueTimerAt = Number.POSITIVE_INFINITY;
  /** Messages being read back, each with the number of its read. */
  private readonly loading = new Map<QueueId, number>();
  private loads = 0;
  private memoryUsed = 0;
  private stopped = false;

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.settlement = new Settlement(options);
  }

  /** Messages known that wait for their time, not counting those in memory. May count one twice after a command. */
  get deferredCount(): number {
    return this.waiting.length;
  }

  /** Bytes of ready mail in memory. */
  get memoryInUse(): number {
    return this.memoryUsed;
  }

  /** Takes note of everything that the spool holds; delivery begins as it goes. */
  async recover(): Promise<RecoveryReport> {
    const report = await this.options.spool.recover((id, due, held) => {
      if (!held) this.waiting.push(due, id);
    });
    this.pump();
    return report;
  }

  /** A message that has just become durable, or was read back: to be delivered now if memory allows. */
  add(message: QueuedMessage): void {
    if (this.memoryUsed + message.cost > this.options.memory && this.active.size > 0) {
      this.waiting.push(message.envelope.receivedAt, message.id);
      message.content.release();
      this.pump();
      return;
    }
    this.activate(message);
  }

  /** Outcomes of a job, parallel to its recipients. */
  finish(job: DeliveryJob, outcomes: readonly Outcome[]): void {
    const { message } = job;
    for (let i = 0; i < outcomes.length; i++) message.outcomes[job.recipients[i]!] = outcomes[i];
    message.openJobs--;
    if (message.openJobs > 0) {
      this.noteProgress(message);
      return;
    }
    this.progress.delete(message);
    this.settlement.settle(message, this.release);
  }

  /** Puts a job back in front of its queue: nothing of it was sent. */
  requeue(job: DeliveryJob): void {
    const queue = this.queueOf(job.destination);
    queue.putBack(job);
    this.options.wake(queue);
  }

  /** The rest of a job becomes a job of its own, to go at once: the peer takes no more recipients in one transaction. */
  splitOff(job: DeliveryJob, recipients: readonly number[]): void {
    const rest: DeliveryJob = { message: job.message, destination: job.destination, recipients, requeued: 0 };
    job.recipients = job.recipients.filter((index) => !recipients.includes(index));
    job.message.openJobs++;
    this.requeue(rest);
  }

  /** A command is about to change a message that is not in memory: what is being read of it no longer counts. */
  interrupt(id: QueueId): void {
    this.loading.delete(id);
  }

  /** An id that waits at a new time (a command, a release). */
  await(id: QueueId, due: number): void {
    this.waiting.push(due, id);
    this.pump();
  }

  /** A destination that delivery has let go of and that has no jobs. */
  forget(queue: DestinationQueue): void {
    if (queue.length === 0 && this.queues.get(queue.key) === queue) this.queues.delete(queue.key);
  }

  /** Nothing new is read or handed out; what is under way may still finish. */
  stop(): void {
    this.stopped = true;
    if (this.dueTimer !== null) clearTimeout(this.dueTimer);
    this.dueTimer = null;
    this.writeProgress();
  }

  private activate(message: QueuedMessage): void {
    this.active.set(message.id, message);
    this.memoryUsed += message.cost;
    this.split(message);
  }

  private split(message: QueuedMessage): void {
    const { recipients } = message.envelope;
    if (recipients.length === 1) {
      message.openJobs = 1;
      this.enqueue({
        message,
        destination: this.options.destinationOf(recipients[0]!, message.envelope),
        recipients: [0],
        requeued: 0,
      });
      return;
    }
    const groups = new Map<string, number[]>();
    for (let i = 0; i < recipients.length; i++) {
      if (message.stateOf(i).status !== 'pending') continue;
      const key = this.options.destinationOf(recipients[i]!, message.envelope);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [i]);
      else group.push(i);
    }
    message.openJobs = groups.size;
    if (groups.size === 0) {
      // Every recipient was done when the process ended before the row went.
      this.settlement.settle(message, this.release);
      return;
    }
    for (const [destination, indexes] of groups)
      this.enqueue({ message, destination, recipients: indexes, requeued: 0 });
  }

  private enqueue(job: DeliveryJob): void {
    const queue = this.queueOf(job.destination);
    queue.push(job);
    this.options.wake(queue);
  }

  private queueOf(key: string): DestinationQueue {
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = new DestinationQueue(key);
      this.queues.set(key, queue);
    }
    return queue;
  }

  /** Out of memory; `due`: when it comes back, null when it is gone or held. */
  private readonly release = (message: QueuedMessage, due: number | null): void => {
    this.active.delete(message.id);
    this.memoryUsed -= message.cost;
    message.content.release();
    if (due !== null) this.waiting.push(due, message.id);
    if (this.waiting.length > 0) this.pump();
  };

  /** Reads back what is due while memory lasts, and sleeps until the next is. */
  private pump(): void {
    if (this.stopped) return;
    const now = this.options.clock.now();
    while (
      this.waiting.nextDue <= now &&
      this.loading.size < MAX_LOADS &&
      (this.memoryUsed < this.options.memory * 0.75 || this.active.size === 0)
    )
      this.load(this.waiting.pop());
    const next = this.waiting.nextDue;
    if (next <= now || next >= this.dueTimerAt) return;
    if (this.dueTimer !== null) clearTimeout(this.dueTimer);
    this.dueTimerAt = next;
    this.dueTimer = setTimeout(
      () => {
        this.dueTimer = null;
        this.dueTimerAt = Number.POSITIVE_INFINITY;
        this.pump();
      },
      Math.min(MAX_SLEEP, Math.ceil(next - now)),
    );
    this.dueTimer.unref();
  }

  private load(id: QueueId): void {
    if (this.active.has(id) || this.loading.has(id)) return;
    const read = ++this.loads;
    this.loading.set(id, read);
    this.options.spool
      .load(id)
      .then((stored) => {
        if (this.loading.get(id) !== read) return;
        this.loading.delete(id);
        // Gone meanwhile, held, or deferred again: then a later entry stands for it.
        if (stored === undefined || this.stopped || this.active.has(id)) return;
        if (stored.state !== null && (stored.state.held || stored.state.due > this.options.clock.now() + 1)) return;
        // Memory was asked before it was read; asking again would read a large one over and over.
        this.activate(new QueuedMessage(stored.envelope, stored.content, stored.state));
      })
      .catch((error: unknown) => {
        this.options.events.unreadable(id, error);
        if (this.loading.get(id) !== read) return;
        this.loading.delete(id);
        this.waiting.push(this.options.clock.now() + this.options.retry.min, id);
      })
      .finally(() => this.pump());
  }

  private noteProgress(message: QueuedMessage): void {
    this.progress.add(message);
    this.progressTimer ??= setTimeout(() => this.writeProgress(), PROGRESS_INTERVAL);
  }

  private writeProgress(): void {
    if (this.progressTimer !== null) clearTimeout(this.progressTimer);
    this.progressTimer = null;
    for (const message of this.progress) this.settlement.saveProgress(message);
    this.progress.clear();
  }
}
