/**
 * Mail that waits in the spool, and its way back into memory.
 *
 * An id waits in one of two places, a lane at a time: in the heap, with the time when it is due, or in the ring of its
 * destination, ready but beyond that one's share of memory. What is due is read to learn where it goes, and stays in
 * memory or goes into that ring; a ring is read when its destination has room, and not before. So mail of a destination
 * that is blocked is read once too often at most, and keeps nothing else from being read. Lanes take turns by weight.
 *
 * Entries are never taken out of the middle; whoever reads a message sees whether its entry still stands.
 */
import type { Clock } from '../core/clock.js';
import { Deque } from '../core/deque.js';
import type { QueueId } from '../core/queue-id.js';
import type { Spool, StoredMessage } from '../spool/spool.js';
import type { LaneQueue } from './destination-queue.js';
import { DueHeap } from './due-heap.js';
import { IdRing } from './id-ring.js';
import { type LaneShares, LaneTurns, QUEUE_LANES, type QueueLane } from './lanes.js';
import { READ_ESTIMATE, type ReadyMemory } from './ready-memory.js';

/** Reads from the spool under way at once. */
const MAX_LOADS = 32;
/** Longest sleep of the due timer, ms: setTimeout takes no more than 2^31. */
const MAX_SLEEP = 3_600_000;
/**
 * Mail that is due but turns out to be beyond its destination's share is read at this pace at most, ms a message, with as
 * much at once: what is read in vain takes a few hundredths of the thread, however many of them a restart has found.
 */
const VAIN_INTERVAL = 1;
const VAIN_BURST = 64;

export interface WaitingMailOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly memory: ReadyMemory;
  readonly shares: LaneShares;
  /** Wait after a failed read, ms. */
  readonly retryAfter: number;
  /** It is in memory: its time has come all the same (DELIVERBY). False: it is not in memory. */
  inMemory(id: QueueId, now: number): boolean;
  /** A message whose time has come was read; `room`: for this destination there is room. False: it did not stay. */
  read(stored: StoredMessage, room: LaneQueue | null): boolean;
  /** It turned out to be damaged. */
  lost(lane: number): void;
  unreadable(id: QueueId, error: unknown): void;
  /** A read for a destination is over. */
  idle(lane: LaneQueue): void;
}

export class WaitingMail {
  /** Ids in rings of destinations. */
  coldCount = 0;
  private readonly options: WaitingMailOptions;
  private readonly heaps = [new DueHeap(), new DueHeap(), new DueHeap()] as const;
  /** Lanes of destinations that may have room for what is in their rings. */
  private readonly hungry = [new Deque<LaneQueue>(), new Deque<LaneQueue>(), new Deque<LaneQueue>()] as const;
  private readonly turns: LaneTurns;
  /** Messages being read, each with the number of its read. */
  private readonly loading = new Map<QueueId, number>();
  private loads = 0;
  private ringNext = false;
  /** When the next read in vain is in order, engine clock ms. */
  private vainAt = 0;
  private timer: NodeJS.Timeout | null = null;
  private timerAt = Number.POSITIVE_INFINITY;
  private stopped = false;

  constructor(options: WaitingMailOptions) {
    this.options = options;
    this.turns = new LaneTurns(options.shares);
  }

  /** Entries that wait, stale ones counted. */
  get length(): number {
    return this.scheduled + this.coldCount;
  }

  /** Entries with a time. */
  get scheduled(): number {
    return this.heaps[0].length + this.heaps[1].length + this.heaps[2].length;
  }

  /** Notes an id with its time, engine clock ms. Call `pump` after the last. */
  push(lane: number, due: number, id: QueueId): void {
    this.heaps[lane]!.push(due, id);
  }

  /** A ready message beyond its destination's share of memory. Call `pump` after it. */
  pushCold(lane: LaneQueue, id: QueueId): void {
    lane.cold ??= new IdRing();
    lane.cold.push(id);
    this.coldCount++;
    this.feed(lane);
  }

  /** A destination may have room for what is in its ring. */
  feed(lane: LaneQueue): void {
    if (lane.hungry || lane.coldLength === 0) return;
    lane.hungry = true;
    this.hungry[lane.lane]!.push(lane);
  }

  /** What is being read of a message no longer counts. */
  interrupt(id: QueueId): void {
    this.loading.delete(id);
  }

  isLoading(id: QueueId): boolean {
    return this.loading.has(id);
  }

