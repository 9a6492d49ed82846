/**
 * Which of the pools of a site is next: those that wait for a connection in the order in which they came, those for whose
 * jobs it is too early by the time at which they may ask again, then in the order in which they came.
 *
 * Limits: entries of pools that need nothing any more stay until their turn comes; a pool has one in each line, and as
 * many by time as its time was moved nearer. Cost: constant for connections, logarithmic by time.
 */
import { Deque } from '../core/deque.js';

/** A pool in line. The fields are kept by Turns. */
export interface Waiter {
  inLine: boolean;
  inUrgentLine: boolean;
  /** When it asks again, engine clock ms; Infinity: it does not wait for a time. */
  wakeAt: number;
  /** Something waits. */
  readonly wants: boolean;
  /** Of that something for lane immediate. */
  readonly wantsUrgently: boolean;
}

interface Entry<W> {
  readonly at: number;
  readonly number: number;
  readonly waiter: W;
}

export class Turns<W extends Waiter> {
  /** Made when the first pool has to wait: most sites have one pool, which never does. */
  private urgent: Deque<W> | null = null;
  private others: Deque<W> | null = null;
  /** A binary heap by time, then number. */
  private readonly heap: Entry<W>[] = [];
  private numbers = 0;

  /** How many are in line for a connection. */
  get inLine(): number {
    return this.urgentInLine + (this.others?.length ?? 0);
  }

  get urgentInLine(): number {
    return this.urgent?.length ?? 0;
  }

  /** When the next one asks again, Infinity for never. */
  get nextTime(): number {
    while (this.heap.length > 0 && !isMeant(this.heap[0]!)) this.pop();
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** At the end of the line, where it is not in it. */
  line(waiter: W): void {
    if (waiter.wantsUrgently && !waiter.inUrgentLine) {
      waiter.inUrgentLine = true;
      this.urgent ??= new Deque();
      this.urgent.push(waiter);
    }
    if (waiter.inLine) return;
    waiter.inLine = true;
    this.others ??= new Deque();
    this.others.push(waiter);
  }

  /** Back to where it was: it could not use what there was. */
  lineFirst(waiter: W, urgent: boolean): void {
    if (urgent ? waiter.inUrgentLine : waiter.inLine) return;
    if (urgent) {
      waiter.inUrgentLine = true;
      this.urgent!.unshift(waiter);
    } else {
      waiter.inLine = true;
      this.others!.unshift(waiter);
    }
  }

  /** The first that still wants something, out of the line. */
  shift(urgent: boolean): W | undefined {
    for (;;) {
      const waiter = (urgent ? this.urgent : this.others)?.shift();
      if (waiter === undefined) return undefined;
      if (urgent) waiter.inUrgentLine = false;
      else waiter.inLine = false;
      if (urgent ? waiter.wantsUrgently : waiter.wants) return waiter;
    }
  }

  /** Asks again at `at`, or earlier where that was said before. */
  at(waiter: W, at: number): void {
    if (at >= waiter.wakeAt) return;
    waiter.wakeAt = at;
    this.push({ at, number: this.numbers++, waiter });
  }

  /** The next whose time has come, undefined for none. */
  due(now: number): W | undefined {
    if (this.nextTime > now) return undefined;
    const { waiter } = this.pop();
    waiter.wakeAt = Number.POSITIVE_INFINITY;
    return waiter;
  }

  private push(entry: Entry<W>): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): Entry<W> {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore<W>(a: Entry<W>, b: Entry<W>): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}

/** Not one whose pool was told another time, or has nothing any more. */
function isMeant<W extends Waiter>({ at, waiter }: Entry<W>): boolean {
  if (at !== waiter.wakeAt) return false;
  if (waiter.wants) return true;
  waiter.wakeAt = Number.POSITIVE_INFINITY;
  return false;
}
