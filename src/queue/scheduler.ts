/**
 * What is sent next.
 *
 * A message that is ready is split into one job per destination; jobs wait in their destination's queue, from which
 * delivery takes them. When the last job of an attempt is finished the message is settled: removed, or deferred to its
 * next attempt, with notifications stored before anything they speak of is forgotten.
 * Bounds: ready mail takes at most `memory` bytes, by lane and destination (ready-memory.ts); what is beyond that, and
 * everything deferred, is an id, and is read back from the spool when its turn comes (waiting-mail.ts). Where only some
 * destinations of a message have room, an attempt is made for those, and for the others once it is over.
 */
import type { Clock } from '../core/clock.js';
import type { QueueId } from '../core/queue-id.js';
import type { Envelope, Recipient } from '../message/envelope.js';
import type { RecoveryReport, Spool, StoredMessage } from '../spool/spool.js';
import { CommandReads } from './command-reads.js';
import { isLapsed, isLate } from './deliver-by.js';
import type { DestinationQueue, LaneQueue } from './destination-queue.js';
import { DestinationQueues } from './destination-queues.js';
import { type ExplainedWait, explain } from './explanation.js';
import { type LaneOptions, LaneShares, laneAfter, laneNumber, type QueueLane } from './lanes.js';
import type { Outcome } from './outcome.js';
import { Placement } from './placement.js';
import { type DeliveryJob, QueuedMessage } from './queued-message.js';
import { ReadyMemory } from './ready-memory.js';
import type { RetryPolicy } from './retry-policy.js';
import { type Notifier, Settlement, type SettlementEvents } from './settlement.js';
import { WaitingMail } from './waiting-mail.js';

export interface SchedulerOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** Age in ms at which the sender is told of a delay; 0: never. */
  readonly delayWarning: number;
  /** Bytes of ready mail kept in memory. */
  readonly memory: number;
  /** Weights of the lanes; DEFAULT_LANES when absent. */
  readonly lanes?: LaneOptions;
  readonly notifier: Notifier;
  readonly events: SettlementEvents;
  /** A tenant's share of its lane at each destination; what is below 1 is 1. All have 1 when absent. */
  tenantWeight?(tenant: string): number;
  /** The key of the destination that a recipient's mail goes to. */
  destinationOf(recipient: Recipient, envelope: Envelope): string;
  /** A destination's queue is no longer empty. */
  wake(queue: DestinationQueue): void;
}

/** How often half-done messages are written down, ms: bounds what is sent twice after a crash. */
const PROGRESS_INTERVAL = 50;
/** Least time between two looks through all queues for what DELIVERBY has ended, ms. */
const LAPSE_INTERVAL = 1000;