  /** When an id is due and in which lane, undefined when it is in no heap. For operators. */
  find(id: QueueId): { readonly lane: QueueLane; readonly due: number } | undefined {
    let found: { lane: QueueLane; due: number } | undefined;
    this.heaps.forEach((heap, n) => {
      const due = heap.dueOf(id);
      if (due !== undefined && (found === undefined || due < found.due)) found = { lane: QUEUE_LANES[n]!, due };
    });
    return found;
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Reads what is due and what there is room for, and sleeps until the next is due. */
  pump(): void {
    if (this.stopped) return;
    const now = this.options.clock.now();
    while (this.loading.size < MAX_LOADS) {
      let open = 0;
      for (let lane = 0; lane < 3; lane++)
        if (this.isDue(lane, now) || this.nextHungry(lane) !== undefined) open |= 1 << lane;
      if (open === 0) break;
      const lane = this.turns.next(open);
      this.turns.took(lane);
      this.readNext(lane, now);
    }
    this.sleep(now);
  }

  private isDue(lane: number, now: number): boolean {
    return this.heaps[lane]!.nextDue <= now && this.vainAt <= now + VAIN_BURST * VAIN_INTERVAL;
  }

  /** The next destination that has room, undefined when none has. */
  private nextHungry(lane: number): LaneQueue | undefined {
    const list = this.hungry[lane]!;
    for (let front = list.first; front !== undefined; front = list.first) {
      if (front.coldLength > 0) {
        if (this.options.memory.mayRead(lane, front.bytes)) return front;
        // It is not at its bound, there is no room at all: something that is in memory has to go first.
        if (front.bytes === 0) return undefined;
      }
      // At its bound: it comes again when one of its jobs is done.
      list.shift();
      front.hungry = false;
    }
    return undefined;
  }

  private readNext(lane: number, now: number): void {
    const heap = this.heaps[lane]!;
    const front = this.nextHungry(lane);
    this.ringNext = !this.ringNext;
    if (front === undefined || (this.ringNext && this.isDue(lane, now))) {
      this.load(heap.pop(), lane, null, now);
      return;
    }
    this.hungry[lane]!.shift();
    front.hungry = false;
    this.coldCount--;
    const id = front.cold!.shift();
    // Behind the others.
    this.feed(front);
    this.load(id, lane, front, now);
  }

  private load(id: QueueId, lane: number, ring: LaneQueue | null, now: number): void {
    const { options } = this;
    if (this.loading.has(id) || options.inMemory(id, now)) {
      if (ring !== null) options.idle(ring);
      return;
    }
    const read = ++this.loads;
    this.loading.set(id, read);
    options.memory.beginRead(lane);
    if (ring !== null) ring.bytes += READ_ESTIMATE;
    const ended = (): boolean => {
      options.memory.endRead(lane);
      if (ring !== null) ring.bytes -= READ_ESTIMATE;
      if (this.loading.get(id) !== read) return false;
      this.loading.delete(id);
      return true;
    };
    options.spool
      .load(id)
      .then(
        (stored) => {
          if (ended()) this.loaded(id, stored, lane, ring);
        },
        (error: unknown) => {
          options.unreadable(id, error);
          if (ended()) this.push(lane, options.clock.now() + options.retryAfter, id);
        },
      )
      .finally(() => {
        if (ring !== null) {
          this.feed(ring);
          options.idle(ring);
        }
        this.pump();
      });
  }

  private loaded(id: QueueId, stored: StoredMessage | undefined, lane: number, ring: LaneQueue | null): void {
    const { options } = this;
    if (stored === undefined) {
      if (options.spool.isQuarantined(id)) options.lost(lane);
      return;
    }
    const now = options.clock.now();
    const { envelope, state } = stored;
    // Held, or deferred again: then a later entry stands for it.
    const due = state === null ? envelope.handling.holdUntil : state.due;
    if (this.stopped || state?.held === true || due > now + 1 || options.inMemory(id, now)) return;
    if (!options.read(stored, ring)) this.vainAt = Math.max(this.vainAt, now) + VAIN_INTERVAL;
  }

  private sleep(now: number): void {
    let next = Math.min(this.heaps[0].nextDue, this.heaps[1].nextDue, this.heaps[2].nextDue);
    if (next <= now) {
      // Reads under way go on with it when they are done, unless too many were in vain.
      next = this.vainAt - VAIN_BURST * VAIN_INTERVAL;
      if (next <= now) return;
    }
    if (next >= this.timerAt) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timerAt = next;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.timerAt = Number.POSITIVE_INFINITY;
        this.pump();
      },
      Math.min(MAX_SLEEP, Math.ceil(next - now)),
    );
    this.timer.unref();
  }
}
