/**
 * Events to many listeners at once: gathered for a moment, made into frames once for all that have the same filter, and
 * handed out.
 *
 * Contract: a listener gets events in the order in which they happened, each once, or is told how many it missed.
 * Subscribed to the engine's events only while there is a listener. Never holds the thread longer than a slice, and rests
 * after each, so mail keeps its time however many listen; with thousands of listeners frames come less often instead.
 * Filters take turns: many listeners of one do not hold up those of another.
 * Bounded: what is gathered, what waits for each filter and for all, what waits in a listener's connection and in all of
 * them together. A listener that does not keep up misses events, is told, and is closed where it goes on like that.
 */
import { canonicalFilter, type EventFilter } from '../../telemetry/event-filter.js';
import type { MailEvent, MailEventListener } from '../../telemetry/mail-event.js';
import { droppedNotice, EventGroup, type Frame } from './event-group.js';

/** The connection of a listener. */
export interface EventReceiver {
  /** Bytes that were sent and that the system has not taken yet. */
  held(): number;
  send(frame: Uint8Array): void;
  /** Says why and closes; nothing is called afterwards. */
  end(code: number, reason: string): void;
  /** Closes at once and frees what is held. */
  abort(): void;
}

export interface FanoutOptions {
  /** Monotonic, ms. */
  now(): number;
  subscribe(listener: MailEventListener): () => void;
  /** How long events are gathered, ms. */
  readonly gather?: number;
  /** Bytes held for one listener, and for all. */
  readonly backlog?: number;
  readonly backlogs?: number;
}

export interface FanoutCounts {
  readonly listeners: number;
  /** Events that a listener missed, for each listener. */
  readonly dropped: number;
  /** Listeners closed because they did not keep up. */
  readonly closed: number;
}

/** Try again later (RFC 6455 section 7.4, registry of IANA). */
const TOO_SLOW = 1013;
const GOING_AWAY = 1001;

const GATHER = 50;
const MIB = 1024 * 1024;
const BACKLOG = 4 * MIB;
const BACKLOGS = 64 * MIB;
/** Events gathered, and their size as roughly estimated. */
const MAX_GATHERED = 20_000;
const MAX_GATHERED_BYTES = 32 * MIB;
const ABOUT_EVENT = 512;
const ABOUT_RECIPIENT = 64;
/** Characters that wait for one filter, and for all. */
const MAX_WAITING = 2 * MIB;
const MAX_WAITING_IN_ALL = 32 * MIB;
/** Work at a time, ms, and how many times as long to rest after it: a share of 4 % of the thread. */
const SLICE = 2;
const REST = 24;
const LONGEST_REST = 250;
/** Events looked at between two looks at the clock. */
const STRIDE = 32;
/** A listener that is behind is closed after so many missed events, or so long, ms. */
const MOST_MISSED = 100_000;
const BEHIND = 10_000;

/** A listener in the list. */
class Member {
  held = 0;
  missed = 0;
  /** Since when it misses events, null: it keeps up. */
  behind: number | null = null;
  readonly receiver: EventReceiver;
  readonly group: EventGroup<Member>;

  constructor(receiver: EventReceiver, group: EventGroup<Member>) {
    this.receiver = receiver;
    this.group = group;
  }
}

export class EventFanout {
  private readonly options: FanoutOptions;
  private readonly groups = new Map<string, EventGroup<Member>>();
  private readonly members = new Map<EventReceiver, Member>();
  private gathered: MailEvent[] = [];
  private gatheredBytes = 0;
  /** Events that there was no room to gather. */
  private lost = 0;
  private heldInAll = 0;
  private droppedInAll = 0;
  private closedInAll = 0;
  private timer: NodeJS.Timeout | null = null;
  /** Work under way, one step of each in turn: events being matched, groups being served. */
  private tasks: Iterator<void>[] = [];
  private matching = false;
  private matchedAt = Number.NEGATIVE_INFINITY;
  private unsubscribe: (() => void) | null = null;

  constructor(options: FanoutOptions) {
    this.options = options;
  }

  get counts(): FanoutCounts {
    return { listeners: this.members.size, dropped: this.droppedInAll, closed: this.closedInAll };
  }

  /** Bytes that wait in connections, as of the last look at each. */
  get held(): number {
    return this.heldInAll;
  }

  /** A listener from now on, until `remove`. */
  add(receiver: EventReceiver, wanted: EventFilter): void {
    const filter = canonicalFilter(wanted);
    const key = JSON.stringify(filter);
    const group = this.groups.get(key) ?? new EventGroup<Member>(filter);
    this.groups.set(key, group);
    const member = new Member(receiver, group);
    this.members.set(receiver, member);
    group.members.add(member);
    this.unsubscribe ??= this.options.subscribe((event) => this.gather(event));
  }

  /** It is gone. */
  remove(receiver: EventReceiver): void {
    const member = this.members.get(receiver);
    if (member === undefined) return;
    this.members.delete(receiver);
    this.heldInAll -= member.held;
    const { group } = member;
    group.members.delete(member);
    if (group.members.size === 0) this.groups.delete(JSON.stringify(group.filter));
    if (this.members.size === 0) this.rest();
  }