export class Scheduler {
  /** Messages in memory by id. */
  readonly active = new Map<QueueId, QueuedMessage>();
  private readonly options: SchedulerOptions;
  private readonly queues: DestinationQueues;
  private readonly shares: LaneShares;
  private readonly memory: ReadyMemory;
  private readonly waiting: WaitingMail;
  private readonly placement: Placement;
  private readonly settlement: Settlement;
  /** All messages of the queue by lane, in memory or not. */
  private readonly messages = [0, 0, 0];
  private readonly reads: CommandReads;
  private readonly progress = new Set<QueuedMessage>();
  private progressTimer: NodeJS.Timeout | null = null;
  private lapseTimer: NodeJS.Timeout | null = null;

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.settlement = new Settlement(options);
    this.reads = new CommandReads(options.spool);
    this.shares = new LaneShares(options.lanes, options.tenantWeight && ((tenant) => options.tenantWeight!(tenant)));
    this.memory = new ReadyMemory(options.memory);
    this.queues = new DestinationQueues(this.shares, (queue) => options.wake(queue));
    this.placement = new Placement({
      queues: this.queues,
      memory: this.memory,
      destinationOf: (recipient, envelope) => options.destinationOf(recipient, envelope),
      activate: (message) => this.activate(message),
      finished: (message) => this.settlement.settle(message, this.release),
      chill: (lane, id) => {
        this.waiting.pushCold(lane, id);
        this.waiting.pump();
      },
    });
    this.waiting = new WaitingMail({
      spool: options.spool,
      clock: options.clock,
      memory: this.memory,
      shares: this.shares,
      retryAfter: options.retry.min,
      inMemory: (id, now) => this.inMemory(id, now),
      read: (stored, room) => this.read(stored, room),
      lost: (lane) => {
        this.messages[lane]! -= 1;
      },
      unreadable: (id, error) => options.events.unreadable(id, error),
      idle: ({ queue }) => this.queues.drop(queue),
    });
  }

  /** Messages known that wait in the spool for their time or for room. May count one twice after a command. */
  get deferredCount(): number {
    return this.waiting.length;
  }

  /** Bytes of ready mail in memory. */
  get memoryInUse(): number {
    return this.memory.inUse;
  }

  /** All messages of the queue, in memory or not, held ones too. */
  laneCounts(): Readonly<Record<QueueLane, number>> {
    const [immediate, bulk, deferred] = this.messages as [number, number, number];
    return { immediate, bulk, deferred };
  }

  /** The queues of all destinations that have something waiting, or a pool. */
  counts(): IterableIterator<DestinationQueue> {
    return this.queues.values();
  }

  /** Weights of the lanes from now on. @throws RangeError on a weight that is not above 0 */
  setLanes(lanes: LaneOptions): void {
    this.shares.set(lanes);
  }

  /** Takes note of everything that the spool holds; delivery begins as it goes. */
  async recover(): Promise<RecoveryReport> {
    const report = await this.options.spool.recover((id, due, held, lane) => {
      const n = laneNumber(lane);
      this.messages[n]! += 1;
      if (!held) this.waiting.push(n, due, id);
    });
    this.waiting.pump();
    return report;
  }

  /** A message that has just become durable: to be delivered now if it may go and memory allows. */
  add(message: QueuedMessage): void {
    const lane = laneNumber(message.lane);
    this.messages[lane]! += 1;
    const { holdUntil } = message.envelope.handling;
    if (holdUntil > 0 && holdUntil > this.options.clock.now()) {
      message.content.release();
      this.waiting.push(lane, holdUntil, message.id);
      this.waiting.pump();
      return;
    }
    this.watchTime(message);
    this.placement.place(message, true, null);
  }

  /** Outcomes of a job, parallel to its recipients. */
  finish(job: DeliveryJob, outcomes: readonly Outcome[]): void {
    const { message } = job;
    for (let i = 0; i < outcomes.length; i++) message.outcomes[job.recipients[i]!] = outcomes[i];
    message.openJobs--;
    if (this.waiting.coldCount > 0) this.feed(this.queues.find(job.destination));
    if (message.openJobs > 0) {
      this.noteProgress(message);
      return;
    }
    this.progress.delete(message);
    this.settlement.settle(message, this.release);
  }

  /** Puts a job back in front of its queue: nothing of it was sent. */
  requeue(job: DeliveryJob): void {
    this.queues.putBack(job);
  }

  /** The rest of a job becomes a job of its own, to go at once: the peer takes no more recipients in one transaction. */
  splitOff(job: DeliveryJob, recipients: readonly number[]): void {
    const rest: DeliveryJob = { message: job.message, destination: job.destination, recipients, requeued: 0 };
    job.recipients = job.recipients.filter((index) => !recipients.includes(index));
    job.message.openJobs++;
    this.requeue(rest);
  }

  /** Jobs that wait and match go to where they belong now: routes have changed. Returns how many recipients moved. */
  resplit(matches: (job: DeliveryJob) => boolean): number {
    let moved = 0;
    const regrouped = new Map<QueuedMessage, Map<string, number[]>>();
    for (const queue of this.queues.values()) {
      for (const { message, recipients } of queue.extract(matches)) {
        message.openJobs--;
        const groups = regrouped.get(message) ?? new Map<string, number[]>();
        regrouped.set(message, groups);
        moved += this.placement.group(message, recipients, groups, queue.key);
      }
      this.feed(queue);
    }
    for (const [message, groups] of regrouped) {
      message.openJobs += groups.size;
      for (const [destination, recipients] of groups)
        this.queues.push({ message, destination, recipients, requeued: 0 });
    }
    this.waiting.pump();
    return moved;
  }

  /** Jobs that wait and match are given back undone, so that their messages are settled. */
  withdraw(matches: (job: DeliveryJob) => boolean): void {
    for (const queue of [...this.queues.values()]) for (const job of queue.extract(matches)) this.finish(job, []);
  }

  /** Jobs of one message that wait are given back undone. */
  recall(message: QueuedMessage): void {
    const groups = new Map<string, number[]>();
    this.placement.group(message, message.envelope.recipients.keys(), groups);
    for (const key of groups.keys())
      for (const job of this.queues.find(key)?.extract((each) => each.message === message) ?? []) this.finish(job, []);
  }

  /** Settles a message that is not in memory, without an attempt, by what was decided about it. */
  settleUntouched(message: QueuedMessage): Promise<void> {
    return new Promise((resolve) => {
      this.activate(message);
      this.settlement.settle(message, (settled, due) => {
        this.release(settled, due);
        resolve();
      });
    });
  }

  /** Why a message waits, as far as the queue knows; none when it is under way or not known. For operators. */
  explain(id: QueueId): readonly ExplainedWait[] {
    return explain(id, this.active.get(id), this.queues, this.waiting, this.options.clock.now());
  }

  /**
   * Reads a message that is not in memory for a command, and has it do its work in the same step. undefined: there is no
   * such message; null: something happened to it meanwhile, so that what was read may be out of date.
   */
  withStored<T>(id: QueueId, work: (stored: StoredMessage) => T): Promise<T | undefined | null> {
    return this.reads.withStored(id, work);
  }

  /** A command is about to change a message that is not in memory: what is being read of it no longer counts. */
  interrupt(id: QueueId): void {
    this.waiting.interrupt(id);
    this.reads.disturb(id);
  }

  /** An id that waits at a new time (a command, a release). */
  await(id: QueueId, due: number, lane: QueueLane = 'deferred'): void {
    this.waiting.push(laneNumber(lane), due, id);
    this.waiting.pump();
  }

  /** A command removed a message that was not in memory. */
  removed(lane: QueueLane): void {
    this.messages[laneNumber(lane)]! -= 1;
  }

  /** A destination that delivery has let go of and that has no jobs. */
  forget(queue: DestinationQueue): void {
    queue.released = true;
    this.queues.drop(queue);
  }

  /** Nothing new is read or handed out; what is under way may still finish. */
  stop(): void {
    this.waiting.stop();
    if (this.lapseTimer !== null) clearTimeout(this.lapseTimer);
    this.lapseTimer = null;
    this.writeProgress();
  }

  private read(stored: StoredMessage, room: LaneQueue | null): boolean {
    const message = new QueuedMessage(stored.envelope, stored.content, stored.state);
    const now = this.options.clock.now();
    if (this.isOver(message, now)) {
      void this.settleUntouched(message);
      return true;
    }
    this.watchTime(message);
    return this.placement.place(message, false, room);
  }

  private activate(message: QueuedMessage): void {
    this.active.set(message.id, message);
    this.reads.disturb(message.id);
    this.memory.hold(laneNumber(message.lane), message.cost);
  }

  /** A destination may have room for what waits in the spool. */
  private feed(queue: DestinationQueue | undefined): void {
    for (let lane = 0; lane < 3; lane++) {
      const place = queue?.laneAt(lane);
      if (place) this.waiting.feed(place);
    }
  }

  /** Out of memory; `due`: when it comes back, null when it is gone. */
  private readonly release = (message: QueuedMessage, due: number | null): void => {
    const lane = laneNumber(message.lane);
    this.active.delete(message.id);
    this.memory.free(lane, message.cost);
    message.content.release();
    this.messages[lane]! -= 1;
    if (due !== null) {
      const next = laneNumber(laneAfter(message.envelope.handling.lane, message.attempts));
      this.messages[next]! += 1;
      if (due < Number.POSITIVE_INFINITY) this.waiting.push(next, due, message.id);
    }
    if (this.waiting.length > 0) this.waiting.pump();
  };

  /** DELIVERBY has ended it, or its sender is to be told. */
  private isOver(message: QueuedMessage, now: number): boolean {
    const { envelope } = message;
    if (envelope.handling.deliverBy === null) return false;
    return isLapsed(envelope, now) || (!message.delayNotified && isLate(envelope, now));
  }

  /** Has its id come up when its time is over, wherever it is by then. */
  private watchTime(message: QueuedMessage): void {
    const by = message.envelope.handling.deliverBy;
    if (by === null || (by.mode === 'N' && message.delayNotified)) return;
    this.waiting.push(laneNumber(message.lane), by.at, message.id);
    this.waiting.pump();
  }

  private inMemory(id: QueueId, now: number): boolean {
    const message = this.active.get(id);
    if (message === undefined) return false;
    if (this.isOver(message, now)) this.lapseTimer ??= setTimeout(() => this.lapse(), LAPSE_INTERVAL);
    return true;
  }

  private lapse(): void {
    this.lapseTimer = null;
    const now = this.options.clock.now();
    this.withdraw(({ message }) => this.isOver(message, now));
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
