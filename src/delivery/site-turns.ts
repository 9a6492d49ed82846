/**
 * When the pools of a site come to their turn: those in line when there is room, those that wait for a time when it comes.
 *
 * Cost: a connection that becomes free looks at a few pools, a time that comes at as many as get something and a few more.
 */
import type { Clock } from '../core/clock.js';
import type { DestinationPool } from './destination-pool.js';
import type { Slots } from './slots.js';
import { Turns } from './turns.js';

/** How many in line are looked at for one connection. */
const LOOKS = 8;
/** How many are asked in a row without one that gets anything: they wait for the same. */
const FRUITLESS = 64;
/** How long pools wait that nothing will tell, ms. */
export const POLL = 1000;
/** Longest time until a pool that waits for a time asks again, ms: what stood in its way may have gone sooner. */
const LONGEST_WAIT = 30_000;

export class SiteTurns {
  /** Grows with every job and connection that begins. */
  progress = 0;
  private readonly turns = new Turns<DestinationPool>();
  private readonly clock: Clock;
  private readonly slots: Slots;
  private serving = false;
  private timer: NodeJS.Timeout | null = null;
  private timerAt = Number.POSITIVE_INFINITY;
  /** Those whose time has come are not asked before this, engine clock ms: it would be in vain. */
  private notBefore = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, slots: Slots) {
    this.clock = clock;
    this.slots = slots;
  }

  /** How many wait for a connection. */
  get inLine(): number {
    return this.turns.inLine;
  }

  get urgentInLine(): number {
    return this.turns.urgentInLine;
  }

  /** Gets in line for a connection. False: it is there already. */
  line(pool: DestinationPool): boolean {
    if (pool.inLine && (pool.inUrgentLine || !pool.wantsUrgently)) return false;
    this.turns.line(pool);
    return true;
  }

  /** Asks again at `until`. */
  at(pool: DestinationPool, until: number, now: number): void {
    this.turns.at(pool, Math.min(Math.max(until, now + 1), now + LONGEST_WAIT));
    this.arm(now);
  }

  /** A few of those who have waited go before one that comes now. */
  othersFirst(now: number): void {
    if (this.turns.inLine > 0) this.serve(2);
    if (this.turns.nextTime <= now && this.notBefore <= now) this.serveDue(now, 2);
  }

  /** The first in line that takes what there is. Who does not stays where it is, unless it waits for a time now. */
  firstThat(takes: (pool: DestinationPool) => boolean): DestinationPool | undefined {
    return this.firstIn(true, takes) ?? this.firstIn(false, takes);
  }

  /** Lets those in line try, as long as there is room for more connections, or some rest. */
  serve(most = LOOKS): void {
    if (this.serving) return;
    this.serving = true;
    let fruitless = 0;
    while (fruitless < most && this.turns.inLine > 0) {
      const urgent = this.turns.urgentInLine > 0;
      if (!this.slots.hasRoom(urgent) && !(this.slots.idle > 0 && (urgent || this.slots.sparesOne))) break;
      const before = this.progress;
      this.turns.shift(urgent)?.dispatch();
      if (this.progress !== before) fruitless = 0;
      else fruitless++;
    }
    this.serving = false;
    // While there is a connection, it will come to the others when that is free or gone.
    if (this.slots.connections > 0 || this.turns.inLine === 0) return;
    if (this.slots.hasRoom(false)) setImmediate(() => this.serve());
    else this.waitForRoom();
  }

  /** No more turns. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.timerAt = Number.POSITIVE_INFINITY;
  }

  /** No connection is allowed at all: nobody will tell when that changes. */
  private waitForRoom(): void {
    const now = this.clock.now();
    for (const urgent of [true, false])
      for (let pool = this.turns.shift(urgent); pool !== undefined; pool = this.turns.shift(urgent))
        this.at(pool, now + POLL, now);
  }

  private firstIn(urgent: boolean, takes: (pool: DestinationPool) => boolean): DestinationPool | undefined {
    const passed: DestinationPool[] = [];
    let found: DestinationPool | undefined;
    while (found === undefined && passed.length < LOOKS) {
      const pool = this.turns.shift(urgent);
      if (pool === undefined) break;
      if (takes(pool)) found = pool;
      else passed.push(pool);
    }
    for (const pool of passed.reverse()) if (!pool.isRefused) this.turns.lineFirst(pool, urgent);
    return found;
  }

  private serveDue(now: number, most: number): void {
    if (this.serving) return;
    this.serving = true;
    let fruitless = 0;
    let next = Number.POSITIVE_INFINITY;
    while (fruitless < most) {
      const pool = this.turns.due(now);
      if (pool === undefined) break;
      const before = this.progress;
      pool.dispatch();
      if (this.progress !== before) fruitless = 0;
      else fruitless++;
      next = Math.min(next, pool.wakeAt);
    }
    this.serving = false;
    // The others wait for what these did not get.
    if (fruitless >= most && next < Number.POSITIVE_INFINITY) this.notBefore = next;
    this.arm(now);
  }

  private arm(now: number): void {
    const at = Math.max(this.turns.nextTime, this.notBefore);
    if (at >= this.timerAt || at === Number.POSITIVE_INFINITY) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(
      () => {
        this.stop();
        this.serveDue(this.clock.now(), FRUITLESS);
      },
      Math.max(1, Math.ceil(at - now)),
    );
    this.timer.unref();
  }
}