  /** What was held for it went out, or some of it. */
  drained(receiver: EventReceiver): void {
    const member = this.members.get(receiver);
    if (member === undefined) return;
    this.look(member);
    if (member.behind === null || member.held > 0) return;
    const { missed } = member;
    const long = this.options.now() - member.behind > BEHIND || missed > MOST_MISSED;
    member.behind = null;
    member.missed = 0;
    receiver.send(droppedNotice(missed));
    if (long) this.expel(member, () => receiver.end(TOO_SLOW, `too slow: ${missed} events were dropped`));
  }

  /** Ends all listeners. */
  close(): void {
    for (const receiver of [...this.members.keys()]) {
      this.remove(receiver);
      receiver.end(GOING_AWAY, 'the engine stops');
    }
  }

  private gather(event: MailEvent): void {
    const bytes = ABOUT_EVENT + ('recipients' in event ? event.recipients.length * ABOUT_RECIPIENT : 0);
    if (this.gathered.length >= MAX_GATHERED || this.gatheredBytes + bytes > MAX_GATHERED_BYTES) {
      this.lost++;
      return;
    }
    this.gathered.push(event);
    this.gatheredBytes += bytes;
    if (this.timer === null) this.timer = setTimeout(this.work, this.options.gather ?? GATHER);
  }

  /** A slice of work. */
  private readonly work = (): void => {
    const { now, gather = GATHER } = this.options;
    const began = now();
    if (!this.matching && began - this.matchedAt >= gather && (this.gathered.length > 0 || this.lost > 0)) {
      this.matching = true;
      this.matchedAt = began;
      this.tasks.push(this.match());
    }
    for (let i = 0; this.tasks.length > 0 && now() - began < SLICE; ) {
      if (i >= this.tasks.length) i = 0;
      if (this.tasks[i]!.next().done === true) this.tasks.splice(i, 1);
      else i++;
    }
    // The one that was cut short is not always the same.
    if (this.tasks.length > 1) this.tasks.push(this.tasks.shift()!);
    const rest = Math.min(LONGEST_REST, (now() - began) * REST);
    const gathering = this.gathered.length > 0 || this.lost > 0;
    const wait = this.tasks.length > 0 ? rest : Math.max(rest, this.matchedAt + gather - now());
    const more = this.members.size > 0 && (gathering || this.tasks.length > 0);
    this.timer = more ? setTimeout(this.work, wait) : null;
  };

  /** Gives each group what it wants of what was gathered. Like all tasks it yields where it may be interrupted. */
  private *match(): Generator<void, void> {
    const { gathered: events, lost } = this;
    [this.gathered, this.gatheredBytes, this.lost] = [[], 0, 0];
    // Filled in when the first group wants it.
    const texts = new Array<string | undefined>(events.length);
    let waiting = 0;
    for (const group of this.groups.values()) waiting += group.waiting;
    for (const group of this.groups.values()) {
      group.lose(lost);
      for (let i = 0; i < events.length; i++) {
        if (i % STRIDE === STRIDE - 1) yield;
        if (!group.wants(events[i]!)) continue;
        texts[i] ??= JSON.stringify(events[i]);
        const { length } = texts[i]!;
        const room = group.waiting + length <= MAX_WAITING && waiting + length <= MAX_WAITING_IN_ALL;
        if (room || group.waiting === 0) group.push(texts[i]!);
        else group.lose(1);
        waiting += length;
      }
      this.serve(group);
      yield;
    }
    this.matching = false;
  }

  private serve(group: EventGroup<Member>): void {
    if (group.busy || group.idle) return;
    group.busy = true;
    this.tasks.push(this.handOut(group));
  }

  private *handOut(group: EventGroup<Member>): Generator<void, void> {
    while (!group.idle) {
      const { frames, lost } = group.take();
      this.droppedInAll += lost * group.members.size;
      yield;
      for (const member of group.members) {
        this.give(member, frames);
        yield;
      }
    }
    group.busy = false;
  }

  private give(member: Member, frames: readonly Frame[]): void {
    const { backlog = BACKLOG, backlogs = BACKLOGS, now } = this.options;
    const { receiver } = member;
    this.look(member);
    for (const { bytes, events } of frames) {
      // One that is behind stays so until all that is held went out: it is told of what it misses first.
      if (member.behind !== null || (member.held > 0 && member.held + bytes.length > backlog)) {
        member.behind ??= now();
        member.missed += events;
        this.droppedInAll += events;
        continue;
      }
      receiver.send(bytes);
      if (!this.members.has(receiver)) return;
      this.look(member);
      // Memory is short and this one does not take what it gets: others do.
      if (this.heldInAll > backlogs && member.held > 0) {
        this.expel(member, () => receiver.abort());
        return;
      }
    }
    // It reads nothing, or too little: no notice would reach it.
    if (member.behind !== null && now() - member.behind > 2 * BEHIND) this.expel(member, () => receiver.abort());
  }

  private look(member: Member): void {
    const held = member.receiver.held();
    this.heldInAll += held - member.held;
    member.held = held;
  }

  private expel(member: Member, close: () => void): void {
    this.closedInAll++;
    this.remove(member.receiver);
    close();
  }

  /** Nobody listens any more. */
  private rest(): void {
    this.unsubscribe?.();
    this.unsubscribe = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.tasks = [];
    this.matching = false;
    [this.gathered, this.gatheredBytes, this.lost] = [[], 0, 0];
  }
}
